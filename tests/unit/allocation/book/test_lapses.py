"""A decision falls, with its approvals, when anything that it was made from changes."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.allocation.domain.book.decider import DECIDER
from services.allocation.domain.book.declining import DeclineRequest
from services.allocation.domain.book.lapses import (
    AgreementChanged,
    AuthorityEnded,
    DisruptionChanged,
    InterestFound,
    KeyRevoked,
    LapseApprovals,
    ProtectedStockChanged,
)
from services.allocation.domain.book.requests import ExpireRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound
from services.allocation.domain.book.state import Reason
from services.allocation.domain.controls import CONTROLS, EVENTS
from services.allocation.events import (
    AgreementId,
    ApprovalsLapsed,
    BookEvent,
    DisruptionId,
    InstrumentId,
    KeyId,
    RequestDeclined,
    RoundCertified,
    RoundId,
)
from shared.journal.decider import Refused
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.book import (
    ANOTHER,
    ANTIMONY,
    JP,
    OPERATOR,
    ROUND,
    TOO_LATE,
    UNIT_G,
    US,
    Story,
    a_book,
    a_certified_round,
    a_proposal,
    a_round,
    accept,
    open_round,
    request_id,
    submit,
    surroundings,
)
from tests.stories.screening import LISTS, decide_hit, hit, screen

SECOND = RoundId("rnd_2")
DISRUPTION = DisruptionId("dis_1")


def approved(story: Story) -> Story:
    return story.given(story.approve())


def lapsed(events: Sequence[BookEvent]) -> ApprovalsLapsed:
    [event] = [event for event in events if isinstance(event, ApprovalsLapsed)]
    return event


def news(cause: Any) -> LapseApprovals:
    return LapseApprovals(cause=cause)


def amended(version: int, partner: Any = JP) -> LapseApprovals:
    return news(AgreementChanged(agreement=AgreementId(f"agr_{partner}"), partner=partner, version=version))


@pytest.mark.parametrize(
    "command",
    [
        WithdrawRequest(request=request_id("jp"), reason="met elsewhere"),
        ExpireRequest(request=request_id("jp"), on=TOO_LATE),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_decision_falls_when_a_request_in_it_changes(command: Any):
    story = approved(a_proposal(10, 10))
    decision = story.decision()
    story = story.when(command)
    event = lapsed(story.events)
    assert (event.round, event.product, event.decision, event.decision_stands) == (ROUND, ANTIMONY, decision, False)
    assert event.cause == "request req_jp"
    assert len(event.keys) == 1
    story.when(story.certify()).refused(Reason.ROUND_NOT_PROPOSED)


@pytest.mark.parametrize(
    "command",
    [accept("jp", 9), accept("jp"), DeclineRequest(request=request_id("jp"), reasons=("sanctioned",))],
    ids=["less", "as_before", "none"],
)
def test_nobody_undoes_an_approval_by_screening_a_request_anew(command: Any):
    """Again and again, alone: no decision over it would ever be certified."""
    story = a_proposal(10, 10)
    event = lapsed(story.when(command).events)
    assert (event.decision_stands, event.keys) == (False, ()), "nobody has signed yet"
    story = approved(story)
    story.when(command).refused(Reason.DECISION_APPROVED)
    story.given(story.certify())


def test_nor_once_it_has_fallen_by_what_one_person_stops():
    """Who confirms a hit makes the decision fall, and would decline all that was in it."""
    story = a_book(submit("jp"), submit("us", US), screen(hit("1")), screen(name="us"), decide_hit("cleared"))
    story = story.given(accept("jp", lists=LISTS), accept("us", lists=LISTS), open_round("jp", "us", by=OPERATOR))
    story = story.given(story.propose(5))
    story = approved(story).given(decide_hit("confirmed"))
    assert story.state.rounds[ROUND].proposal is None
    for command in (DeclineRequest(request=request_id("us"), reasons=("no need",)), accept("us", 1, lists=LISTS)):
        story.when(command).refused(Reason.DECISION_APPROVED)
    cancel = CancelRound(round=ROUND, reason="a mistake", by=frozenset({OPERATOR}))
    refused = countersigned(DECIDER, CONTROLS, EVENTS).decide(cancel, story.state)
    assert isinstance(refused, Refused) and refused.code == ControlReason.NEEDED
    cancelled = story.given(cancel)
    cancelled.when(DeclineRequest(request=request_id("us"), reasons=("no need",))).then(RequestDeclined)


def test_a_decision_stands_when_another_request_changes():
    story = approved(a_proposal(10))
    story = story.when(submit("us", US))
    assert len(story.events) == 1
    story = story.when(accept("us"))
    assert len(story.events) == 1
    story.given(story.certify())


def test_a_decision_falls_when_its_partners_carry_changes():
    story = a_book(submit("a", JP), accept("a"), submit("us", US), accept("us"), open_round("a", "us"))
    story = story.given(submit("b", JP), accept("b"), open_round("b", round=SECOND))
    story = story.given(story.propose(1))
    story = story.given(story.propose(1, round=SECOND))
    story = approved(story)
    story = story.when(story.certify())
    event = lapsed(story.events)
    assert (event.round, event.cause) == (SECOND, "quota of agr_JP")  # its quota changed as well
    back = story.state
    story = story.given(story.propose(2, round=SECOND))
    event = lapsed(story.when(story.reopen()).events)
    assert event.round == SECOND
    assert back.rounds[SECOND].proposal is None


def test_a_decision_falls_when_an_agreement_of_one_of_its_partners_changes():
    story = approved(a_proposal(10, 10))
    story.when(amended(1)).then()  # decided with this version
    story = story.when(amended(2))
    event = lapsed(story.events)
    assert (event.cause, event.decision_stands) == ("agreement agr_JP", False)
    story.when(amended(2)).then()


def test_a_decision_falls_when_one_of_its_partners_signs_another_agreement():
    story = approved(a_proposal(10))
    event = lapsed(story.when(news(AgreementChanged(agreement=AgreementId("agr_new"), partner=JP, version=1))).events)
    assert event.cause == "agreement agr_new"


def test_a_decision_stands_when_a_stranger_s_agreement_changes():
    story = approved(a_proposal(10))
    story.when(amended(2, US)).then()


def test_a_decision_falls_when_its_disruption_is_revised():
    story = a_round(10, disruption=DISRUPTION)
    around = surroundings(disruption_version=1)
    story = story.given(story.propose(5, around))
    story.when(news(DisruptionChanged(disruption=DISRUPTION, version=1))).then()
    story.when(news(DisruptionChanged(disruption=DisruptionId("dis_2"), version=2))).then()
    assert lapsed(story.when(news(DisruptionChanged(disruption=DISRUPTION, version=2))).events).cause == "disruption dis_1"


def test_a_decision_falls_when_the_protected_stock_changes():
    story = approved(a_proposal(10))
    story.when(news(ProtectedStockChanged(mass_g=0))).then()
    assert lapsed(story.when(news(ProtectedStockChanged(mass_g=UNIT_G))).events).cause == "protected stock"


def test_a_decision_stands_when_what_is_protected_changes_below_the_policy_s_own_level():
    story = a_round(10, protected_g=3 * UNIT_G)
    story = story.given(story.propose(5, surroundings(protected=3)))
    story.when(news(ProtectedStockChanged(mass_g=2 * UNIT_G))).then()
    assert lapsed(story.when(news(ProtectedStockChanged(mass_g=4 * UNIT_G))).events).cause == "protected stock"


def test_a_revoked_key_takes_its_own_approval_and_the_decision_stands():
    story = a_proposal(10, approvals_needed=2)
    first = story.approve()
    story = story.given(first)
    story = story.given(story.approve(by=ANOTHER))
    story = story.when(news(KeyRevoked(key=KeyId(first.signing.approval.key_id))))
    event = lapsed(story.events)
    assert (event.keys, event.decision_stands) == ((first.signing.approval.key_id,), True)
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)
    story.when(news(KeyRevoked(key=KeyId(first.signing.approval.key_id)))).then()
    story.given(first)  # as if by another key of the same approver


def test_an_interest_that_is_found_lapses_that_persons_approval_of_that_round_alone():
    story = a_proposal(10)
    first = story.approve()
    story = story.given(first).given(story.approve(by=ANOTHER))
    key = KeyId(first.signing.approval.key_id)
    story.when(news(InterestFound(round=RoundId("rnd_other"), key=key))).then()
    story = story.when(news(InterestFound(round=ROUND, key=key)))
    event = lapsed(story.events)
    assert (event.keys, event.decision_stands, event.cause) == ((key,), True, f"conflict of interest {key}")
    story.when(news(InterestFound(round=ROUND, key=key))).then()


@pytest.mark.parametrize(
    "cause",
    [
        lambda first: KeyRevoked(key=KeyId(first.signing.approval.key_id)),
        lambda first: InterestFound(round=ROUND, key=KeyId(first.signing.approval.key_id)),
        lambda first: AuthorityEnded(instrument=InstrumentId(f"ins_{first.signing.by}")),
    ],
    ids=["key revoked", "interest found", "instrument ended"],
)
def test_an_approval_that_has_lapsed_is_given_again_by_another_approver_on_the_same_hash(cause: Any):
    story = a_proposal(10)
    first = story.approve()
    story = story.given(first).when(news(cause(first)))
    assert lapsed(story.events).decision_stands
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)
    second = story.approve(by=ANOTHER)
    assert second.signing.approval.document == first.signing.approval.document
    story = story.given(second).given(story.certify())
    [certified] = [event for event in story.events if isinstance(event, RoundCertified)]
    assert [each.subject for each in certified.approvals] == [ANOTHER]


def test_news_changes_nothing_that_is_certified_or_not_proposed_or_not_open():
    for story in (Story(), a_book(), a_round(10), a_certified_round(10)):
        story.when(amended(2)).then()
        story.when(news(ProtectedStockChanged(mass_g=UNIT_G))).then()
