"""Draws from lots and from rights."""

from datetime import date

import pytest

from services.inventory.domain.deliveries import FailAssignments
from services.inventory.domain.draws import MAX_PARCELS
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import AwardedRelease
from services.inventory.domain.rights import MatureRight
from services.inventory.domain.state import free_rights_g, in_stock_g
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    DrawPaper,
    LotId,
    LotTakenIn,
    Parcel,
    ReleaseId,
    RightAdded,
    RightAssigned,
    RightId,
    RightMatured,
    SignedDraw,
    StockDrawn,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.stockpile import (
    DAY_AFTER,
    FAILED,
    LAST_DAY,
    TONNE,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    draw,
    hold,
    lot,
    reserved_g,
    right,
)

FIVE_TO_JAPAN = a_round(award("a", "JP", 5))


def lots_of(event) -> dict[str, int]:
    assert isinstance(event, StockDrawn)
    return {parcel.lot: parcel.units for parcel in event.parcels}


def test_a_draw_takes_stock_in_part():
    story = a_stockpile(lot(units=10), FIVE_TO_JAPAN)
    story = story.when(draw(units=2))
    [event] = story.events
    assert isinstance(event, StockDrawn)
    assert (event.partner, event.mass_g, event.remaining_g) == ("JP", 2 * UNIT_G, 3 * UNIT_G)
    assert event.parcels == (Parcel(lot=LotId("lot_1"), depot="Fremantle", nominal_unit_g=UNIT_G, units=2, mass_g=2 * UNIT_G),)
    assert (in_stock_g(story.state), reserved_g(story.state), story.state.drawn_g) == (8 * UNIT_G, 3 * UNIT_G, 2 * UNIT_G)
    assert timers(event) == ()


def test_a_release_that_is_drawn_to_the_end_is_closed_and_lapses_no_more():
    story = a_stockpile(lot(units=10), FIVE_TO_JAPAN, draw("drw_1", units=3))
    story = story.when(draw("drw_2", units=2))
    [event] = story.events
    assert timers(event) == [CancelTimer("lapse/rel_a")]
    assert not story.state.releases
    story.when(draw("drw_3")).refused(Reason.RELEASE_NOT_FOUND)


def test_a_draw_beyond_its_release_is_refused():
    story = a_stockpile(lot(units=10), FIVE_TO_JAPAN)
    refused = story.when(draw(units=6)).refused(Reason.RELEASE_EXCEEDED)
    assert refused.field == "/mass_g"


def test_a_draw_of_no_whole_units_is_refused():
    a_stockpile(lot(), FIVE_TO_JAPAN).when(draw(mass_g=UNIT_G + 1)).refused(Reason.NOT_WHOLE_UNITS)


def test_a_draw_of_nothing_is_refused():
    a_stockpile(lot(), FIVE_TO_JAPAN).when(draw(units=0)).refused(Reason.QUANTITY_INVALID)
    a_stockpile(lot(), FIVE_TO_JAPAN).when(draw(units=-1)).refused(Reason.QUANTITY_INVALID)


def test_another_partners_release_is_as_unknown_as_one_that_does_not_exist():
    story = a_stockpile(lot(), FIVE_TO_JAPAN)
    others = story.when(draw(partner="US")).refused(Reason.RELEASE_NOT_FOUND)
    missing = story.when(draw(release="rel_x")).refused(Reason.RELEASE_NOT_FOUND)
    assert others.detail.replace("rel_a", "rel_x") == missing.detail


def test_an_operator_draws_for_a_partner():
    [event] = a_stockpile(lot(), FIVE_TO_JAPAN).when(draw(partner=None)).events
    assert isinstance(event, StockDrawn)
    assert event.partner == "JP"


def test_a_release_may_be_drawn_through_its_last_day_and_not_after_even_if_the_timer_is_late():
    story = a_stockpile(lot(), FIVE_TO_JAPAN)
    story.when(draw(on=DAY_AFTER)).refused(Reason.RELEASE_LAPSED)
    story.given(draw(on=LAST_DAY))


