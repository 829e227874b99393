"""The audit of what is owed under assigned rights: what a stockpile does is sound, and what none would do is found."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from reserve.audit.owed import Owed
from reserve.audit.report import Findings
from services.inventory.domain.deliveries import DeliverAssignment, FailAssignments, GiveBackAssignment, PostponeDelivery
from services.inventory.events import AssignmentClosed, AssignmentDelivered, AssignmentFailed, DrawId, RightId, RightTerms
from tests.stories.stockpile import TODAY, UNIT_G, a_round, a_stockpile, award, draw, right

PASSED, LATER = date(2026, 10, 1), date(2027, 1, 1)
RIGHT = RightId("rgt_1")


def faults(told: Sequence[tuple[date, Any]]) -> list[str]:
    findings = Findings()
    audit = Owed(findings)
    for place, (on, event) in enumerate(told):
        audit.see(f"inventory/0/{place}", on.isoformat(), event)
    return [failure.what for result in findings.results() for failure in result.failures]


def told() -> list[tuple[date, Any]]:
    """Three units of the right are Japan's: one is delivered, two are failed, after force majeure."""
    days: dict[str, Any] = {"delivered_on": TODAY, "reported_on": TODAY, "on": TODAY}
    one = DeliverAssignment(draw=DrawId("drw_1"), right=RIGHT, partner=None, mass_g=UNIT_G, evidence="CMR", **days)
    later = PostponeDelivery(right=RIGHT, window_to=date(2026, 12, 31), cause="force_majeure", evidence="notice", on=TODAY)
    story, events = a_stockpile(right(), a_round(award("a", "JP", 3))), list[tuple[date, Any]]()
    for on, command in ((TODAY, draw(units=3)), (TODAY, one), (TODAY, later), (LATER, FailAssignments(right=RIGHT, on=LATER))):
        story = story.when(command)
        events += [(on, event) for event in story.events]
    return events


def test_what_is_delivered_and_what_is_failed_after_its_window_is_sound():
    assert faults(told()) == []


def test_what_is_failed_too_early_or_by_another_mass_is_found():
    early = [(PASSED if isinstance(event, AssignmentFailed) else on, event) for on, event in told()]
    assert faults(early) == ["rgt_1 is failed before its window has passed"]
    less = [(on, replace(event, mass_g=UNIT_G) if isinstance(event, AssignmentFailed) else event) for on, event in told()]
    assert faults(less) == [f"{UNIT_G} g of rgt_1 are failed, and {2 * UNIT_G} g were owed"]


def test_what_is_delivered_before_it_was_assigned_or_after_it_is_reported_is_found():
    for day in (TODAY - timedelta(days=1), TODAY + timedelta(days=1)):
        moved = [(on, replace(event, delivered_on=day) if isinstance(event, AssignmentDelivered) else event) for on, event in told()[:3]]
        assert faults(moved) == [f"rgt_1 is delivered on {day}, and was assigned on {TODAY}, and reported by {TODAY}"]
        before = [(on, replace(event, reported_by=None) if isinstance(event, AssignmentDelivered) else event) for on, event in moved]
        assert faults(before) == []  # by a build that did not look


def test_more_delivered_than_is_owed_is_found():
    more = [(on, replace(event, mass_g=4 * UNIT_G) if isinstance(event, AssignmentDelivered) else event) for on, event in told()[:2]]
    assert faults(more) == [f"{4 * UNIT_G} g of rgt_1 are delivered, and {3 * UNIT_G} g were owed"]


def given_back() -> list[tuple[date, Any]]:
    """Half of three units that are Japan's may be missing. It gives back two; a half of the third is delivered, and the rest is closed."""
    days: dict[str, Any] = {"delivered_on": TODAY, "reported_on": TODAY, "on": TODAY}
    story = a_stockpile(right(terms=RightTerms(tolerance="0.5")), a_round(award("a", "JP", 3)))
    of: dict[str, Any] = {"draw": DrawId("drw_1"), "right": RIGHT}
    back = GiveBackAssignment(**of, partner="JP", mass_g=2 * UNIT_G, on=TODAY)
    half = DeliverAssignment(**of, partner="JP", mass_g=UNIT_G // 2, evidence="CMR", **days)
    events = [(TODAY, event) for event in story.events]
    for on, command in ((TODAY, draw(units=3)), (TODAY, back), (TODAY, half), (LATER, FailAssignments(right=RIGHT, on=LATER))):
        story = story.when(command)
        events += [(on, event) for event in story.events]
    return events


def test_of_what_is_given_back_nothing_is_tolerated():
    events = given_back()
    [closed] = [event for _, event in events if isinstance(event, AssignmentClosed)]
    assert faults(events) == [] and closed.of_g == UNIT_G
    nothing_came = [(on, event) for on, event in events if not isinstance(event, AssignmentDelivered)]
    told_so = [(on, replace(event, mass_g=UNIT_G) if event == closed else event) for on, event in nothing_came]
    wrong = f"{UNIT_G} g of rgt_1 are missing, more than its terms tolerate of {UNIT_G} g"
    assert faults(told_so) == [wrong]
    before = [(on, replace(event, of_g=None) if isinstance(event, AssignmentClosed) else event) for on, event in told_so]
    assert faults(before) == []  # by a build that tolerated a share of it
    assert wrong in faults([(TODAY, closed), *before])
