"""Giving back: what a released decision took of quota and changed in carries, while it may still be undone, and how it is undone.

A decision that is superseded gives back all that inventory took back of it; an award that fails by the Reserve's own doing, as much as
failed. What was drawn stays drawn, and counts.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

import immutables
import msgspec

from services.allocation.domain.book.carry import NOTHING, Carry
from services.allocation.domain.book.state import Book, Decided, DecidedFor, QuotaUsed, Round, proposal_of
from services.allocation.domain.rules import MAX_CARRY_DENOMINATOR
from services.allocation.events import (
    AgreementId,
    AwardId,
    BookEvent,
    CarrySet,
    DecisionGivenBack,
    DecisionHash,
    PartnerCode,
    ProductId,
    QuotaBack,
    RoundCertified,
    RoundId,
)


class GiveBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has taken back so many grams of a decision, by partner. `whole`: since it is superseded. Total."""

    round: RoundId | None  # None: the book knows
    decision: DecisionHash
    mass_g: Mapping[PartnerCode, int]
    whole: bool
    reason: str
    award: AwardId | None = None  # that failed


def give_back(command: GiveBack, product: ProductId, book: Book) -> list[BookEvent]:
    decided = book.decided.get(command.decision)
    if decided is None:
        if command.round is None or not command.whole:
            return []  # of a tender, or given back whole before
        decided = Decided(command.round, {})
    given: dict[PartnerCode, QuotaBack] = {}
    carries: list[BookEvent] = []
    for partner, each in sorted(decided.partners.items()):
        mass_g = min(command.mass_g.get(partner, 0), each.awarded_g)
        if mass_g:
            given[partner] = QuotaBack(agreement=each.agreement, year_from=each.year_from, mass_g=mass_g)
        back_g = _carry_back_g(each, mass_g, whole=command.whole)
        if back_g:
            carries.append(_undone(product, partner, each, back_g, book, decided.round))
    if not command.whole and not given:
        return []
    event = DecisionGivenBack(
        round=decided.round,
        product=product,
        decision=command.decision,
        whole=command.whole,
        given=given,
        reason=command.reason,
        award=command.award,
    )
    return [event, *carries]


def remembered(book: Book, round: Round, event: RoundCertified) -> immutables.Map[DecisionHash, Decided]:
    """What this decision takes and changes, beside what those before it did."""
    proposal = proposal_of(round)
    partners: dict[PartnerCode, DecidedFor] = {}
    for partner, read in proposal.reads.agreements.items():
        before, after = proposal.reads.carries_g.get(partner, NOTHING), proposal.carries_g.get(partner, NOTHING)
        awarded_g = proposal.awarded_g.get(partner, 0)
        if not awarded_g and before == after:
            continue
        kept = book.carries.get(read.agreement) or round.carries_before.get(read.agreement)
        partners[partner] = DecidedFor(
            agreement=read.agreement,
            year_from=read.year_from,
            awarded_g=awarded_g,
            carry_g=str(Fraction(after) - Fraction(before)),
            remembered_until=None if kept is None else kept.remembered_until,
            expires_on=None if kept is None else kept.expires_on,
        )
    return book.decided.set(event.decision, Decided(event.round, partners))


def given_back(book: Book, event: DecisionGivenBack) -> Book:
    quota_used = book.quota_used
    for back in event.given.values():
        used = quota_used.get(back.agreement)
        if used is not None and used.year_from == back.year_from:
            quota_used = quota_used.set(back.agreement, QuotaUsed(back.year_from, used.mass_g - back.mass_g))
    decided = book.decided
    if event.decision in decided:
        decided = decided.delete(event.decision) if event.whole else decided.set(event.decision, _less(decided[event.decision], event))
    return msgspec.structs.replace(book, quota_used=quota_used, decided=decided)


def carry_forgotten(book: Book, agreement: AgreementId) -> immutables.Map[DecisionHash, Decided]:
    """What is forgotten is not given back either."""
    decided = book.decided
    for decision, each in book.decided.items():
        if any(part.agreement == agreement and part.carry_g != NOTHING for part in each.partners.values()):
            partners = {
                partner: msgspec.structs.replace(part, carry_g=NOTHING) if part.agreement == agreement else part
                for partner, part in each.partners.items()
            }
            decided = decided.set(decision, Decided(each.round, partners))
    return decided


def _less(decided: Decided, event: DecisionGivenBack) -> Decided:
    return Decided(decided.round, dict(_left(decided.partners, event.given)))


def _left(partners: Mapping[PartnerCode, DecidedFor], given: Mapping[PartnerCode, QuotaBack]) -> Iterator[tuple[PartnerCode, DecidedFor]]:
    for partner, part in partners.items():
        if (back := given.get(partner)) is None:
            yield partner, part
        else:
            left_g = Fraction(part.carry_g) - _carry_back_g(part, back.mass_g, whole=False)
            yield partner, msgspec.structs.replace(part, awarded_g=part.awarded_g - back.mass_g, carry_g=str(left_g))


def _carry_back_g(part: DecidedFor, mass_g: int, *, whole: bool) -> Fraction:
    """As much of the change as of the award; of an award of nothing, all with the whole decision."""
    if not part.awarded_g:
        return Fraction(part.carry_g) if whole else Fraction(0)
    return (Fraction(part.carry_g) * mass_g / part.awarded_g).limit_denominator(MAX_CARRY_DENOMINATOR)


def _undone(product: ProductId, partner: PartnerCode, part: DecidedFor, back_g: Fraction, book: Book, round_id: RoundId) -> CarrySet:
    now = book.carries.get(part.agreement)
    kept: DecidedFor | Carry = part if now is None else now
    before = book.carry_g(part.agreement)
    return CarrySet(
        product=product,
        agreement=part.agreement,
        partner=partner,
        carry_g=str((Fraction(before) - back_g).limit_denominator(MAX_CARRY_DENOMINATOR)),
        before_g=before,
        remembered_until=kept.remembered_until,
        expires_on=kept.expires_on,
        cause=round_id,
    )
