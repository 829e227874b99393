"""A right that was assigned is delivered, postponed, or failed when its window passes; and then its round is made good."""

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.reactions.book import react_to_inventory
from services.inventory.domain.deliveries import DeliverAssignment, FailAssignments, PostponeDelivery
from services.inventory.domain.reasons import Reason
from services.inventory.domain.stockpile import timers
from services.inventory.events import AssignmentDelivered, AssignmentFailed, DeliveryPostponed, DrawId, RightAssigned, RightId, StockDrawn
from shared.journal.decider import Timer
from shared.journal.record import Fact
from tests.stories.given import Given
from tests.stories.stockpile import DECISION, TODAY, UNIT_G, a_round, a_stockpile, award, draw, lot, right

WINDOW = date(2026, 9, 30)
PASSED = WINDOW + timedelta(days=1)
FAIL = FailAssignments(right=RightId("rgt_1"), on=PASSED)


def assigned() -> Given:
    """Japan has drawn three units: one of a lot, two of the right that Hillgrove delivers by the end of September."""
    return a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3)), draw(units=3))


def delivered(units: int, **changes: Any) -> DeliverAssignment:
    told: dict[str, Any] = {
        "draw": DrawId("drw_1"),
        "right": RightId("rgt_1"),
        "partner": None,
        "mass_g": units * UNIT_G,
        "delivered_on": TODAY,
        "evidence": "CMR 4711",
        "on": TODAY,
    }
    return DeliverAssignment(**(told | changes))


def postponed(until: date, **changes: Any) -> PostponeDelivery:
    told: dict[str, Any] = {"right": RightId("rgt_1"), "window_to": until, "cause": "force_majeure", "evidence": "notice", "on": TODAY}
    return PostponeDelivery(**(told | changes))


def test_what_was_not_delivered_when_its_window_has_passed_is_failed_once():
    story = assigned()
    assert [type(event) for event in a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3))).when(draw(units=3)).events] == [
        StockDrawn,
        RightAssigned,
    ]
    story.when(FailAssignments(right=RightId("rgt_1"), on=WINDOW)).then()
    failed = story.when(FAIL).then(AssignmentFailed)
    [event] = failed.events
    assert (event.partner, event.mass_g, event.decision, event.project) == ("JP", 2 * UNIT_G, DECISION, "Hillgrove")
    failed.when(FAIL).then()
    failed.when(delivered(1)).refused(Reason.ASSIGNMENT_NOT_FOUND)


def test_its_round_is_made_good():
    [event] = assigned().when(FAIL).events
    [reaction] = react_to_inventory(Fact(source="inventory", record=None, event=event), {})  # type: ignore[arg-type]
    command = reaction.command
    assert isinstance(command, GiveBack)
    assert (command.decision, command.mass_g, command.whole) == (DECISION, {"JP": 2 * UNIT_G}, False)
    assert command.reason == "Hillgrove has not delivered what was assigned of rgt_1"


def test_a_short_delivery_fails_for_the_rest_and_a_whole_one_for_nothing():
    story = assigned().when(delivered(1)).then(AssignmentDelivered)
    assert story.events[0].remaining_g == UNIT_G
    [failed] = story.when(FAIL).events
    assert failed.mass_g == UNIT_G
    story.when(delivered(2)).refused(Reason.QUANTITY_INVALID)
    story.when(delivered(1)).then(AssignmentDelivered).when(FAIL).then()


def test_force_majeure_moves_the_day_and_its_timer():
    later = date(2026, 12, 31)
    story = assigned().when(postponed(later)).then(DeliveryPostponed)
    due = later + timedelta(days=1)
    assert timers(story.events[0]) == [Timer("window/rgt_1", due, FailAssignments(right=RightId("rgt_1"), on=due))]
    story.when(FAIL).then()
    story.when(FailAssignments(right=RightId("rgt_1"), on=due)).then(AssignmentFailed)
    story.when(postponed(later)).refused(Reason.WINDOW_REVERSED)
    story.when(postponed(later, right=RightId("rgt_2"))).refused(Reason.RIGHT_NOT_FOUND)


def test_only_its_own_partner_tells_of_a_delivery_and_not_before_its_day():
    story = assigned()
    story.when(delivered(1, partner="US")).refused(Reason.ASSIGNMENT_NOT_FOUND)
    story.when(delivered(1, partner="JP")).then(AssignmentDelivered)
    story.when(delivered(1, delivered_on=TODAY + timedelta(days=1))).refused(Reason.DATE_IN_FUTURE)


def test_what_an_earlier_build_assigned_is_never_failed():
    story = a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3))).when(draw(units=3))
    before = a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3)))
    before = before.given(*(replace(event, window_to=None) if isinstance(event, RightAssigned) else event for event in story.events))
    before.when(FAIL).then()
