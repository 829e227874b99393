"""A release does not lapse while the Reserve itself holds it: its last day moves by as long as the hold stood."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.inventory.domain.holds import ConfirmPartnerHold, ExpireHold, FreePartner, HoldPartner
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import LapseRelease
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    AuthorityCited,
    HoldConfirmed,
    HoldId,
    HoldLifted,
    ReleaseExtended,
    ReleaseId,
    ReleaseLapsed,
    StockDrawn,
)
from shared.journal.decider import Timer
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.stockpile import (
    DAY_AFTER,
    LAST_DAY,
    TODAY,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    draw,
    hold,
    lift,
    lot,
    pool,
    taking,
)

LAPSE = LapseRelease(release=ReleaseId("rel_a"), on=DAY_AFTER)


def released() -> Given:
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 5), award("b", "US", 2)))


def on(day: date, name: str = "hld_1") -> Any:
    return lift(name, may("operator-1", day))


@pytest.mark.parametrize("stop", [hold("all"), hold("product"), hold("partner", "JP")])
def test_a_release_under_the_reserves_own_hold_does_not_lapse(stop):
    story = released().given(stop)
    story.when(LAPSE).then()
    story.when(draw(on=DAY_AFTER)).refused(Reason.ON_HOLD)  # and not that it has lapsed
    after = story.when(on(date(2026, 2, 1)))
    lifted, cited, moved, *others = after.events
    assert (type(lifted), type(cited), type(moved)) == (HoldLifted, AuthorityCited, ReleaseExtended)
    assert (moved.release, moved.days, moved.expires_on) == ("rel_a", 26, LAST_DAY + timedelta(days=26))
    assert [event.release for event in others] == ([] if stop.scope == "partner" else ["rel_b"])
    due = moved.expires_on + timedelta(days=1)
    assert timers(moved) == [Timer("lapse/rel_a", due, LapseRelease(release=ReleaseId("rel_a"), on=due))]
    after.when(draw(on=moved.expires_on)).then(after.when(draw(on=moved.expires_on)).events[0])
    after.when(replace(LAPSE, on=due)).then(ReleaseLapsed)


def test_a_hold_that_expires_gives_its_days_back_whichever_timer_is_first():
    story = released().given(hold("partner", "JP", expires_on=LAST_DAY))
    expire = ExpireHold(hold=HoldId("hld_1"), on=DAY_AFTER)
    story = story.when(LAPSE).then().when(expire).then(HoldLifted, ReleaseExtended)
    assert story.events[1].expires_on == LAST_DAY + (DAY_AFTER - TODAY)


def test_a_hold_of_a_lot_or_a_depot_moves_what_is_pinned_to_it():
    awards = (taking(award("a", "JP", 3), ("p1", UNIT_G, 3)), taking(award("b", "US", 2), ("p2", UNIT_G, 2)))
    lots = (lot("lot_1"), lot("lot_2", depot="Darwin"))
    story = a_stockpile(*lots, a_round(*awards, pools=(pool("p1", "lot_1"), pool("p2", "lot_2"))))
    for stop in (hold("lot", "lot_1"), hold("depot", "Fremantle")):
        held = story.given(stop)
        held.when(LAPSE).then()
        held.when(replace(LAPSE, release=ReleaseId("rel_b"))).then(ReleaseLapsed)
        held.when(on(DAY_AFTER)).then(HoldLifted, AuthorityCited, ReleaseExtended)


def test_what_a_suspension_holds_lapses():
    suspended = HoldPartner(hold=HoldId("hld_s"), partner="JP", agreement="agr_1", reason="unpaid")
    story = released().given(suspended)
    story.when(LAPSE).then(ReleaseLapsed)
    story.when(FreePartner(hold=HoldId("hld_s"), reason="paid")).then(HoldLifted)


ALONE = HoldPartner(
    hold=HoldId("hld_s"),
    partner="JP",
    agreement="agr_1",
    reason="unpaid",
    suspended_by="sub_ann",
    suspended_to=datetime(2026, 1, 22, 3, tzinfo=UTC),
    on=LAST_DAY - timedelta(days=1),
)


def test_nothing_lapses_while_one_person_alone_has_suspended_its_agreement():
    story = released().given(ALONE).when(LAPSE).then()
    over = FreePartner(hold=HoldId("hld_s"), reason="nobody confirmed it", on=LAST_DAY + timedelta(days=2))
    story = story.when(over).then(HoldLifted, ReleaseExtended)
    assert story.events[1].expires_on == LAST_DAY + timedelta(days=3)
    story.when(draw(on=LAST_DAY + timedelta(days=3))).then(StockDrawn)


def test_what_was_to_lapse_lapses_once_a_second_person_has_confirmed_the_suspension():
    confirm = ConfirmPartnerHold(hold=HoldId("hld_s"), confirmed_by="sub_bob", on=DAY_AFTER)
    story = released().given(ALONE).when(LAPSE).then().when(confirm).then(HoldConfirmed, ReleaseLapsed)
    story.when(FreePartner(hold=HoldId("hld_s"), reason="paid", on=DAY_AFTER)).then(HoldLifted)
    released().given(ALONE).when(replace(confirm, on=LAST_DAY)).then(HoldConfirmed).when(LAPSE).then(ReleaseLapsed)
    released().when(confirm).then()


def test_a_hold_that_was_put_on_after_the_last_day_moves_nothing():
    late = released().given(replace(hold("product"), on=DAY_AFTER))
    late.when(LAPSE).then(ReleaseLapsed)
    late.when(on(DAY_AFTER + timedelta(days=5))).then(HoldLifted, AuthorityCited)


HOLDS = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 30), st.sampled_from(["all", "product", "partner"])), max_size=5)


@settings(max_examples=200, deadline=None)
@given(HOLDS)
def test_each_day_that_a_release_was_held_is_given_back_once(holds: list[tuple[int, int, Any]]):
    """`holds`: from a day, for so many days; one may be within another, or go on from it."""
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 5)))
    steps = [(start, 1, place, scope) for place, (start, _, scope) in enumerate(holds)]
    steps += [(start + days, 0 if days else 2, place, scope) for place, (start, days, scope) in enumerate(holds)]
    for day, step, place, scope in sorted(steps):
        today, name = TODAY + timedelta(days=day), f"hld_{place}"
        if step == 1:
            story = story.given(replace(hold(scope, "JP" if scope == "partner" else None, name=name), on=today))
        else:
            story = story.given(on(today, name))
    held = {day for start, days, _ in holds for day in range(start, start + days)}
    release = story.state.releases[ReleaseId("rel_a")]
    assert release.expires_on == LAST_DAY + timedelta(days=len(held))