def test_the_first_expiring_lots_are_drawn_first_then_the_oldest():
    story = a_stockpile(
        lot("lot_old", 2),
        lot("lot_new", 2),
        lot("lot_late", 2, expires_on=date(2027, 1, 1)),
        lot("lot_soon", 2, expires_on=date(2026, 6, 1)),
    )
    story = story.given(a_round(award("a", "JP", 8)))
    story = story.when(draw("drw_1", units=3))
    assert lots_of(story.events[0]) == {"lot_soon": 2, "lot_late": 1}
    assert lots_of(story.when(draw("drw_2", units=4)).events[0]) == {"lot_late": 1, "lot_old": 2, "lot_new": 1}


def test_named_lots_are_drawn_in_the_order_of_their_naming():
    story = a_stockpile(lot("lot_1", 2), lot("lot_2", 2), lot("lot_3", 2), FIVE_TO_JAPAN)
    [event] = story.when(draw(units=3, lots=(LotId("lot_3"), LotId("lot_2")))).events
    assert lots_of(event) == {"lot_3": 2, "lot_2": 1}


def test_named_lots_that_are_unknown_quarantined_or_too_small_are_refused():
    story = a_stockpile(lot("lot_1", 9), lot("lot_2", 1), lot("lot_bad", assay=FAILED), FIVE_TO_JAPAN)
    story.when(draw(lots=(LotId("lot_x"),))).refused(Reason.LOT_NOT_FOUND)
    story.when(draw(lots=(LotId("lot_bad"),))).refused(Reason.LOT_UNAVAILABLE)
    story.when(draw(lots=(LotId("lot_2"), LotId("lot_2")))).refused(Reason.STOCK_SHORT)


def test_a_hold_stops_the_draws_that_it_covers():
    for stop in (hold("all"), hold("product"), hold("partner", "JP"), hold("lot", "lot_1"), hold("depot", "Fremantle")):
        a_stockpile(lot(), FIVE_TO_JAPAN, stop).when(draw()).refused(Reason.ON_HOLD)
    a_stockpile(lot(), FIVE_TO_JAPAN, hold("partner", "US")).given(draw())
    a_stockpile(lot(), FIVE_TO_JAPAN, hold("depot", "Darwin")).given(draw())


def test_a_draw_passes_over_held_lots():
    story = a_stockpile(lot("lot_1"), lot("lot_2"), FIVE_TO_JAPAN, hold("lot", "lot_1"))
    story = story.when(draw())
    assert lots_of(story.events[0]) == {"lot_2": 2}
    story.when(draw("drw_2", lots=(LotId("lot_1"),))).refused(Reason.ON_HOLD)


def test_mixed_units_are_drawn_as_they_were_released():
    story = a_stockpile(lot("lot_1", 1), lot("lot_2", 10, nominal_unit_g=TONNE))
    story = story.given(a_round(AwardedRelease(release=ReleaseId("rel_a"), award="awd_a", request="req_a", partner="JP", mass_g=8 * TONNE)))
    story.when(draw(mass_g=4 * TONNE)).refused(Reason.NOT_WHOLE_UNITS)
    story = story.when(draw("drw_1", mass_g=2 * TONNE))
    assert lots_of(story.events[0]) == {"lot_2": 2}
    assert lots_of(story.when(draw("drw_2", mass_g=6 * TONNE)).events[0]) == {"lot_1": 1, "lot_2": 1}


def test_a_draw_of_more_lots_than_an_event_holds_is_refused():
    story = a_stockpile(*(lot(f"lot_{number}", 1) for number in range(MAX_PARCELS + 1)))
    story = story.given(a_round(award("a", "JP", MAX_PARCELS + 1)))
    story.when(draw(units=MAX_PARCELS + 1)).refused(Reason.TOO_MANY_LOTS)
    story.given(draw(units=MAX_PARCELS))


def test_a_draw_id_is_used_once():
    a_stockpile(lot(), FIVE_TO_JAPAN, draw()).when(draw()).refused(Reason.ID_TAKEN)


