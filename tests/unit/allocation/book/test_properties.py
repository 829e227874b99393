"""What holds of a book through any commands.

Awards stay within claims, quota and supply, carries within a unit; commands from timers and reactions never refuse.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.book.carries import EndCarry, ExpireCarry, FollowAgreement
from services.allocation.domain.book.decider import Command
from services.allocation.domain.book.lapses import AgreementChanged, LapseApprovals, ProtectedStockChanged
from services.allocation.domain.book.requests import ExpireRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound, CloseRound, ReopenRound
from services.allocation.domain.book.state import Book, proposal_of
from services.allocation.events import AgreementId, Award, DecisionHash, RequestId, RoundCertified, RoundId, RoundReleased, RoundReopened
from shared.journal.decider import Refused
from tests.stories.book import (
    ANOTHER,
    APPROVER,
    EU,
    JP,
    OPERATOR,
    TODAY,
    UNIT_G,
    US,
    Story,
    a_book,
    accept,
    open_round,
    submit,
    surroundings,
    terms,
)

PARTNERS = (JP, US, EU)
QUOTA_UNITS = 25
AROUND = surroundings(lots=12, protected=2, terms={partner: terms(partner, QUOTA_UNITS) for partner in PARTNERS})

type Step = tuple[str, int, int]
ACTS = (
    *("submit", "submit", "round"),
    *("propose", "approve", "certify", *["advance"] * 8),  # to advance is to do what the round is waiting for
    *("close", "reopen", "cancel", "withdraw", "late", "news"),
)
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 9), st.integers(1, 12)), min_size=20, max_size=60)


def attempt(story: Story, command: Command) -> tuple[Story, Sequence[object]]:
    """What is refused changes nothing."""
    after = story.when(command)
    return (story, ()) if isinstance(after.answer, Refused) else (after, after.events)


def take(story: Story, step: Step, place: int) -> tuple[Story, Sequence[object]]:
    """One step of a random history, on some request or round if there is one."""
    name, pick, units = step
    book = story.state
    rounds = sorted(book.rounds)
    requests = sorted(book.requests)
    if name == "advance":
        name = next_act(book, pick)
    match name:
        case "submit":
            story, _ = attempt(story, submit(str(place), PARTNERS[pick % 3], units, minimum_g=(pick % 4) * UNIT_G))
            return attempt(story, accept(str(place), max(units - pick % 2, 1)))
        case "round":
            waiting = [request.removeprefix("req_") for request in requests if book.requests[request].round is None]
            return attempt(story, open_round(*waiting[: 1 + pick], round=RoundId(f"rnd_{place}"))) if waiting else (story, ())
        case "withdraw" if requests:
            return attempt(story, WithdrawRequest(request=requests[pick % len(requests)], reason="met elsewhere"))
        case "late" if requests:
            return attempt(story, ExpireRequest(request=requests[pick % len(requests)], on=TODAY + timedelta(days=units * 10)))
        case "news":
            version = AgreementChanged(agreement=AgreementId("agr_JP"), partner=JP, version=pick)
            return attempt(story, LapseApprovals(cause=version if pick % 2 else ProtectedStockChanged(mass_g=2 * UNIT_G)))
        case _ if not rounds:
            return story, ()
    round = rounds[pick % len(rounds)]
    proposal = book.rounds[round].proposal
    match name:
        case "propose" if book.rounds[round].requests:
            return attempt(story, story.propose(units, AROUND, round))
        case "approve" if proposal is not None:
            return attempt(story, story.approve((OPERATOR, APPROVER, ANOTHER)[pick % 3], round))
        case "certify":
            return attempt(story, story.certify(AROUND, round))
        case "close" if proposal is not None:
            return attempt(story, CloseRound(round=round, decision=proposal.decision))
        case "reopen" if proposal is not None:
            return attempt(story, ReopenRound(round=round, decision=proposal.decision, reason="stock_short"))
        case "cancel":
            return attempt(story, CancelRound(round=round, reason="superseded"))
        case _:
            return story, ()


def next_act(book: Book, pick: int) -> str:
    """What the book waits for."""
    if not book.rounds:
        return "round" if book.requests else "submit"
    round = book.rounds[sorted(book.rounds)[pick % len(book.rounds)]]
    if round.proposal is None:
        return "propose" if round.requests else "cancel"
    if round.certified:
        return "close" if pick % 3 else "reopen"
    return "certify" if round.proposal.approvals else "approve"


def check(book: Book) -> None:
    for request_id, request in book.requests.items():
        assert request.round is None or request_id in book.rounds[request.round].requests
    for round_id, round in book.rounds.items():
        assert all(book.requests[request].round == round_id for request in round.requests)
        assert round.certified == (book.awaiting_release == round_id)
    assert all(0 < abs(Fraction(carry.carry_g)) <= UNIT_G for carry in book.carries.values())


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_no_history_gives_more_than_is_accepted_allowed_or_offered(steps: list[Step]):
    story = a_book()
    standing: dict[RoundId, tuple[Award, ...]] = {}
    for place, step in enumerate(steps):
        before = story.state
        story, events = take(story, step, place)
        for event in events:
            match event:
                case RoundCertified():
                    proposal = proposal_of(before.rounds[event.round])
                    awards = story.orders[event.release_order].awards
                    assert sum(award.mass_g for award in awards) <= 10 * UNIT_G  # what is available and not protected
                    for award in awards:
                        accepted_g = before.requests[award.request].accepted_g
                        assert accepted_g is not None
                        assert before.requests[award.request].minimum_g <= award.mass_g <= accepted_g
                    assert OPERATOR not in {approval.subject for approval in proposal.approvals.values()}
                    standing[event.round] = awards
                case RoundReopened():
                    del standing[event.round]
                case RoundReleased():
                    assert event.round in standing
        check(story.state)
    for partner in PARTNERS:
        given_g = sum(award.mass_g for awards in standing.values() for award in awards if award.partner == partner)
        assert given_g == story.state.used_g(AROUND.terms[partner].agreement, AROUND.terms[partner].year_from) <= QUOTA_UNITS * UNIT_G
    awarded = [award.request for awards in standing.values() for award in awards]
    assert len(awarded) == len(set(awarded))


@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from([date.min, TODAY, date(2100, 1, 1)]))
def test_commands_from_timers_and_reactions_never_refuse(steps: list[Step], on: date):
    story = a_book()
    for place, step in enumerate(steps):
        story, _ = take(story, step, place)
    names = [*story.state.rounds, RoundId("rnd_never")]
    decisions = [round.proposal.decision for round in story.state.rounds.values() if round.proposal is not None]
    commands: list[Command] = [ExpireRequest(request=request, on=on) for request in [*story.state.requests, RequestId("req_never")]]
    for round in names:
        for decision in [*decisions, DecisionHash("ab" * 32)]:
            commands.append(CloseRound(round=round, decision=decision))
            commands.append(ReopenRound(round=round, decision=decision, reason="stock_short"))
    for agreement in [*story.state.carries, AgreementId("agr_never")]:
        commands += [
            ExpireCarry(agreement=agreement, on=on),
            EndCarry(change=AgreementChanged(agreement=agreement, partner=JP, version=9)),
            FollowAgreement(change=AgreementChanged(agreement=agreement, partner=JP, version=9), valid_until=on),
        ]
    for command in commands:
        for before in (story, Story()):
            check(before.given(command).state)
