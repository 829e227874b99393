"""No sequence of acts by one person keeps others for longer than 72 hours from what they have approved: a decision, a policy; nor an
approver from acting, but for the six days of thirteen that ADR 33 leaves."""

from datetime import date, timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from msgspec.structs import replace

from services.allocation.domain import controls as allocation
from services.allocation.domain.authority import approver, instrument, official
from services.allocation.domain.authority.approver import RevokeKey
from services.allocation.domain.authority.bar import Barring
from services.allocation.domain.authority.instrument import EndInstrument
from services.allocation.domain.authority.official import DeclareConflict
from services.allocation.domain.book import decider as book
from services.allocation.domain.book.declining import DeclineRequest
from services.allocation.domain.book.rounds import CancelRound
from services.allocation.events import (
    ApproverKeyRevoked,
    AwardGranted,
    ConflictDeclared,
    PartnerCode,
    RoundId,
    SubjectId,
)
from services.allocation.events.authority import InstrumentEnded
from shared.journal.decider import Refused
from shared.terms.countersigning import countersigned
from tests.stories import book as rounds
from tests.stories.book import ANOTHER, OPERATOR, ROUND, Story
from tests.stories.endorsing import enrolment
from tests.stories.instruments import register
from tests.stories.screening import LISTS, decide_hit, hit, screen
from tests.stories.town import BEGINS, STEPS, THIEF, Act, Town, go, never_for_longer

NEVER = date(2026, 12, 31)

# A decision that another has approved


class Book(Town):
    """Of a round over two partners' requests, approved and not certified yet. Two hits of one are cleared, by two people."""

    def __init__(self) -> None:
        controlled = countersigned(book.DECIDER, allocation.CONTROLS, allocation.EVENTS)
        super().__init__(BEGINS, {"book": book.DECIDER}, {"book": controlled})
        self.story = Story()  # with the orders that were prepared
        requests = (rounds.submit("jp", needed_by=NEVER), rounds.submit("us", rounds.US, needed_by=NEVER))
        screened = (screen(hit("1"), hit("2")), screen(name="us"), decide_hit("cleared", "1"), decide_hit("cleared", "2"))
        accepted = (rounds.accept("jp", lists=LISTS), rounds.accept("us", lists=LISTS))
        opened = rounds.open_round("jp", "us", by=OPERATOR)
        self.given("book", rounds.OpenBook(product=rounds.ANTIMONY), *requests, *screened, *accepted, opened)
        self.given("book", self.now_of().propose(on=self.today))
        self.given("book", self.now_of().approve())
        self.free = {f"the award of {partner}": partial(_is_awarded, partner) for partner in (rounds.JP, rounds.US)}

    def now_of(self) -> Story:
        self.story.state = self.states["book"]
        return self.story


def _is_awarded(partner: PartnerCode, town: Any) -> bool:
    """It is certified by others at once, or proposed, approved and certified again."""
    story = town.now_of()
    found = story.state.rounds.get(ROUND)
    if found is None:
        return False
    again = [lambda: story.propose(on=town.today), lambda: story.approve(on=town.today)]
    steps = [] if found.proposal is not None and found.proposal.approvals else again
    for step in (*steps, lambda: story.certify(on=town.today, at=town.now)):
        decided = book.DECIDER.decide(step(), story.state)
        if isinstance(decided, Refused):
            return False
        awarded = [event for event in decided if isinstance(event, AwardGranted) and event.partner == partner]
        for event in decided:
            story.state = book.DECIDER.evolve(story.state, event)
    return bool(awarded)


def by_operator(make: Any, *, stops: bool = False) -> Act:
    """Nothing that only says something else undoes what another has signed."""

    def act(town: Any) -> bool:
        command, approved = make(town), _is_approved(town)
        done = command is not None and town.alone("book", command)
        assert stops or not approved or _is_approved(town), f"{command} undoes an approval"
        return done

    return act


