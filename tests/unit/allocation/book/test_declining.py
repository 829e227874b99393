"""A request that one person declines: for 72 hours, unless a second one confirms it; then it is as it was before."""

from datetime import timedelta
from typing import Any

from services.allocation.domain.book.declining import ConfirmDecline, DeclineRequest, LapseDecline
from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.domain.book.reminders import RemindOfScreening
from services.allocation.domain.book.requests import ExpireRequest, Findings, WithdrawRequest
from services.allocation.domain.book.screening import DecideHit, LapseHit, Screened, ScreenParties
from services.allocation.domain.book.state import Reason
from services.allocation.domain.screening.confirming import ConfirmingReason
from services.allocation.events import (
    Hit,
    HitId,
    ListName,
    ObjectionAnswered,
    ObjectionId,
    ObjectionRaised,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestExpired,
    RequestScreeningDue,
    RequestWithdrawn,
    RoundId,
    RoundOpened,
    ScreeningHitDecided,
    ScreeningHitLapsed,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.alone import AT, LATER, ONE, TWO, by_one
from tests.stories.book import (
    ANTIMONY,
    JP,
    NEEDED_BY,
    ROUND,
    TODAY,
    TOO_LATE,
    UNIT_G,
    Story,
    a_book,
    a_round,
    accept,
    open_round,
    request_id,
    submit,
)
from tests.stories.given import Given

LAPSE = LapseDecline(request=request_id("jp"), lapses_at=LATER)
LAPSED = RequestDeclineLapsed(request=request_id("jp"), product=ANTIMONY, partner=JP, accepted_g=None)
HIT = HitId("hit_1")
LISTED = Screened(
    request=request_id("jp"),
    lists={ListName("sanctions"): 1},
    hits=(Hit(hit=HIT, role="nominee", list=ListName("sanctions"), entry="1", match="near"),),
)


def decline(by: str = ONE, days: int = 0, *others: str, reasons: tuple[str, ...] = ("military end use",)) -> DeclineRequest:
    return DeclineRequest(request=request_id("jp"), reasons=reasons, by=by_one(by, days, *others))


def confirm(by: str = TWO, *others: str) -> ConfirmDecline:
    return ConfirmDecline(request=request_id("jp"), by=SubjectId(by), accounts=frozenset({by, *others}))


def declined(*before: Any) -> Given:
    return a_book(submit(), *before, decline())


def timers_of(story: Given) -> list[Timer | CancelTimer]:
    return [timer for event in story.events for timer in story.decider.timers(event)]


def test_it_lapses_after_72_hours_and_is_what_it_was_before():
    story = a_book(submit()).when(decline())
    [event] = story.events
    assert isinstance(event, RequestDeclined) and (event.declined_by, event.lapses_at) == (ONE, AT + timedelta(hours=72))
    [timer] = timers_of(story)  # what expires it, or reminds of it, stays set
    assert isinstance(timer, Timer) and (timer.at, timer.command) == (LATER, LAPSE)
    story.when(accept()).refused(Reason.REQUEST_CLOSED)
    story = story.when(LAPSE).then(LAPSED)
    story.when(LAPSE).then()
    story.when(accept()).then(RequestAccepted)


def test_an_acceptance_counts_again_and_the_request_comes_into_the_next_round():
    story = a_round(10, 10).given(decline())
    [round] = story.state.rounds.values()
    assert round.requests == {request_id("us")}
    another = open_round("jp", round=RoundId("rnd_2"))
    story.when(another).refused(Reason.REQUEST_CLOSED, "/requests/0")
    [lapsed] = story.when(LAPSE).events
    assert lapsed.accepted_g == 10 * UNIT_G
    story = story.given(LAPSE)
    assert story.state.rounds[ROUND].requests == {request_id("us")}
    story.when(another).then(RoundOpened)


def test_a_second_person_makes_it_stand():
    story = declined().when(confirm())
    assert story.events == [RequestDeclineConfirmed(request=request_id("jp"), product=ANTIMONY, partner=JP, confirmed_by=SubjectId(TWO))]
    assert {timer.name for timer in timers_of(story)} == {"decline/req_jp", "expire/req_jp", "screen/req_jp"}
    assert all(isinstance(timer, CancelTimer) for timer in timers_of(story))
    story.when(LAPSE).then()
    story.when(accept()).refused(Reason.REQUEST_CLOSED)
    story.when(confirm()).refused(Reason.REQUEST_CLOSED)


def test_nobody_confirms_their_own_by_whatever_account():
    declined().when(confirm(ONE)).refused(Reason.DECLINE_OWN)
    declined().when(confirm(TWO, ONE)).refused(Reason.DECLINE_OWN)
    a_book(submit()).when(confirm()).refused(Reason.NOT_DECLINED)
    Story().when(LAPSE).then()


def test_nobody_declines_again_what_nobody_confirmed():
    lapsed = declined().given(LAPSE)
    lapsed.when(decline(days=4)).refused(Reason.DECLINE_RENEWED)
    lapsed.when(decline("sub_other", 4, ONE)).refused(Reason.DECLINE_RENEWED)
    lapsed.when(decline(TWO, 4)).then(RequestDeclined)
    lapsed.when(decline(days=10)).then(RequestDeclined)
    lapsed.given(decline(TWO, 4)).when(confirm(ONE)).then(RequestDeclineConfirmed)
    by_turns = lapsed.given(decline(TWO, 4))
    again = LapseDecline(request=request_id("jp"), lapses_at=LATER + timedelta(days=4))
    by_turns.given(again).when(decline(days=8)).refused(Reason.DECLINE_RENEWED)


def test_who_confirms_a_hit_of_it_goes_on_with_no_decline_nor_the_other_way_round():
    def hit(days: int) -> DecideHit:
        by = by_one(ONE, days)
        return DecideHit(request=request_id("jp"), hit=HIT, outcome="confirmed", reason="listed", by=SubjectId(ONE), alone=by)

    listed = a_book(submit(), ScreenParties(screened=(LISTED,)))
    [event] = listed.given(hit(0)).when(decline(days=2)).events
    assert event.lapses_at == LATER, "over with the first"
    lapsed = listed.given(hit(0), LapseHit(request=request_id("jp"), hit=HIT, lapses_at=LATER))
    lapsed.when(decline(days=4)).refused(Reason.DECLINE_RENEWED)
    listed.given(decline(), LAPSE).when(hit(4)).refused(ConfirmingReason.RENEWED)
    declined = listed.given(decline()).when(hit(2)).then(ScreeningHitDecided)
    [decided] = declined.events
    assert decided.lapses_at == LATER
    declined.when(LapseHit(request=request_id("jp"), hit=HIT, lapses_at=LATER)).then(ScreeningHitLapsed)


def test_its_partner_withdraws_it_meanwhile_and_its_day_ends_it():
    withdraw = WithdrawRequest(request=request_id("jp"), reason="met elsewhere")
    for story in (declined().when(withdraw).then(RequestWithdrawn), declined().when(expire()).then(RequestExpired)):
        story.when(LAPSE).then()
        story.when(confirm()).refused(Reason.REQUEST_CLOSED)


def expire() -> ExpireRequest:
    return ExpireRequest(request=request_id("jp"), on=TOO_LATE)


def test_what_is_given_back_after_its_day_expires():
    late = DeclineRequest(request=request_id("jp"), reasons=("no",), by=by_one(ONE, (NEEDED_BY - TODAY).days))
    story = a_book(submit(), accept(), late)
    [word] = [event.lapses_at for event in a_book(submit(), accept()).when(late).events]
    story = story.given(LapseDecline(request=request_id("jp"), lapses_at=word))
    story.when(open_round("jp", on=TOO_LATE)).refused(Reason.REQUEST_EXPIRED, "/requests/0")
    story.when(expire()).then(RequestExpired)


def test_who_screens_is_reminded_of_one_that_may_come_back():
    remind = RemindOfScreening(request=request_id("jp"), screen_by=TODAY, on=TODAY)
    declined().when(remind).then(RequestScreeningDue)
    declined().given(confirm()).when(remind).then()


def test_an_objection_to_what_was_accepted_of_it_waits_until_it_is_settled():
    findings = Findings(findings={}, not_pre_cleared=(), by=SubjectId(ONE), objections_until=TODAY + timedelta(days=10))
    raised = RaiseObjection(
        objection=ObjectionId("obj_1"), request=request_id("jp"), reasons=("too little",), by=SubjectId("sub_jp"), on=TODAY
    )
    answer: dict[str, Any] = {"objection": ObjectionId("obj_1"), "reasons": ("so",), "by": SubjectId(TWO), "involved": (), "lists": {}}
    upheld = AnswerObjection(**answer, upheld=True, accepted_g=10 * UNIT_G, on=TODAY)
    accepted = a_book(submit(), accept(units=4, screening=findings))
    for story in (accepted.given(raised, decline()), accepted.given(decline()).when(raised).then(ObjectionRaised)):
        story.when(upheld).refused(Reason.REQUEST_CLOSED)
        story.given(LAPSE).when(upheld).then(ObjectionAnswered, RequestAccepted)
        story.when(AnswerObjection(**answer, upheld=False, accepted_g=None, on=TODAY)).then(ObjectionAnswered)


def test_what_an_earlier_build_declined_does_not_lapse():
    told: dict[str, Any] = {"request": request_id("jp"), "product": ANTIMONY, "partner": JP, "reasons": ("no",)}
    story = a_book(submit()).given(RequestDeclined(**told))
    assert [type(timer) for timer in story.decider.timers(RequestDeclined(**told))] == [CancelTimer, CancelTimer]
    story.when(LAPSE).then()
    story.when(confirm()).refused(Reason.REQUEST_CLOSED)
