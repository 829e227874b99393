"""Weighing, dispatch, return, and the holds that stop them."""

from datetime import date, timedelta
from typing import Any

import msgspec

from services.inventory.domain.dispatch import CorrectDispatch, DeliverDraw, DispatchDraw, ReturnDraw, gates_of
from services.inventory.domain.holds import ExpireHold, FreePartner, HoldPartner
from services.inventory.domain.lots import RecordAssay
from services.inventory.domain.products import SetReceiptGrade
from services.inventory.domain.reasons import Reason
from services.inventory.domain.state import held_g, in_stock_g
from services.inventory.domain.stockpile import DECIDER, timers
from services.inventory.events import (
    AwardForwarded,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawId,
    DrawReturned,
    DrawWeighed,
    GateEvidence,
    HoldId,
    HoldLifted,
    HoldPutOn,
    LotId,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.dating import Dated, DatingReason
from tests.stories.given import Given
from tests.stories.powers import INSTRUMENT
from tests.stories.stockpile import (
    CLEARED,
    DAY_AFTER,
    FAILED,
    GATES,
    LAST_DAY,
    NAMED,
    RECEIPT,
    TODAY,
    UNIT_G,
    WITNESSED,
    a_round,
    a_stockpile,
    award,
    dispatch,
    draw,
    hold,
    lift,
    lot,
    weigh,
)

RETURN = ReturnDraw(draw=DrawId("drw_1"), reason="ship delayed")
LIFT = lift()


def drawn(*commands):
    """Ten units in stock, two of them drawn for Japan, then `commands` happened."""
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), draw(units=2), *commands)


def test_weighing_gives_the_difference_from_the_books():
    story = drawn()
    story = story.when(weigh(weighed_g=2 * UNIT_G - 700))
    first, told = story.events
    assert isinstance(first, DrawWeighed)
    assert (first.mass_g, first.weighed_g, first.difference_g) == (2 * UNIT_G, 2 * UNIT_G - 700, -700)
    assert isinstance(told, AwardForwarded)
    assert (told.release, told.step, told.mass_g) == ("rel_a", "weighed", 2 * UNIT_G)
    again, _ = story.when(weigh(weighed_g=2 * UNIT_G + 100)).events
    assert isinstance(again, DrawWeighed)
    assert again.difference_g == 800


def test_goods_weigh_something():
    drawn().when(weigh(weighed_g=0)).refused(Reason.QUANTITY_INVALID)


def test_weighed_goods_with_a_receipt_are_dispatched():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700))
    story = story.when(dispatch())
    event, told = story.events
    assert isinstance(event, DrawDispatched)
    assert isinstance(told, AwardForwarded)
    assert told.step == "dispatched"
    assert (event.partner, event.mass_g, event.weighed_g) == ("JP", 2 * UNIT_G, 2 * UNIT_G - 700)
    assert [(parcel.depot, parcel.units) for parcel in event.parcels] == [("Fremantle", 2)]
    assert event.gates == GATES
    assert (held_g(story.state), story.state.drawn_g) == (8 * UNIT_G, 0)


def test_goods_are_dispatched_once():
    drawn(weigh(), dispatch()).when(dispatch()).refused(Reason.DRAW_NOT_FOUND)


def deliver(name: str = "drw_1", partner: str | None = None, delivered_on: date = TODAY, **changes: Any) -> DeliverDraw:
    given = DeliverDraw(
        draw=DrawId(name),
        partner=partner,
        delivered_on=delivered_on,
        received_by="Kobe warehouse",
        evidence="CMR 4711",
        drawn_on=TODAY,
        on=TODAY,
    )
    return msgspec.structs.replace(given, **changes)


def test_a_delivery_that_is_reported_later_says_why():
    story = drawn(weigh(), dispatch())
    later = deliver(on=DAY_AFTER)
    story.when(later).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    [event] = story.when(msgspec.structs.replace(later, dated_because=Dated.PAPER_LATE)).events
    assert (event.delivered_on, event.dated_because) == (TODAY, "paper_late")


def test_the_consignee_signs_once_for_goods_that_are_under_way():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700), dispatch())
    story = story.when(deliver(partner="JP"))
    [event] = story.events
    assert isinstance(event, DrawDelivered)
    assert (event.release, event.consignee, event.carrier, event.weighed_g) == ("rel_a", "Sojitz", "Linfox", 2 * UNIT_G - 700)
    story.when(deliver()).refused(Reason.NOT_DISPATCHED)