def _is_approved(town: Town) -> bool:
    found = town.states["book"].rounds.get(ROUND)
    return found is not None and found.proposal is not None and bool(found.proposal.approvals)


def _proposed_again(town: Any) -> Any:
    return town.now_of().propose(8, by=SubjectId(THIEF), on=town.today) if ROUND in town.states["book"].rounds else None


def confirmed(name: str) -> Act:
    return by_operator(lambda town: replace(decide_hit("confirmed", name), by=SubjectId(THIEF), alone=town.by_one(THIEF)), stops=True)


def cleared_by_two(town: Town) -> None:
    for name in ("1", "2"):
        town.by_two("book", decide_hit("cleared", name))


DECIDING: list[Act] = [
    by_operator(lambda town: rounds.accept("jp", 5, lists=LISTS, on=town.today)),
    by_operator(lambda _: DeclineRequest(request=rounds.request_id("us"), reasons=("no need",))),
    by_operator(lambda _: CancelRound(round=ROUND, reason="a mistake", by=frozenset({THIEF}))),
    by_operator(lambda town: rounds.open_round("jp", "us", round=RoundId("rnd_2"), by=SubjectId(THIEF), on=town.today)),
    by_operator(_proposed_again),
    confirmed("1"),
    confirmed("2"),
    cleared_by_two,
]


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_nobody_keeps_others_from_certifying_what_is_approved_for_longer(steps: list[tuple[int, int]]) -> None:
    town = Book()
    go(town, DECIDING, steps)
    never_for_longer(town)


# An approver's key, the instrument that they act under, and their conflicts


def an_approver() -> Town:
    deciders = {"approver": approver.DECIDER, "instrument": instrument.DECIDER, "official": official.DECIDER}
    town = Town(BEGINS, deciders, deciders)
    town.given("approver", enrolment(ANOTHER, rounds.KEYS[ANOTHER]))
    town.given("instrument", register())
    [key] = town.states["approver"].keys
    town.free = {
        "the key": lambda town: not town.states["approver"].keys[key].revoked,
        "the instrument": lambda town: town.states["instrument"].authority.ended_on is None,
        "being of no party": lambda town: not town.states["official"].conflicts,
    }
    town.free["any approval"] = lambda town: all(town.free[each](town) for each in ("the key", "the instrument", "being of no party"))
    return town


def _barring(town: Town) -> Barring:
    """As allocation looks it up: when the last word of theirs lapsed that nobody had confirmed."""
    words = [event.lapses_at for event in town.events if isinstance(event, ApproverKeyRevoked | InstrumentEnded | ConflictDeclared)]
    lapsed_at = max((at for at in words if at <= town.now), default=None)
    return Barring(by=SubjectId(THIEF), accounts=frozenset({THIEF}), at=town.now, lapsed_at=lapsed_at)


def revoked(town: Town) -> bool:
    [key] = town.states["approver"].keys
    return town.alone("approver", RevokeKey(subject=ANOTHER, key=key, products=(), reason="a tip", barring=_barring(town)))


def instrument_ended(town: Town) -> bool:
    return town.alone("instrument", EndInstrument(on=town.today, products=(), reason="a tip", barring=_barring(town)))


def interested(about: Any, name: str) -> Act:
    def act(town: Town) -> bool:
        command = DeclareConflict(official=ANOTHER, about=about, name=name, reason="a tip", barring=_barring(town))
        return town.alone("official", command)

    return act


BARRING: list[Act] = [revoked, instrument_ended, interested("partner", "JP"), interested("product", "antimony-metal")]


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_nobody_takes_from_an_approver_what_they_act_by_for_longer(steps: list[tuple[int, int]]) -> None:
    town = an_approver()
    go(town, BARRING, steps)
    assert town.stopped_within("any approval", 13) <= timedelta(days=6), f"{town.stopped['any approval']}"
    for what in ("the key", "the instrument"):
        assert town.stopped_within(what, 7) <= timedelta(hours=72), f"{what}: {town.stopped[what]}"
