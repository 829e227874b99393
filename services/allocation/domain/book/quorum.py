"""Quorum: how many approvals a decision needs. What is split is summed: with its own awards count those of the last days in this book, and
all those for the same disruption, emergencies too, less what was given back."""

from collections.abc import Iterable
from datetime import date, timedelta

import immutables
import msgspec

from services.allocation.domain.book.state import APPROVALS, Book, RecentDecision, Round, approvals_needed, proposal_of
from services.allocation.domain.policies.terms import MAX_QUORUM_DAYS
from services.allocation.events import DecisionGivenBack, RoundCertified, RoundId


class QuorumCount(msgspec.Struct, frozen=True, kw_only=True):
    needed: int
    summed_g: int  # the decision's own awards among them
    days: int
    since: tuple[date, ...]  # the days on which the others were certified

    def __str__(self) -> str:
        others = f", with what was decided on {', '.join(map(str, self.since))}" if self.since else ""
        return f"{self.summed_g} g in {self.days} days{others}"


def quorum_of(book: Book, round_id: RoundId, round: Round, mass_g: int, on: date, *, proposed: bool) -> QuorumCount:
    """Of a decision that awards so much. `proposed`: what other rounds propose counts too, so that whichever of them is certified first
    changes nothing for the other."""
    others = _of_late(book, round, on)
    if proposed:
        others += [
            RecentDecision(on=on, mass_g=proposal_of(other).mass_g, disruption=other.disruption, emergency=other.emergency is not None)
            for other_id, other in book.rounds.items()
            if other_id != round_id and other.proposal is not None and not other.certified
        ]
    summed_g = mass_g + _sum_g(others)
    return QuorumCount(
        needed=APPROVALS if _is_within_emergency(round, mass_g, others) else approvals_needed(round.quorum, summed_g),
        summed_g=summed_g,
        days=round.quorum_days,
        since=tuple(sorted({each.on for each in _of_late(book, round, on)})),
    )


def counted(book: Book, round: Round, event: RoundCertified) -> immutables.Map[RoundId, RecentDecision]:
    """With this decision, and without what no later one is summed with."""
    on = event.expires_on - timedelta(days=round.release_days)
    kept = book.counted
    for name, each in book.counted.items():
        if each.disruption is None and each.on <= on - timedelta(days=MAX_QUORUM_DAYS):
            kept = kept.delete(name)
    emergency = round.emergency is not None
    return kept.set(event.round, RecentDecision(on=on, mass_g=proposal_of(round).mass_g, disruption=round.disruption, emergency=emergency))


def counted_less(book: Book, event: DecisionGivenBack) -> immutables.Map[RoundId, RecentDecision]:
    """What was drawn stays drawn, and counts."""
    if (found := book.counted.get(event.round)) is None:
        return book.counted
    back_g = sum(back.mass_g for back in event.given.values())
    return book.counted.set(event.round, msgspec.structs.replace(found, mass_g=found.mass_g - back_g))


def _of_late(book: Book, round: Round, on: date) -> list[RecentDecision]:
    after = on - timedelta(days=round.quorum_days)
    return [
        each
        for each in book.counted.values()
        if each.mass_g and (each.on > after or (round.disruption is not None and each.disruption == round.disruption))
    ]


def _is_within_emergency(round: Round, mass_g: int, others: Iterable[RecentDecision]) -> bool:
    """Whether one approval does: for as much as the policy lets emergencies release, all of them together."""
    if round.emergency is None:
        return False
    most_g = round.emergency.max_g
    return most_g is None or mass_g + _sum_g(each for each in others if each.emergency) <= most_g


def _sum_g(others: Iterable[RecentDecision]) -> int:
    return sum(each.mass_g for each in others)