def test_a_right_is_added():
    [event] = a_stockpile().when(right()).events
    assert isinstance(event, RightAdded)
    assert (event.project, event.kind) == ("Hillgrove", "firm_offtake")


def test_rights_that_cannot_be_are_refused():
    story = a_stockpile()
    story.when(right(units=0)).refused(Reason.QUANTITY_INVALID)
    story.when(right(mass_g=2**53)).refused(Reason.QUANTITY_INVALID)
    story.when(right(mass_g=UNIT_G + 1)).refused(Reason.NOT_WHOLE_UNITS)
    story.when(right(window_to=date(2026, 2, 1))).refused(Reason.WINDOW_REVERSED)
    story.when(right(window_from=date(2025, 1, 1), window_to=date(2025, 2, 1))).refused(Reason.DATE_IN_PAST)
    story.given(right()).when(right()).refused(Reason.ID_TAKEN)


def test_a_release_on_rights_is_drawn_by_assignment_of_the_first_to_close():
    story = a_stockpile(right("rgt_1", 4), right("rgt_2", 2, window_to=date(2026, 6, 1), project="Nolans"))
    story = story.given(FIVE_TO_JAPAN)
    story = story.when(draw(units=3))
    first, second = story.events
    assert isinstance(first, RightAssigned)
    assert (first.right, first.project, first.source, first.units) == ("rgt_2", "Nolans", "rights", ())
    assert (first.mass_g, first.remaining_g, first.right_remaining_g) == (2 * UNIT_G, 3 * UNIT_G, 0)
    assert isinstance(second, RightAssigned)
    assert (second.right, second.mass_g, second.remaining_g) == ("rgt_1", UNIT_G, 2 * UNIT_G)
    assert story.state.reserved_rights_g == 2 * UNIT_G
    assert not story.state.draws


def test_a_draw_over_both_takes_lots_first():
    story = a_stockpile(lot(units=3), right(units=4), FIVE_TO_JAPAN)
    drawn, assigned = story.when(draw(units=5)).events
    assert lots_of(drawn) == {"lot_1": 3}
    assert isinstance(assigned, RightAssigned)
    assert (assigned.mass_g, assigned.remaining_g) == (2 * UNIT_G, 0)
    failing = FailAssignments(right=RightId("rgt_1"), on=date(2026, 10, 1))
    assert timers(assigned) == [CancelTimer("lapse/rel_a"), Timer("window/rgt_1", date(2026, 10, 1), failing)]


def test_rights_stand_in_for_missing_lots_only_when_asked():
    story = a_stockpile(lot("lot_1", 1), lot("lot_2", 4), right(units=4), FIVE_TO_JAPAN, hold("lot", "lot_2"))
    story.when(draw(units=3)).refused(Reason.ON_HOLD)
    story.when(draw(units=3, assign_rights=True, partner=None)).refused(Reason.RIGHTS_NOT_ASKED, "/assign_rights")
    story = story.when(draw(units=3, assign_rights=True))
    drawn, assigned = story.events
    assert lots_of(drawn) == {"lot_1": 1}
    assert isinstance(assigned, RightAssigned)
    assert (assigned.source, assigned.mass_g) == ("lots", 2 * UNIT_G)
    assert (reserved_g(story.state), free_rights_g(story.state, draw().on)) == (2 * UNIT_G, 2 * UNIT_G)


def test_rights_that_others_have_reserved_stand_in_for_nothing():
    story = a_stockpile(lot(units=5), right(units=4), FIVE_TO_JAPAN, a_round(award("b", "US", 4)), hold("lot", "lot_1"))
    story.when(draw(units=1, assign_rights=True)).refused(Reason.RIGHTS_SHORT)


def test_a_right_whose_window_has_closed_is_not_assigned():
    story = a_stockpile(right(units=5, window_to=date(2026, 3, 10)), a_round(award("a", "JP", 5), expires_on=date(2026, 4, 1)))
    story.when(draw(on=date(2026, 3, 11))).refused(Reason.RIGHTS_SHORT)
    story.given(draw(on=date(2026, 3, 10)))