def test_a_delivery_of_what_is_here_of_another_partner_or_of_tomorrow_is_refused():
    story = drawn(weigh())
    story.when(deliver()).refused(Reason.NOT_DISPATCHED)
    story = story.given(dispatch())
    story.when(deliver(partner="US")).refused(Reason.NOT_DISPATCHED)
    story.when(deliver(delivered_on=DAY_AFTER)).refused(Reason.DATE_IN_FUTURE, "/delivered_on")
    story.when(deliver(delivered_on=TODAY - timedelta(days=1))).refused(Reason.DELIVERED_BEFORE_DRAWN, "/delivered_on")


def test_what_is_drawn_for_a_partner_whose_agreement_is_suspended_stays_until_it_is_resumed():
    story = drawn(weigh())
    suspend = HoldPartner(hold=HoldId("hld_1"), partner="JP", agreement="agr_1", reason="arrears")
    story = story.when(suspend)
    [held] = story.events
    assert isinstance(held, HoldPutOn)
    assert (held.scope, held.target, held.expires_on) == ("partner", "JP", None)
    story.when(suspend).then()
    story.when(dispatch()).refused(Reason.ON_HOLD)
    story.when(draw("drw_2")).refused(Reason.ON_HOLD)
    resume = FreePartner(hold=HoldId("hld_1"), reason="paid")
    story = story.when(resume)
    [lifted] = story.events
    assert isinstance(lifted, HoldLifted)
    story.when(resume).then()
    story.given(dispatch())
    Given(DECIDER).when(suspend).then()
    Given(DECIDER).when(resume).then()


def test_dispatch_without_a_receipt_is_refused():
    story = drawn(weigh())
    story.when(dispatch(gates=())).refused(Reason.RECEIPT_MISSING)
    story.when(dispatch(gates=(GateEvidence(gate="export_permit", evidence="P-1", by="DFAT"),))).refused(Reason.RECEIPT_MISSING)


def test_evidence_counts_through_its_last_day():
    story = drawn(weigh())
    until = GateEvidence(gate="ledger_receipt", evidence="log 7", by="inventory", until=LAST_DAY)
    story.when(dispatch(gates=(until, NAMED, CLEARED), on=DAY_AFTER)).refused(Reason.RECEIPT_MISSING)
    story.given(dispatch(gates=(until, NAMED, CLEARED), on=LAST_DAY))


def test_goods_go_to_no_consignee_that_neither_the_request_nor_an_approved_change_names():
    elsewhere = dispatch(gates=(RECEIPT, CLEARED), consignees=("Toyo Logistics",))
    accepted = drawn(weigh()).when(elsewhere).refused(Reason.CONSIGNEE_UNNAMED, "/consignee").accepted
    assert accepted is not None and "Toyo Logistics" in accepted and "/allocation/v1/consignee-changes" in accepted


def test_goods_go_to_no_consignee_that_the_lists_in_force_have_not_cleared():
    drawn(weigh()).when(dispatch(gates=(RECEIPT, NAMED))).refused(Reason.CONSIGNEE_NOT_CLEARED, "/consignee")


def test_who_has_approved_a_consignee_does_not_dispatch_to_it():
    approved = GateEvidence(gate="consignee_named", evidence="allocation/0/9 names Sojitz for awd_a", by="sub_approver")
    story = drawn(weigh())
    story.when(dispatch(gates=(RECEIPT, approved, CLEARED), by="sub_approver")).refused(Reason.OWN_CONSIGNEE)
    story.given(dispatch(gates=(RECEIPT, approved, CLEARED), by="sub_depot"))


def test_goods_that_were_not_weighed_are_not_dispatched():
    drawn().when(dispatch()).refused(Reason.NOT_WEIGHED)


def test_a_hold_stops_the_dispatch_that_it_covers():
    for stop in (hold("all"), hold("product"), hold("partner", "JP"), hold("lot", "lot_1"), hold("depot", "Fremantle")):
        told = drawn(weigh(), stop).when(dispatch()).refused(Reason.ON_HOLD)
        assert told.detail.endswith("until it is lifted")
    told = drawn(weigh(), hold("partner", "JP", expires_on=LAST_DAY)).when(dispatch()).refused(Reason.ON_HOLD)
    assert f"through {LAST_DAY}" in told.detail and "court order" not in told.detail
    drawn(weigh(), hold("depot", "Darwin")).given(dispatch())


