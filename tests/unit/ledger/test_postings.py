"""What each event posts: given commands that happened, when another does, then these grams move."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest

from services.inventory import events as inventory
from services.inventory.domain.dispatch import DeliverDraw, ReturnDraw
from services.inventory.domain.holds import FreeRound, HoldRound
from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.domain.releases import LapseRelease
from services.inventory.domain.rights import MatureRight
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import DrawId, LotId, Parcel, ReleaseId, RightId
from services.ledger.accounts import Status
from services.ledger.postings import postings
from tests.stories import rights
from tests.stories.given import Given
from tests.stories.stockpile import (
    ANTIMONY,
    DAY_AFTER,
    FAILED,
    TODAY,
    UNIT_G,
    a_round,
    a_stockpile,
    announce,
    award,
    dispatch,
    draw,
    hold,
    lot,
    open_gate,
    pool,
    protect,
    register,
    right,
    take_back,
    taking,
    weigh,
)

RELEASE = "partner/JP/release/rel_a"


def moved(story: Given, command: Any) -> dict[tuple[str, str], int]:
    """(side, or the status if it is not posted, account) -> grams, of all events that the command gives."""
    found: dict[tuple[str, str], int] = {}
    for event in story.when(command).events:
        for each in postings(event):
            assert each.asset == ANTIMONY
            kind = str(each.side) if each.status is Status.POSTED else str(each.status)
            found[kind, each.account] = found.get((kind, each.account), 0) + each.amount
    return {key: grams for key, grams in found.items() if grams}


def released(*commands: Any) -> Given:
    """Ten units in stock, five of them released to Japan, then `commands` happened."""
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), *commands)


def drawn(*commands: Any) -> Given:
    return released(draw(units=2), *commands)


def test_a_lot_comes_from_outside_into_stock_and_into_its_depot():
    assert moved(a_stockpile(), lot(units=10)) == {
        ("title", "outside"): -10 * UNIT_G,
        ("title", "reserve/available"): 10 * UNIT_G,
        ("custody", "outside"): -10 * UNIT_G,
        ("custody", "depot/Fremantle"): 10 * UNIT_G,
    }


def test_a_lot_out_of_specification_is_quarantined():
    assert moved(a_stockpile(), lot(assay=FAILED))["title", "reserve/quarantined"] == 10 * UNIT_G


def test_a_release_is_pending():
    assert moved(a_stockpile(lot()), a_round(award("a", "JP", 5))) == {
        ("pending", "reserve/available"): -5 * UNIT_G,
        ("pending", RELEASE): 5 * UNIT_G,
    }


def test_a_release_of_rights_is_pending_apart_from_the_lots():
    assert moved(a_stockpile(lot(units=1), right(units=3)), a_round(award("a", "JP", 3))) == {
        ("pending", "reserve/available"): -UNIT_G,
        ("pending", "reserve/rights"): -2 * UNIT_G,
        ("pending", RELEASE): 3 * UNIT_G,
    }


def test_a_draw_settles_and_posts_what_was_pending_and_leaves_the_goods_in_the_depot():
    assert moved(released(), draw(units=2)) == {
        ("settled", "reserve/available"): 2 * UNIT_G,
        ("settled", RELEASE): -2 * UNIT_G,
        ("title", "reserve/available"): -2 * UNIT_G,
        ("title", "partner/JP"): 2 * UNIT_G,
    }


@pytest.mark.parametrize(
    "command",
    [LapseRelease(release=ReleaseId("rel_a"), on=DAY_AFTER), take_back()],
    ids=["lapse", "cancellation"],
)
def test_what_is_left_of_a_release_is_voided(command):
    assert moved(drawn(), command) == {("voided", "reserve/available"): 3 * UNIT_G, ("voided", RELEASE): -3 * UNIT_G}


def test_a_right_is_a_claim_on_its_project_and_in_nobodys_custody():
    assert moved(a_stockpile(), right(units=3)) == {("title", "project/Hillgrove"): -3 * UNIT_G, ("title", "right/rgt_1"): 3 * UNIT_G}


def test_over_its_life_every_gram_of_a_right_comes_and_goes():
    story, balances = Given(DECIDER), dict[tuple[str, str], int]()
    for _, command in rights.LIFE:
        story = story.when(command)
        for event in story.events:
            for each in postings(event):
                if each.status is Status.POSTED and each.account != "outside":
                    key = (each.asset, each.account)
                    balances[key] = balances.get(key, 0) + each.amount
    left = {key: amount for key, amount in balances.items() if amount and not key[1].startswith("depot/")}
    assert left == {
        ("antimony-metal", "reserve/available"): 2 * UNIT_G,  # taken in
        ("antimony-metal", "partner/JP"): 3 * UNIT_G,
        ("antimony-metal", "project/Hillgrove"): -3 * UNIT_G,
        ("antimony-high", "partner/JP"): UNIT_G,
        ("antimony-high", "project/Hillgrove"): -UNIT_G,
    }


def test_an_assigned_right_passes_to_the_partner_and_settles_the_release():
    story = a_stockpile(right(units=3), a_round(award("a", "JP", 3)))
    assert moved(story, draw(units=2, assign_rights=True)) == {
        ("settled", "reserve/rights"): 2 * UNIT_G,
        ("settled", RELEASE): -2 * UNIT_G,
        ("title", "right/rgt_1"): -2 * UNIT_G,
        ("title", "partner/JP/rights"): 2 * UNIT_G,
    }


def test_a_right_assigned_instead_of_lots_frees_the_lots():
    story = released(right(units=5), hold("lot", "lot_1"))
    assert moved(story, draw(units=2, assign_rights=True)) == {
        ("settled", "reserve/available"): 2 * UNIT_G,
        ("settled", RELEASE): -2 * UNIT_G,
        ("title", "right/rgt_1"): -2 * UNIT_G,
        ("title", "partner/JP/rights"): 2 * UNIT_G,
    }


def test_a_matured_right_ends_its_claim_and_what_came_is_taken_in():
    story = a_stockpile(right(units=3))
    assert moved(story, MatureRight(right=RightId("rgt_1"), settled_g=2 * UNIT_G, delivery=lot("lot_9", units=1))) == {
        ("title", "right/rgt_1"): -2 * UNIT_G,
        ("title", "project/Hillgrove"): 2 * UNIT_G,
        ("title", "outside"): -UNIT_G,
        ("title", "reserve/available"): UNIT_G,
        ("custody", "outside"): -UNIT_G,
        ("custody", "depot/Fremantle"): UNIT_G,
    }


def test_a_weighing_has_its_difference_on_both_sides():
    assert moved(drawn(), weigh(weighed_g=2 * UNIT_G - 700)) == {
        ("title", "difference/weighing"): 700,
        ("title", "partner/JP"): -700,
        ("custody", "difference/weighing"): 700,
        ("custody", "depot/Fremantle"): -700,
    }


def test_a_second_weighing_corrects_the_first():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700))
    assert moved(story, weigh(weighed_g=2 * UNIT_G + 100))["custody", "depot/Fremantle"] == 800


def test_a_dispatch_moves_what_was_weighed_to_the_carrier_and_nobodys_title():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700))
    assert moved(story, dispatch()) == {
        ("custody", "depot/Fremantle"): -(2 * UNIT_G - 700),
        ("custody", "carrier/Linfox"): 2 * UNIT_G - 700,
    }


def test_a_delivery_moves_what_was_weighed_from_the_carrier_to_the_holder():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700), dispatch())
    told = DeliverDraw(draw=DrawId("drw_1"), partner=None, delivered_on=TODAY, received_by="Kobe warehouse", evidence="CMR 4711", on=TODAY)
    assert moved(story, told) == {
        ("custody", "carrier/Linfox"): -(2 * UNIT_G - 700),
        ("custody", "holder/Sojitz"): 2 * UNIT_G - 700,
    }


def test_a_return_takes_back_the_title_and_the_difference():
    story = drawn(weigh(weighed_g=2 * UNIT_G - 700))
    assert moved(story, ReturnDraw(draw=DrawId("drw_1"), reason="ship delayed")) == {
        ("title", "partner/JP"): -(2 * UNIT_G - 700),
        ("title", "difference/weighing"): -700,
        ("title", "reserve/available"): 2 * UNIT_G,
        ("custody", "depot/Fremantle"): 700,
        ("custody", "difference/weighing"): -700,
    }


def test_a_return_of_goods_whose_lot_failed_meanwhile_is_quarantined():
    story = drawn(RecordAssay(lot=LotId("lot_1"), assay=FAILED))
    assert moved(story, ReturnDraw(draw=DrawId("drw_1"), reason="failed")) == {
        ("title", "partner/JP"): -2 * UNIT_G,
        ("title", "reserve/quarantined"): 2 * UNIT_G,
    }


def test_an_assay_moves_what_is_still_in_stock_between_statuses():
    assert moved(drawn(), RecordAssay(lot=LotId("lot_1"), assay=FAILED)) == {
        ("title", "reserve/available"): -8 * UNIT_G,
        ("title", "reserve/quarantined"): 8 * UNIT_G,
    }


@pytest.mark.parametrize(
    ("cause", "account"), [("stock_take", "difference/stock_take"), ("loss", "loss"), ("sample", "sample")], ids=lambda name: name
)
def test_an_adjustment_has_an_account_for_its_cause(cause, account):
    assert moved(a_stockpile(lot()), AdjustStock(lot=LotId("lot_1"), change_units=-1, cause=cause, reason="count")) == {
        ("title", account): UNIT_G,
        ("title", "reserve/available"): -UNIT_G,
        ("custody", account): UNIT_G,
        ("custody", "depot/Fremantle"): -UNIT_G,
    }


@pytest.mark.parametrize("command", [hold("all"), protect()], ids=["hold", "floor"])
def test_what_moves_no_grams_posts_nothing(command):
    assert moved(released(), command) == {}


def test_registering_a_product_posts_nothing():
    assert moved(Given(DECIDER), register()) == {}


def test_what_is_said_of_a_loan_beside_a_draw_posts_nothing_of_the_product():
    story = a_stockpile(lot(units=10), announce(), a_round(award("a", "JP", 4)))
    assert moved(story, open_gate()) == {}
    drawn, lent = story.given(open_gate()).when(draw()).events
    assert postings(drawn) and not postings(lent)


def test_the_lots_that_a_release_is_pinned_to_post_nothing_beside_it():
    story = a_stockpile(lot("lot_1", 10))
    awarded = taking(award("a", "JP", 4), ("p1", UNIT_G, 4))
    released, pinned, _ = story.when(a_round(awarded, pools=(pool("p1", "lot_1"),))).events
    assert postings(released) and not postings(pinned)


def test_a_round_that_is_held_until_it_is_ratified_moves_nothing():
    held = HoldRound(round="rnd_1", decision="ab" * 32, reason="not ratified", on=TODAY)
    story = released()
    assert moved(story, held) == {}
    assert moved(story.given(held), FreeRound(round="rnd_1", decision="ab" * 32, reason="ratified late", on=TODAY)) == {}


def test_an_event_of_a_type_that_is_not_known_posts_nothing():
    assert postings(None) == []


def test_a_weighing_over_two_depots_is_shared_by_mass_and_comes_out_even_in_any_order():
    north = Parcel(lot=LotId("lot_1"), depot="Darwin", nominal_unit_g=UNIT_G, units=1, mass_g=UNIT_G)
    south = Parcel(lot=LotId("lot_2"), depot="Hobart", nominal_unit_g=UNIT_G, units=2, mass_g=2 * UNIT_G)
    about: Any = {"product": ANTIMONY, "draw": DrawId("drw_1"), "partner": "JP", "mass_g": 3 * UNIT_G}
    weighed = inventory.DrawWeighed(**about, parcels=(north, south), weighed_g=3 * UNIT_G - 100, difference_g=-100)
    returned = inventory.DrawReturned(**about, available=(south,), quarantined=(north,), difference_g=-100, reason="late")
    depots = [{each.account: each.amount for each in postings(event) if each.account.startswith("depot/")} for event in (weighed, returned)]
    assert depots == [{"depot/Darwin": -34, "depot/Hobart": -66}, {"depot/Darwin": 34, "depot/Hobart": 66}]


def sums(*events: Any) -> dict[str, int]:
    """ "side/account" -> grams, of all that the events post."""
    found: dict[str, int] = {}
    for each in (posting for event in events for posting in postings(event)):
        name = f"{each.side}/{each.account}"
        found[name] = found.get(name, 0) + each.amount
    return {name: grams for name, grams in found.items() if grams}


NORTH = Parcel(lot=LotId("lot_1"), depot="Darwin", nominal_unit_g=UNIT_G, units=1, mass_g=UNIT_G)
SOUTH = Parcel(lot=LotId("lot_2"), depot="Hobart", nominal_unit_g=UNIT_G, units=2, mass_g=2 * UNIT_G)
OF_DRAW: dict[str, Any] = {"product": ANTIMONY, "draw": DrawId("drw_1"), "partner": "JP"}


def weighed_again(before_g: int, weighed_g: int) -> inventory.DrawWeighedAgain:
    about: dict[str, Any] = {"first_g": weighed_g, "first_by": "ann", "weighed_by": "bob", "duty": "on_call", "sign_by": TODAY}
    return inventory.DrawWeighedAgain(**OF_DRAW, parcels=(NORTH, SOUTH), mass_g=3 * UNIT_G, before_g=before_g, weighed_g=weighed_g, **about)


def settled(mass_g: int, cause: Any) -> inventory.DifferenceSettled:
    return inventory.DifferenceSettled(**OF_DRAW, mass_g=mass_g, cause=cause)


def test_what_a_draw_lacks_is_in_suspense_whatever_an_earlier_weighing_said():
    lacking = {
        "title/partner/JP": -300,
        "title/suspense/drw_1": 300,
        "custody/depot/Darwin": -100,
        "custody/depot/Hobart": -200,
        "custody/suspense/drw_1": 300,
    }
    assert sums(weighed_again(3 * UNIT_G, 3 * UNIT_G - 300)) == lacking
    earlier = inventory.DrawWeighed(**OF_DRAW, parcels=(NORTH, SOUTH), mass_g=3 * UNIT_G, weighed_g=3 * UNIT_G - 100, difference_g=-100)
    assert sums(earlier, weighed_again(3 * UNIT_G - 100, 3 * UNIT_G - 300)) == lacking


@pytest.mark.parametrize(
    ("cause", "account"), [("loss", "loss"), ("measurement", "difference/weighing"), ("found", "difference/stock_take")]
)
def test_what_is_signed_for_is_in_suspense_no_longer(cause: str, account: str):
    after = sums(weighed_again(3 * UNIT_G, 3 * UNIT_G - 300), settled(300, cause))
    assert {name: grams for name, grams in after.items() if "depot" not in name} == {
        "title/partner/JP": -300,
        f"title/{account}": 300,
        f"custody/{account}": 300,
    }


def test_another_weighing_takes_the_place_of_what_is_in_suspense():
    weighed = inventory.DrawWeighed(**OF_DRAW, parcels=(NORTH, SOUTH), mass_g=3 * UNIT_G, weighed_g=3 * UNIT_G, difference_g=300)
    assert sums(weighed_again(3 * UNIT_G, 3 * UNIT_G - 300), settled(300, "weighed_again"), weighed) == {}


def test_goods_that_come_back_leave_nothing_behind():
    back = inventory.DrawReturned(**OF_DRAW, available=(NORTH, SOUTH), quarantined=(), mass_g=3 * UNIT_G, difference_g=-300, reason="late")
    kept = sums(weighed_again(3 * UNIT_G, 3 * UNIT_G - 300), settled(300, "returned"), back)
    assert kept == {"title/partner/JP": -3 * UNIT_G, "title/reserve/available": 3 * UNIT_G}


def test_what_is_moved_between_depots_changes_no_title():
    cause: dict[str, Any] = {"cause": "fire", "moved_by": "ann", "ratify_by": datetime(2026, 1, 7, tzinfo=UTC)}
    about: dict[str, Any] = {"product": ANTIMONY, "move": inventory.MoveId("mov_1")}
    lot_moved = inventory.LotMoved(**about, lot=LotId("lot_1"), from_depot="Darwin", to_depot="Hobart", units=4, mass_g=4 * UNIT_G, **cause)
    assert sums(lot_moved) == {"custody/depot/Darwin": -4 * UNIT_G, "custody/depot/Hobart": 4 * UNIT_G}
    after = (msgspec.structs.replace(NORTH, depot="Hobart"), SOUTH)
    drawn = inventory.DrawMoved(
        **about, draw=DrawId("drw_1"), partner="JP", before=(NORTH, SOUTH), parcels=after, mass_g=3 * UNIT_G, held_g=3 * UNIT_G - 100
    )
    assert sums(drawn) == {"custody/depot/Darwin": -UNIT_G + 34, "custody/depot/Hobart": UNIT_G - 34}


def test_every_event_of_a_stockpile_is_told_here():
    told = {
        *("ProductRegistered", "LotTakenIn", "AssayRecorded", "ProtectedStockSet", "HoldPutOn", "HoldLifted", "RightAdded"),
        *("RightMatured", "StockReleased", "RoundReleased", "RoundReleaseRefused", "StockDrawn", "RightAssigned", "ReleaseLapsed"),
        *("StockPinned", "ReleaseCancelled", "DrawWeighed", "DrawDispatched", "DrawReturned", "StockAdjusted"),
        *("LoanAnnounced", "LoanGateOpened", "MaterialLent", "LentDrawReturned", "ReturnTakenIn", "ReturnRefused", "AuthorityCited"),
        *("AwardForwarded", "DrawDelivered", "RoundHeld", "RoundFreed", "ReleaseExtended", "DecisionTakenBack"),
        *(
            "AssignmentDelivered",
            "AssignmentFailed",
            "AssignmentSubstituted",
            "AssignmentClosed",
            "AssignmentGivenBack",
            "RightExercised",
            "RightTerminated",
            "ProgrammeAgreed",
            "TrancheDelivered",
            "TrancheClosed",
            "DeliveryPostponed",
            "CommandProposed",
            "CommandApproved",
            "CommandWithdrawn",
            "CommandLapsed",
            "TextErased",
            "HoldConfirmed",
            "DispatchCorrected",
            "ReceiptGradeSet",
            "WeighingToleranceSet",
            "LogReachReported",
            "MessageParked",
            "ParkingConfirmed",
            "ParkingLapsed",
            "MessagesUnparked",
            "DrawWeighedAgain",
            "DifferenceSettled",
            "DifferenceOverdue",
            "LotMoved",
            "DrawMoved",
            "MoveRatified",
            "MoveRatificationMissed",
        ),
    }
    assert {event.__name__ for event in get_args(inventory.Event.__value__)} == told