def test_a_right_matures_into_a_lot_of_what_was_delivered():
    story = a_stockpile(right(units=4))
    story = story.when(MatureRight(right=RightId("rgt_1"), delivery=lot(units=3)))
    matured, taken_in = story.events
    assert isinstance(matured, RightMatured)
    assert (matured.settled_g, matured.delivered_g, matured.remaining_g) == (4 * UNIT_G, 3 * UNIT_G, 0)
    assert isinstance(taken_in, LotTakenIn)
    assert (taken_in.right, taken_in.mass_g) == ("rgt_1", 3 * UNIT_G)
    assert not story.state.rights


def test_a_right_matures_in_parts():
    story = a_stockpile(right(units=4))
    story = story.given(MatureRight(right=RightId("rgt_1"), settled_g=UNIT_G, delivery=lot(units=1)))
    assert story.state.rights[RightId("rgt_1")].mass_g == 3 * UNIT_G
    story.when(MatureRight(right=RightId("rgt_1"), settled_g=4 * UNIT_G, delivery=lot("lot_2", 1))).refused(Reason.QUANTITY_INVALID)
    story.when(MatureRight(right=RightId("rgt_1"), settled_g=1, delivery=lot("lot_2", 1))).refused(Reason.NOT_WHOLE_UNITS)


def test_a_right_that_releases_have_reserved_does_not_mature():
    story = a_stockpile(right(units=5), FIVE_TO_JAPAN)
    story.when(MatureRight(right=RightId("rgt_1"), delivery=lot())).refused(Reason.RIGHT_RELEASED)


def test_an_unknown_right_does_not_mature():
    a_stockpile().when(MatureRight(right=RightId("rgt_1"), delivery=lot())).refused(Reason.RIGHT_NOT_FOUND)


def test_a_delivery_that_cannot_be_taken_in_settles_nothing():
    a_stockpile(right()).when(MatureRight(right=RightId("rgt_1"), delivery=lot(units=0))).refused(Reason.QUANTITY_INVALID)


# Partners that have keys


def signed_draw(units: int = 2) -> SignedDraw:
    paper = DrawPaper(
        partner="JP",
        release=ReleaseId("rel_a"),
        mass_g=units * UNIT_G,
        lots=(),
        assign_rights=False,
        client="partner-jp",
        subject="sub_jp",
        idempotency_key="k",
    )
    return SignedDraw(key="3f8c1d0a55e2b974", signature="ab" * 64, paper=paper)


@pytest.mark.parametrize("partner", [None, "JP"])
def test_nobody_draws_without_a_signature_what_is_released_to_a_partner_that_has_keys(partner: str | None):
    story = a_stockpile(lot(units=10), FIVE_TO_JAPAN)
    story.when(draw(partner=partner, signers=frozenset({"JP"}))).refused(Reason.SIGNATURE_MISSING, "/signature")
    assert len(story.when(draw(partner=partner, signers=frozenset({"US"}))).events) == 1


def test_a_draw_holds_what_its_partner_has_signed():
    [goods] = a_stockpile(lot(units=10), FIVE_TO_JAPAN).when(draw(signers=frozenset({"JP"}), signed=signed_draw())).events
    assert isinstance(goods, StockDrawn)
    assert goods.signed == signed_draw()


def test_a_draw_of_rights_alone_holds_it_too_and_one_of_both_holds_it_once():
    story = a_stockpile(right("rgt_1", units=3), right("rgt_2", units=3), a_round(award("a", "JP", 5)))
    first, *others = story.when(draw(units=5, signers=frozenset({"JP"}), signed=signed_draw(5))).events
    assert isinstance(first, RightAssigned)
    assert first.signed == signed_draw(5)
    assert len(others) == 1 and not any(each.signed for each in others if isinstance(each, RightAssigned))
    story = a_stockpile(lot(units=3), right(units=3), a_round(award("a", "JP", 5)))
    goods, rights = story.when(draw(units=5, signers=frozenset({"JP"}), signed=signed_draw(5))).events
    assert (goods.signed, rights.signed) == (signed_draw(5), None)