def test_returned_goods_are_available_again_and_their_release_is_not():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700))
    story = story.when(RETURN)
    event, _ = story.events
    assert isinstance(event, DrawReturned)
    assert (len(event.available), event.quarantined, event.mass_g, event.difference_g) == (1, (), 2 * UNIT_G, -700)
    assert (in_stock_g(story.state), story.state.drawn_g) == (10 * UNIT_G, 0)
    assert [release.mass_g for release in story.state.releases.values()] == [3 * UNIT_G]


def test_goods_returned_to_a_failed_lot_are_quarantined():
    story = drawn(RecordAssay(lot=LotId("lot_1"), assay=FAILED))
    story = story.when(RETURN)
    event, _ = story.events
    assert isinstance(event, DrawReturned)
    assert (event.available, len(event.quarantined)) == ((), 1)
    assert story.state.quarantined_g == 10 * UNIT_G


def test_the_last_goods_of_a_lot_can_come_back_and_be_drawn_again():
    story = a_stockpile(lot(units=2), a_round(award("a", "JP", 2)), draw(units=2), RETURN)
    story = story.given(a_round(award("b", "US", 2)), draw("drw_2", "rel_b", 2, partner="US"))
    assert story.state.drawn_g == 2 * UNIT_G


def test_a_lot_leaves_the_state_with_its_last_goods():
    story = a_stockpile(lot(units=2), a_round(award("a", "JP", 2)), draw(units=2), weigh(), dispatch())
    assert (len(story.state.lots), len(story.state.draws), len(story.state.releases)) == (0, 0, 0)


def test_unknown_draws_are_refused():
    story = a_stockpile()
    for command in (weigh(), dispatch(), RETURN):
        story.when(command).refused(Reason.DRAW_NOT_FOUND)


def test_a_hold_is_put_on_and_lifted():
    story = drawn()
    story = story.when(hold("product"))
    [put_on] = story.events
    assert isinstance(put_on, HoldPutOn)
    assert timers(put_on) == []
    story = story.when(LIFT)
    lifted, *_ = story.events
    assert isinstance(lifted, HoldLifted)
    assert (lifted.reason, lifted.authority) == ("order withdrawn", INSTRUMENT)
    story.given(draw("drw_2"))


def test_every_hold_must_be_lifted():
    story = drawn(hold("product", name="hld_1"), hold("product", name="hld_2"), LIFT)
    story.when(draw("drw_2")).refused(Reason.ON_HOLD)


def test_a_hold_expires_by_its_date_even_if_the_timer_is_late():
    story = drawn(hold("product", expires_on=date(2026, 1, 8)))
    story.when(draw("drw_2", on=date(2026, 1, 8))).refused(Reason.ON_HOLD)
    story.given(draw("drw_2", on=date(2026, 1, 9)))


def test_an_expired_hold_is_lifted_by_its_timer_once():
    expire = ExpireHold(hold=HoldId("hld_1"), on=date(2026, 1, 9))
    story = drawn()
    story = story.when(hold("product", expires_on=date(2026, 1, 8)))
    [put_on] = story.events
    assert timers(put_on) == [Timer("hold/hld_1", date(2026, 1, 9), expire)]
    story.when(ExpireHold(hold=HoldId("hld_1"), on=date(2026, 1, 8))).then()
    story = story.when(expire)
    lifted, _ = story.events  # and the release has its days back
    assert isinstance(lifted, HoldLifted)
    assert lifted.authority is None
    story.when(expire).then()


def test_a_hold_that_is_lifted_early_forgets_its_timer():
    lifted, *_ = drawn(hold("product", expires_on=LAST_DAY)).when(LIFT).events
    assert timers(lifted) == [CancelTimer("hold/hld_1"), CancelTimer("unconfirmed/hld_1")]


