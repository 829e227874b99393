"""Requests: submitted, screened, declined, withdrawn, expired."""

from datetime import date, timedelta

from services.allocation.domain.book.decider import DECIDER, OpenBook
from services.allocation.domain.book.declining import DeclineRequest
from services.allocation.domain.book.reminders import RemindOfScreening
from services.allocation.domain.book.requests import ClockTerms, ExpireRequest, WithdrawRequest
from services.allocation.domain.book.state import Reason
from services.allocation.domain.clocks.state import MILESTONES
from services.allocation.events import (
    BookOpened,
    ClockSet,
    RequestAccepted,
    RequestDeclined,
    RequestExpired,
    RequestExpiryPostponed,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
    Statement,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.book import (
    ANTIMONY,
    JP,
    NEEDED_BY,
    TODAY,
    TONNE,
    TOO_LATE,
    UNIT_G,
    Story,
    a_book,
    a_certified_round,
    a_round,
    accept,
    open_round,
    request_id,
    submit,
)


def withdraw(name: str = "jp") -> WithdrawRequest:
    return WithdrawRequest(request=request_id(name), reason="met elsewhere")


def decline(name: str = "jp", reasons: tuple[str, ...] = ("military end use",)) -> DeclineRequest:
    return DeclineRequest(request=request_id(name), reasons=reasons)


def expire(name: str = "jp", on: date = TOO_LATE) -> ExpireRequest:
    return ExpireRequest(request=request_id(name), on=on)


def test_a_book_opens_once():
    story = Story()
    story = story.when(OpenBook(product=ANTIMONY)).then(BookOpened(product=ANTIMONY))
    story.when(OpenBook(product=ANTIMONY)).then()


def test_a_request_for_an_unregistered_product_is_refused():
    Story().when(submit()).refused(Reason.PRODUCT_NOT_FOUND)


def test_a_submitted_request_states_what_it_is_for():
    [event] = a_book().when(submit(units=10, minimum_g=UNIT_G)).events
    assert event == RequestSubmitted(
        request=request_id("jp"),
        product=ANTIMONY,
        partner=JP,
        mass_g=10 * UNIT_G,
        minimum_g=UNIT_G,
        daily_consumption_g=TONNE,
        needed_by=NEEDED_BY,
        nominee="Sojitz",
        consignee="Toyo Logistics",
        end_user="Kyushu Smelting",
        end_use="flame retardants",
        least_contents={},
        excluded_origins=(),
        statement=Statement(),
    )


def test_a_partner_without_a_valid_agreement_is_refused():
    a_book().when(submit(agreement=None)).refused(Reason.AGREEMENT_MISSING)


def test_a_request_for_nothing_is_refused():
    a_book().when(submit(mass_g=0)).refused(Reason.QUANTITY_INVALID, "/mass_g")
    a_book().when(submit(mass_g=-1)).refused(Reason.QUANTITY_INVALID)


def test_a_minimum_above_the_request_is_refused():
    a_book().when(submit(units=1, minimum_g=UNIT_G + 1)).refused(Reason.MINIMUM_INVALID)
    a_book().when(submit(minimum_g=-1)).refused(Reason.MINIMUM_INVALID)


def test_a_request_without_a_consumption_is_refused():
    a_book().when(submit(daily_consumption_g=0)).refused(Reason.QUANTITY_INVALID, "/daily_consumption_g")


def test_a_request_needed_yesterday_is_refused():
    a_book().when(submit(needed_by=TODAY - timedelta(days=1))).refused(Reason.DATE_IN_PAST)
    a_book().given(submit(needed_by=TODAY))


def test_less_than_what_was_asked_for_may_be_accepted_with_reasons():
    [event] = a_book(submit(units=10)).when(accept(units=7, reasons=("three units are for stock-building",))).events
    assert event == RequestAccepted(
        request=request_id("jp"), product=ANTIMONY, partner=JP, accepted_g=7 * UNIT_G, reasons=("three units are for stock-building",)
    )


def test_a_later_acceptance_replaces_an_earlier_one():
    story = a_book(submit(), accept(units=10), accept(units=4))
    assert story.state.requests[request_id("jp")].accepted_g == 4 * UNIT_G


def test_more_than_what_was_asked_for_is_never_accepted():
    story = a_book(submit(units=10))
    refused = story.when(accept(accepted_g=10 * UNIT_G + 1)).refused(Reason.ACCEPTED_INVALID)
    assert refused.accepted is not None
    assert str(10 * UNIT_G) in refused.accepted


def test_less_than_the_minimum_is_declined_not_accepted():
    story = a_book(submit(minimum_g=2 * UNIT_G))
    story.when(accept(units=1)).refused(Reason.ACCEPTED_INVALID)
    story.when(accept(units=0)).refused(Reason.ACCEPTED_INVALID)


def test_an_acceptance_without_reasons_is_refused():
    a_book(submit()).when(accept(reasons=())).refused(Reason.REASONS_MISSING)


def test_a_request_whose_day_has_passed_is_not_accepted_though_its_timer_is_late():
    a_book(submit()).when(accept(on=TOO_LATE)).refused(Reason.REQUEST_EXPIRED)


def test_a_request_that_an_earlier_build_declined_is_closed():
    story = a_book(submit())
    story = story.when(decline()).then(
        RequestDeclined(request=request_id("jp"), product=ANTIMONY, partner=JP, reasons=("military end use",))
    )
    story.when(accept()).refused(Reason.REQUEST_CLOSED)


def test_a_declined_request_is_asked_again():
    """By its partner, at once, as another: who declines stops nobody from asking, nor another operator from accepting."""
    again = a_book(submit(), decline()).when(submit("again")).then(RequestSubmitted)
    again.when(accept("again")).then(RequestAccepted)


def test_declining_without_reasons_is_refused():
    a_book(submit()).when(decline(reasons=())).refused(Reason.REASONS_MISSING)


def test_a_withdrawn_request_is_closed():
    story = a_book(submit())
    story = story.when(withdraw()).then(RequestWithdrawn(request=request_id("jp"), product=ANTIMONY, partner=JP, reason="met elsewhere"))
    story.when(withdraw()).refused(Reason.REQUEST_CLOSED)


def test_an_unknown_request_is_refused():
    a_book().when(withdraw("never")).refused(Reason.REQUEST_CLOSED)


def test_a_request_that_leaves_an_open_round_leaves_it_to_the_others():
    story = a_round(10, 10)
    story = story.given(withdraw("jp"))
    [round] = story.state.rounds.values()
    assert round.requests == {request_id("us")}


def test_a_request_in_a_certified_round_stays_as_it_is():
    story = a_certified_round(10, 10)
    for command in (withdraw(), decline(), accept(units=1)):
        story.when(command).refused(Reason.REQUEST_CERTIFIED)


def test_the_expiry_of_a_request_in_a_certified_round_is_looked_at_again_on_the_next_day():
    story = a_certified_round(10, 10)
    story.when(expire(on=NEEDED_BY)).then()
    due = TOO_LATE + timedelta(days=1)
    [postponed] = story.when(expire()).events
    assert postponed == RequestExpiryPostponed(request=request_id("jp"), product=ANTIMONY, partner=JP, due=due)
    assert DECIDER.timers(postponed) == [Timer("expire/req_jp", due, expire(on=due))]


def test_a_request_whose_day_passes_while_its_round_awaits_release_expires_once_the_round_is_open_again():
    story = a_certified_round(10, 10)
    story = story.when(expire())
    [postponed] = story.events
    story = story.given(story.reopen())
    [timer] = DECIDER.timers(postponed)
    assert isinstance(timer, Timer)
    story = story.when(timer.command).then(RequestExpired)
    [round] = story.state.rounds.values()
    assert round.requests == {request_id("us")}


def test_who_screens_is_reminded_once_on_the_last_day_and_once_after_it():
    by = TODAY + timedelta(days=5)
    story = a_book()
    story = story.when(submit(screen_by=by))
    [submitted] = story.events
    timers = DECIDER.timers(submitted)
    for told, late in ((RequestScreeningDue, 0), (RequestScreeningLate, 1)):
        reminder = RemindOfScreening(request=request_id("jp"), screen_by=by, on=by + timedelta(days=late))
        assert Timer("screen/req_jp", reminder.on, reminder) in timers
        story = story.when(reminder)
        [event] = story.events
        assert isinstance(event, told)
        timers = DECIDER.timers(event)
    assert timers == []


def test_what_is_screened_or_closed_needs_no_reminder():
    by = TODAY + timedelta(days=5)
    reminder = RemindOfScreening(request=request_id("jp"), screen_by=by, on=by)
    for story in (Story(), a_book(), a_book(submit(screen_by=by), accept()), a_book(submit(screen_by=by), withdraw())):
        story.when(reminder).then()
    [accepted, *_] = a_book(submit(screen_by=by)).when(accept()).events
    assert CancelTimer("screen/req_jp") in DECIDER.timers(accepted)


def test_an_acceptance_says_which_clock_the_request_is_under():
    terms = ClockTerms(clock="emergency", submitted_on=TODAY, limits_days=dict.fromkeys(MILESTONES, 8), warn_days=1)
    _, clock = a_book(submit()).when(accept(clock=terms)).events
    assert isinstance(clock, ClockSet)
    assert (clock.clock, clock.submitted_on, clock.loan) == ("emergency", TODAY, False)


def test_a_request_expires_on_the_day_after_it_was_needed():
    story = a_book(submit())
    story.when(expire(on=NEEDED_BY)).then()
    story = story.when(expire()).then(RequestExpired(request=request_id("jp"), product=ANTIMONY, partner=JP, needed_by=NEEDED_BY))
    story.when(expire()).then()
    story.when(open_round("jp")).refused(Reason.REQUEST_CLOSED)


def test_the_expiry_of_a_request_of_an_unopened_book_is_nothing():
    Story().when(expire()).then()


def test_submitting_sets_the_timer_that_expires_the_request_and_closing_it_forgets_the_timer():
    story = a_book()
    story = story.when(submit())
    [submitted] = story.events
    assert DECIDER.timers(submitted) == [Timer("expire/req_jp", TOO_LATE, expire())]
    [withdrawn] = story.when(withdraw()).events
    assert DECIDER.timers(withdrawn) == [CancelTimer("expire/req_jp"), CancelTimer("screen/req_jp")]
