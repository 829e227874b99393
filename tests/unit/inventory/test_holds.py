"""Holds: by one person at once, for 72 hours; a second one makes them stand, and nobody renews their own."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.inventory.domain.holds import ConfirmHold, ExpireHold, LapseHold, PutOnHold
from services.inventory.domain.reasons import Reason
from services.inventory.domain.stockpile import timers
from services.inventory.events import AuthorityCited, HoldConfirmed, HoldId, HoldLifted, HoldPutOn, ReleaseExtended
from shared.journal.decider import CancelTimer, Timer
from tests.stories.given import Given
from tests.stories.stockpile import TODAY, a_round, a_stockpile, award, draw, hold, lift, lot

ANN, BOB = "sub_ann", "sub_bob"
AT = datetime(2026, 1, 6, 3, 0, 0, 250, tzinfo=UTC)
LAPSES_AT = datetime(2026, 1, 9, 3, 0, tzinfo=UTC)
LAPSE = LapseHold(hold=HoldId("hld_1"), on=TODAY + timedelta(days=3))


def stop(by: str = ANN, name: str = "hld_1", days_later: int = 0, accounts: frozenset[str] | None = None, **changes: Any) -> PutOnHold:
    after = timedelta(days=days_later)
    told: dict[str, Any] = {
        "hold": HoldId(name),
        "scope": "partner",
        "target": "JP",
        "reason": "a tip at night",
        "authority": "duty officer",
        "on": TODAY + after,
        "at": AT + after,
        "by": by,
        "accounts": frozenset({by}) if accounts is None else accounts,
    }
    return PutOnHold(**(told | changes))


def confirm(by: str = BOB, *others: str) -> ConfirmHold:
    return ConfirmHold(hold=HoldId("hld_1"), by=by, accounts=frozenset({by, *others}))


def stopped(**changes: Any) -> Given:
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 4)), stop(**changes))


def test_one_person_stops_at_once_and_it_lapses_after_72_hours():
    story = stopped()
    story.when(draw()).refused(Reason.ON_HOLD)
    [put] = a_stockpile().when(stop()).events
    assert isinstance(put, HoldPutOn) and (put.put_on_by, put.lapses_at) == (ANN, LAPSES_AT)
    [timer] = timers(put)
    assert isinstance(timer, Timer) and (timer.at, timer.command) == (LAPSES_AT, LAPSE)
    story = story.when(LAPSE).then(HoldLifted, ReleaseExtended)
    assert story.when(draw()).events


def test_who_meets_it_is_told_until_when_it_stands_by_itself():
    refused = stopped().when(draw()).refused(Reason.ON_HOLD)
    assert "past 2026-01-09 03:00 UTC only if a second person confirms it" in refused.detail


def test_a_second_person_makes_it_stand():
    story = stopped().when(confirm())
    [confirmed] = story.events
    assert isinstance(confirmed, HoldConfirmed) and confirmed.confirmed_by == BOB
    assert timers(confirmed) == [CancelTimer("unconfirmed/hld_1")]
    story = story.when(LAPSE).then()
    story.when(draw()).refused(Reason.ON_HOLD)
    story.when(confirm()).refused(Reason.HOLD_CONFIRMED)


def test_nobody_confirms_their_own_by_whatever_account():
    stopped().when(confirm(ANN)).refused(Reason.HOLD_OWN)
    stopped().when(confirm(BOB, ANN)).refused(Reason.HOLD_OWN)


def test_nobody_renews_their_own_while_it_stands_or_a_week_after_it_has_lapsed():
    story = stopped()
    story.when(stop(name="hld_2", days_later=2)).refused(Reason.HOLD_RENEWED)
    story = story.given(LAPSE)
    refused = story.when(stop(name="hld_2", days_later=3)).refused(Reason.HOLD_RENEWED)
    assert refused.accepted is not None and refused.accepted.startswith("another person's hold or confirmation")
    story.when(stop(name="hld_2", days_later=9)).refused(Reason.HOLD_RENEWED)
    story.when(stop("sub_ann_2", "hld_2", 3, frozenset({"sub_ann_2", ANN}))).refused(Reason.HOLD_RENEWED)
    assert story.when(stop(BOB, "hld_2", 3)).events
    assert story.when(stop(name="hld_2", days_later=10)).events
    assert story.when(stop(name="hld_2", days_later=3, target="US")).events


def test_a_hold_that_ends_by_its_own_day_is_not_renewed_either():
    story = stopped(expires_on=TODAY + timedelta(days=1)).given(ExpireHold(hold=HoldId("hld_1"), on=TODAY + timedelta(days=2)))
    story.when(stop(name="hld_2", days_later=2)).refused(Reason.HOLD_RENEWED)


def test_what_was_confirmed_or_lifted_by_two_may_be_stopped_again():
    for ended in (stopped().given(confirm(), lift()), stopped().given(lift())):
        assert ended.when(stop(name="hld_2", days_later=3)).events


def test_a_hold_of_an_earlier_build_goes_on_as_it_was():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 4)), hold("partner", "JP", expires_on=date(2026, 2, 1)))
    assert story.when(LAPSE).then().state.holds
    story.when(confirm()).refused(Reason.HOLD_CONFIRMED)
    story.when(lift()).then(HoldLifted, AuthorityCited)