def test_holds_that_cannot_be_are_refused():
    story = drawn(hold("product"))
    story.when(hold("product")).refused(Reason.ID_TAKEN)
    story.when(hold("product", "JP", name="hld_2")).refused(Reason.TARGET_MISMATCH)
    story.when(hold("partner", name="hld_2")).refused(Reason.TARGET_MISMATCH)
    story.when(hold("lot", "lot_x", name="hld_2")).refused(Reason.LOT_NOT_FOUND)
    story.when(hold("product", name="hld_2", expires_on=date(2026, 1, 5))).refused(Reason.DATE_IN_PAST)
    story.given(hold("product", name="hld_2", expires_on=TODAY))


def test_lifting_an_unknown_hold_is_refused():
    drawn().when(LIFT).refused(Reason.HOLD_NOT_FOUND)


def corrects(**changes):
    told = {"draw": DrawId("drw_1"), "carrier": "Linfox Pty Ltd", "reference": "seal 4711", "reason": "misspelt", "by": "sub_depot"}
    return CorrectDispatch(**(told | changes))


def test_one_person_corrects_how_the_carrier_is_written_with_a_reason_and_nothing_moves():
    story = drawn(weigh(), dispatch())
    before = story.state
    [event] = story.when(corrects()).events
    assert isinstance(event, DispatchCorrected)
    assert (event.carrier, event.reference, event.reason, event.corrected_by) == ("Linfox Pty Ltd", "seal 4711", "misspelt", "sub_depot")
    assert story.when(corrects()).state == before
    deliver = DeliverDraw(draw=DrawId("drw_1"), partner="JP", delivered_on=TODAY, received_by="goods-in", evidence="CMR 4711", on=TODAY)
    [delivered] = story.given(corrects()).when(deliver).events
    assert delivered.carrier == "Linfox"  # whose account holds the goods


def test_a_correction_corrects_something_of_goods_that_are_under_way():
    drawn(weigh()).when(corrects()).refused(Reason.NOT_DISPATCHED)
    drawn(weigh(), dispatch()).when(corrects(carrier=None, reference=None)).refused(Reason.CORRECTS_NOTHING)


def test_goods_that_need_a_witnessed_receipt_wait_for_it_until_another_grade_is_set():
    story = drawn(weigh(), SetReceiptGrade(grade="witnessed", reason="of what neighbours watch"))
    story.when(dispatch()).refused(Reason.RECEIPT_UNWITNESSED)
    story.when(dispatch(gates=(WITNESSED, NAMED, CLEARED))).refused(Reason.RECEIPT_MISSING)
    [sent, _] = story.when(dispatch(gates=(*GATES, WITNESSED))).events
    assert WITNESSED in sent.gates
    story.given(SetReceiptGrade(grade="signed", reason="all is calm"), dispatch())


def test_a_grade_is_set_of_a_product_that_there_is():
    Given(DECIDER).when(SetReceiptGrade(grade="witnessed", reason="early")).refused(Reason.PRODUCT_NOT_FOUND)


def gates(story: Given, command: DispatchDraw) -> dict[str, str | None]:
    """Each gate, with the code of why it is shut."""
    found = gates_of(command, story.state.draws[command.draw], story.state)
    return {gate: None if fault is None else fault.code for gate, fault in found}


def test_each_gate_of_dispatch_says_by_itself_whether_it_is_open_and_the_first_shut_one_is_why_it_is_refused():
    story = drawn()
    bare = dispatch(gates=())
    assert gates(story, bare) == {
        "no_hold": None,
        "ratified": None,
        "ledger_receipt": Reason.RECEIPT_MISSING,
        "consignee": Reason.CONSIGNEE_UNNAMED,
        "weighed": Reason.NOT_WEIGHED,
    }
    assert "has signed a checkpoint" in str(story.when(bare).refused(Reason.RECEIPT_MISSING).accepted)
    weighed = story.given(weigh(by="sub_ann"))
    assert set(gates(weighed, dispatch()).values()) == {None}
    assert gates(weighed, dispatch(by="sub_ann"))["second_person"] == Reason.DISPATCHED_BY_WEIGHER
    held = story.given(hold("partner", "JP"), SetReceiptGrade(grade="witnessed", reason="of what neighbours watch"))
    shut = gates(held, dispatch())
    assert (shut["no_hold"], shut["witnessed_receipt"]) == (Reason.ON_HOLD, Reason.RECEIPT_UNWITNESSED)
    held.when(dispatch()).refused(Reason.ON_HOLD)
    for _, fault in gates_of(bare, held.state.draws[bare.draw], held.state):
        assert fault is None or fault.accepted, fault  # what would open it
