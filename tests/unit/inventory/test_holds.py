"""Holds: by one person at once, for 72 hours; a second one makes them stand, and nobody renews their own."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.allocation.events import AgreementSuspended
from services.inventory.domain.holds import ConfirmHold, ExpireHold, FreePartner, HoldPartner, LapseHold, PutOnHold
from services.inventory.domain.reasons import Reason
from services.inventory.domain.stockpile import timers
from services.inventory.events import AuthorityCited, HoldConfirmed, HoldId, HoldLifted, HoldPutOn, ReleaseExtended
from services.inventory.reactions import react_to_allocation
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.terms.protecting import again_from
from tests.stories.given import Given
from tests.stories.stockpile import TODAY, UNIT_G, a_round, a_stockpile, award, draw, hold, lift, lot, move, pool, taking
from tests.stories.stockpile_facts import fact

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


def test_what_was_confirmed_may_be_stopped_again_once_two_have_lifted_it():
    assert stopped().given(confirm(), lift()).when(stop(name="hld_2", days_later=3)).events


def test_what_two_have_lifted_the_same_person_does_not_stop_again_at_once():
    """Else they need not wait for the end of theirs: each time two lift it, it begins anew."""
    story = stopped().given(lift())
    for days in (0, 3, 9):
        story.when(stop(name="hld_2", days_later=days)).refused(Reason.HOLD_RENEWED)
        assert story.when(stop(BOB, "hld_2", days)).events
    [put] = story.when(stop(name="hld_2", days_later=10)).events
    assert isinstance(put, HoldPutOn) and put.again_from == again_from(LAPSES_AT + timedelta(days=10))


def test_one_lot_after_the_other_is_not_stopped_of_which_a_draw_is_together():
    """It leaves as a whole: with each of its lots it would be stopped for three days more."""
    takes = taking(award("a", "JP", 4), ("p1", UNIT_G, 2), ("p2", UNIT_G, 2))
    lots = (lot("lot_1"), lot("lot_2", depot="Kwinana"), a_round(takes, pools=(pool("p1", "lot_1"), pool("p2", "lot_2"))))
    apart = lapsed(a_stockpile(*lots), scope="lot", target="lot_1")
    assert apart.when(stop(name="hld_2", days_later=3, scope="lot", target="lot_2")).events
    together = lapsed(a_stockpile(*lots, draw(units=4)), scope="lot", target="lot_1")
    for then in (told("lot", "lot_2"), told("depot", "Kwinana")):
        together.when(stop(name="hld_2", days_later=3, **then)).refused(Reason.HOLD_RENEWED)
        assert together.when(stop(BOB, "hld_2", 3, **then)).events


def test_a_hold_of_an_earlier_build_goes_on_as_it_was():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 4)), hold("partner", "JP", expires_on=date(2026, 2, 1)))
    assert story.when(LAPSE).then().state.holds
    story.when(confirm()).refused(Reason.HOLD_CONFIRMED)
    story.when(lift()).then(HoldLifted, AuthorityCited, ReleaseExtended)


def told(scope: str, target: str | None = None) -> dict[str, Any]:
    return {"scope": scope, "target": target}


def two_depots() -> Given:
    """Two lots, one of them away; Japan may draw of either, and the United States of nothing."""
    return a_stockpile(lot("lot_1", units=10), lot("lot_2", units=10, depot="Kwinana"), a_round(award("a", "JP", 4)))


def lapsed(story: Given, **changes: Any) -> Given:
    return story.given(stop(**changes), LAPSE)


SCOPES = [told("partner", "JP"), told("all"), told("product"), told("depot", "Fremantle"), told("lot", "lot_1")]


@pytest.mark.parametrize("first", SCOPES, ids=lambda each: each["scope"])
@pytest.mark.parametrize("then", SCOPES, ids=lambda each: each["scope"])
def test_no_other_scope_renews_it(first: dict[str, Any], then: dict[str, Any]):
    story = lapsed(two_depots(), **first)
    refused = story.when(stop(name="hld_2", days_later=3, **then)).refused(Reason.HOLD_RENEWED)
    assert "nobody had confirmed it" in refused.detail
    story.when(stop("sub_ann_2", "hld_2", 3, frozenset({"sub_ann_2", ANN}), **then)).refused(Reason.HOLD_RENEWED)
    assert story.when(stop(BOB, "hld_2", 3, **then)).events
    assert story.when(stop(name="hld_2", days_later=10, **then)).events


def test_no_sequence_of_one_persons_holds_stops_a_partner_for_longer():
    story = two_depots()
    for days in range(12):
        for number, scope in enumerate(SCOPES):
            asked = story.when(stop(name=f"hld_{days}_{number}", days_later=days, **scope))
            if not isinstance(asked.answer, Refused):
                story = asked
        if days == 3:  # as the timers of all that is on go off
            assert {each.lapses_at for each in story.state.holds.values()} == {LAPSES_AT}
        if days >= 3:
            for name, each in list(story.state.holds.items()):
                if each.lapses_at is not None and each.lapses_at <= AT + timedelta(days=days):
                    story = story.given(LapseHold(hold=name, on=TODAY + timedelta(days=days)))
        if 3 <= days < 9:
            assert story.when(draw(on=TODAY + timedelta(days=days))).events


def test_a_wider_hold_is_put_on_at_once_and_ends_with_the_first():
    wider = stopped().when(stop(name="hld_2", days_later=2, scope="depot", target="Fremantle"))
    [put] = wider.events
    assert isinstance(put, HoldPutOn) and (put.lapses_at, put.alone_since) == (LAPSES_AT, AT.replace(microsecond=0))
    [timer] = timers(put)
    assert isinstance(timer, Timer) and timer.at == LAPSES_AT and timer.command.on in (TODAY + timedelta(3), TODAY + timedelta(4))
    [full] = stopped().given(confirm()).when(stop(name="hld_2", days_later=2, scope="all", target=None)).events
    assert isinstance(full, HoldPutOn) and full.lapses_at == LAPSES_AT + timedelta(days=2)


def test_what_stops_nothing_of_the_same_is_another_hold():
    for first, then in (
        (told("partner", "JP"), told("partner", "US")),
        (told("partner", "US"), told("lot", "lot_1")),
        (told("lot", "lot_1"), told("lot", "lot_2")),
        (told("depot", "Fremantle"), told("depot", "Kwinana")),
        (told("lot", "lot_1"), told("depot", "Kwinana")),
    ):
        [put] = lapsed(two_depots(), **first).when(stop(name="hld_2", days_later=3, **then)).events
        assert isinstance(put, HoldPutOn) and put.lapses_at == LAPSES_AT + timedelta(days=3)


def test_a_lot_that_lay_in_the_depot_is_of_it():
    story = lapsed(two_depots(), scope="depot", target="Fremantle").given(move(on=TODAY + timedelta(days=3)))
    for then in (told("lot", "lot_1"), told("depot", "Kwinana"), told("depot", "Fremantle")):
        story.when(stop(name="hld_2", days_later=3, **then)).refused(Reason.HOLD_RENEWED)
    assert story.when(stop(name="hld_2", days_later=3, scope="lot", target="lot_2")).events


def test_who_suspended_a_partner_does_not_go_on_with_a_hold():
    held = HoldPartner(hold=HoldId("hld_1"), partner="JP", agreement="agr_1", reason="suspended", suspended_by=ANN, suspended_to=LAPSES_AT)
    story = two_depots().given(held)
    [with_it] = story.when(stop(name="hld_2", days_later=2, scope="lot", target="lot_1")).events
    assert isinstance(with_it, HoldPutOn) and with_it.lapses_at == LAPSES_AT
    off = story.given(FreePartner(hold=HoldId("hld_1"), reason="resumed"))
    for then in (told("partner", "JP"), told("all"), told("lot", "lot_1")):
        off.when(stop(name="hld_2", days_later=3, **then)).refused(Reason.HOLD_RENEWED)
        assert off.when(stop(BOB, "hld_2", 3, **then)).events
    assert story.when(stop(name="hld_2", days_later=4)).events  # it stands past its end, so somebody has confirmed it


def test_inventory_hears_who_suspended_an_agreement_and_until_when():
    told: dict[str, Any] = {"agreement": "agr_1", "partner": "JP", "products": ("antimony-metal",), "hold": "hld_1", "reason": "a tip"}
    suspended = fact(AgreementSuspended(**told, suspended_by=ANN, lapses_at=LAPSES_AT))
    [reaction] = react_to_allocation(suspended, {})
    assert isinstance(reaction.command, HoldPartner)
    assert (reaction.command.suspended_by, reaction.command.suspended_to) == (ANN, LAPSES_AT)
    [put] = two_depots().when(reaction.command).events
    assert (put.suspended_by, put.suspended_to, put.put_on_by, put.lapses_at) == (ANN, LAPSES_AT, None, None)


def test_no_hold_is_put_on_a_depot_that_is_none_of_the_reserves():
    asked = stop(scope="depot", target="Atlantis", own_depots=("Kwinana", "Fremantle"))
    refused = two_depots().when(asked).refused(Reason.DEPOT_UNKNOWN, "/target")
    assert refused.accepted == "Fremantle, Kwinana"
    assert two_depots().when(stop(scope="depot", target="Kwinana", own_depots=("Kwinana", "Fremantle"))).events
