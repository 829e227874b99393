"""A right that was assigned is delivered, substituted, postponed, given back, or failed when its window passes; and then its round is made
good."""

from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.reactions.book import react_to_inventory
from services.inventory.domain.deliveries import (
    DeliverAssignment,
    FailAssignments,
    GiveBackAssignment,
    PostponeDelivery,
    SubstituteDelivery,
)
from services.inventory.domain.reasons import Reason
from services.inventory.domain.state import free_rights_g
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    DrawId,
    ProductId,
    RightAssigned,
    RightId,
    RightTerms,
    StockDrawn,
    TrancheDelivered,
)
from shared.journal.decider import Timer
from shared.journal.record import Fact
from shared.terms.dating import Dated, DatingReason
from tests.stories.given import Given
from tests.stories.stockpile import DECISION, FAILED, PASSED, TODAY, UNIT_G, a_round, a_stockpile, award, draw, lot, right

WINDOW = date(2026, 9, 30)
FAIL = FailAssignments(right=RightId("rgt_1"), on=WINDOW + timedelta(days=1))
TERMS = RightTerms(tolerance="0.5", grace_days=14, force_majeure_days=90)


def assigned(**changes: Any) -> Given:
    """Japan has drawn three units: one of a lot, two of the right that Hillgrove delivers by the end of September."""
    return a_stockpile(lot(units=1), right(**changes), a_round(award("a", "JP", 3)), draw(units=3))


def substituted(units: int = 2, **changes: Any) -> SubstituteDelivery:
    told: dict[str, Any] = {
        "draw": DrawId("drw_1"),
        "right": RightId("rgt_1"),
        "mass_g": units * UNIT_G,
        "substitute": ProductId("antimony-high"),
        "delivered_g": units * UNIT_G,
        "assay": PASSED,
        "delivered_on": TODAY,
        "on": TODAY,
    }
    return SubstituteDelivery(**(told | changes))


def given_back(units: int = 2, **changes: Any) -> GiveBackAssignment:
    told: dict[str, Any] = {"draw": DrawId("drw_1"), "right": RightId("rgt_1"), "partner": "JP", "mass_g": units * UNIT_G, "on": TODAY}
    return GiveBackAssignment(**(told | changes))


def delivered(units: int, **changes: Any) -> DeliverAssignment:
    told: dict[str, Any] = {
        "draw": DrawId("drw_1"),
        "right": RightId("rgt_1"),
        "partner": None,
        "mass_g": units * UNIT_G,
        "delivered_on": TODAY,
        "evidence": "CMR 4711",
        "reported_on": changes.get("on", TODAY),
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


def test_nothing_is_delivered_before_it_was_assigned_and_what_is_reported_later_says_why():
    story, before, later = assigned(), TODAY - timedelta(days=1), TODAY + timedelta(days=9)
    refused = story.when(delivered(1, delivered_on=before, drawn_on=TODAY, dated_because=Dated.PAPER_LATE))
    assert refused.refused(Reason.DELIVERED_BEFORE_DRAWN, "/delivered_on").accepted == f"{TODAY} to {TODAY}"
    story.when(substituted(1, delivered_on=before, drawn_on=TODAY)).refused(Reason.DELIVERED_BEFORE_DRAWN, "/delivered_on")
    story.when(delivered(1, on=later, drawn_on=TODAY)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    story.when(delivered(1, partner="JP", on=later, drawn_on=TODAY)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    told = story.when(delivered(1, on=later, drawn_on=TODAY, dated_because=Dated.PAPER_LATE)).then(AssignmentDelivered).events[0]
    assert (told.delivered_on, told.dated_because, told.reported_by) == (TODAY, "paper_late", "reserve")
    signed_later = story.when(delivered(1, on=later, reported_on=TODAY, drawn_on=TODAY)).then(AssignmentDelivered).events[0]
    assert signed_later.dated_because is None


def test_what_an_earlier_build_assigned_is_never_failed():
    story = a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3))).when(draw(units=3))
    before = a_stockpile(lot(units=1), right(), a_round(award("a", "JP", 3)))
    before = before.given(*(replace(event, window_to=None) if isinstance(event, RightAssigned) else event for event in story.events))
    before.when(FAIL).then()


def test_within_its_days_of_grace_a_delivery_is_late_and_after_them_it_is_failed():
    story, last = assigned(terms=TERMS), WINDOW + timedelta(days=14)
    late = story.when(delivered(2, delivered_on=last, on=last)).then(AssignmentDelivered, TrancheDelivered)
    assert (late.events[0].late_days, late.events[1].late_days) == (14, 14)
    story.when(FailAssignments(right=RightId("rgt_1"), on=last)).then()
    story.when(FailAssignments(right=RightId("rgt_1"), on=last + timedelta(days=1))).then(AssignmentFailed)
    due = last + timedelta(days=1)
    assert Timer("window/rgt_1", due, FailAssignments(right=RightId("rgt_1"), on=due)) in timers(
        next(event for event in a_stockpile(right(terms=TERMS), a_round(award("a", "JP", 3))).when(draw(units=3)).events)
    )


def test_what_comes_after_the_days_of_grace_is_no_delivery_whether_the_timer_has_fired_or_not():
    later = WINDOW + timedelta(days=15)
    refused = assigned(terms=TERMS).when(delivered(2, delivered_on=later, on=later)).refused(Reason.DELIVERY_TOO_LATE, "/delivered_on")
    assert refused.accepted == f"{WINDOW + timedelta(days=14)} or before"
    assigned().when(delivered(2, delivered_on=later, on=later)).refused(Reason.DELIVERY_TOO_LATE)
    told_late = assigned(terms=TERMS).when(delivered(2, on=later, dated_because=Dated.REPORTED_LATE))
    told_late.then(AssignmentDelivered, TrancheDelivered)  # it came in time


def test_what_the_terms_tolerate_is_short_and_failed_in_nothing():
    passed = FailAssignments(right=RightId("rgt_1"), on=date(2027, 1, 1))
    short = assigned(terms=TERMS).given(delivered(1)).when(passed).then(AssignmentClosed)
    assert (short.events[0].mass_g, len(short.state.assigned)) == (UNIT_G, 0)
    less = msgspec.structs.replace(delivered(1), mass_g=UNIT_G - 1)
    assigned(terms=TERMS).given(less).when(passed).then(AssignmentFailed)


def test_of_what_is_given_back_nothing_is_tolerated():
    """Half of what was assigned may be missing. One of two units is given back: of the other, no more than half."""
    passed = FailAssignments(right=RightId("rgt_1"), on=date(2027, 1, 1))
    assert assigned(terms=TERMS).given(delivered(1)).when(passed).then(AssignmentClosed).events[0].of_g == 2 * UNIT_G
    back = assigned(terms=TERMS).given(given_back(1))
    back.when(passed).then(AssignmentFailed)  # all of it is missing: no more was ever to come
    half = msgspec.structs.replace(delivered(1), mass_g=UNIT_G // 2)
    assert back.given(half).when(passed).then(AssignmentClosed).events[0].of_g == UNIT_G


def test_force_majeure_postpones_by_no_more_days_than_the_terms_say():
    last = WINDOW + timedelta(days=90)
    story = assigned(terms=TERMS)
    refused = story.when(postponed(last + timedelta(days=1))).refused(Reason.FORCE_MAJEURE_EXHAUSTED, "/window_to")
    assert refused.accepted == f"{last} or before"
    sixty = story.given(postponed(WINDOW + timedelta(days=60)))
    assert sixty.when(postponed(last + timedelta(days=1))).refused(Reason.FORCE_MAJEURE_EXHAUSTED).accepted == f"{last} or before"
    [event] = sixty.when(postponed(last)).then(DeliveryPostponed).events
    [tranche] = event.tranches
    assert (tranche.window_from, tranche.window_to) == (date(2026, 3, 1) + timedelta(days=90), last)
    used = sixty.given(postponed(last))
    assert used.when(postponed(last + timedelta(days=1))).refused(Reason.FORCE_MAJEURE_EXHAUSTED).accepted is None
    used.when(postponed(last + timedelta(days=1), cause="agreed")).then(DeliveryPostponed)


def test_a_substitute_is_no_worse_than_what_was_assigned():
    story = assigned()
    [event] = story.when(substituted()).then(AssignmentSubstituted).events
    assert (event.partner, event.mass_g, event.remaining_g, event.substitute) == ("JP", 2 * UNIT_G, 0, "antimony-high")
    story.when(substituted(assay=FAILED)).refused(Reason.SUBSTITUTE_INFERIOR, "/assay/in_specification")
    lower = msgspec.structs.replace(PASSED, contents={"Sb": "0.9964"})
    refused = story.when(substituted(assay=lower)).refused(Reason.SUBSTITUTE_INFERIOR, "/assay/contents/Sb")
    assert refused.accepted == "at least 0.9965"
    other = msgspec.structs.replace(PASSED, contents={"Ga": "0.9999"})
    story.when(substituted(assay=other)).refused(Reason.SUBSTITUTE_INFERIOR)
    richer = msgspec.structs.replace(PASSED, contents={"Sb": "0.9999"})
    least_g = -(-2 * UNIT_G * 9965 // 9999)
    story.when(substituted(assay=richer, delivered_g=least_g)).then(AssignmentSubstituted)
    short = story.when(substituted(assay=richer, delivered_g=least_g - 1)).refused(Reason.SUBSTITUTE_SHORT, "/delivered_g")
    assert short.accepted == f"at least {least_g}"
    story.when(substituted(3)).refused(Reason.QUANTITY_INVALID)
    story.when(substituted(delivered_on=TODAY + timedelta(days=1))).refused(Reason.DATE_IN_FUTURE)


def test_what_a_partner_gives_back_is_on_offer_again():
    story = assigned()
    before_g = free_rights_g(story.state, TODAY)
    back = story.when(given_back(1)).then(AssignmentGivenBack)
    assert free_rights_g(back.state, TODAY) == before_g + UNIT_G
    [failed] = back.when(FAIL).events
    assert failed.mass_g == UNIT_G
    story.when(given_back(1, partner="US")).refused(Reason.ASSIGNMENT_NOT_FOUND)
    story.when(given_back(3)).refused(Reason.QUANTITY_INVALID)
    story.when(given_back(on=WINDOW + timedelta(days=1))).refused(Reason.DATE_IN_PAST)
    story.when(msgspec.structs.replace(given_back(1), mass_g=UNIT_G // 2)).refused(Reason.NOT_WHOLE_UNITS)


def test_a_right_that_was_all_assigned_is_open_again_with_what_comes_back():
    story = a_stockpile(right(units=3), a_round(award("a", "JP", 3)), draw(units=3))
    assert not story.state.rights
    back = story.when(given_back(2)).then(AssignmentGivenBack).state
    claim = back.rights[RightId("rgt_1")]
    assert (claim.mass_g, claim.window_from, claim.window_to, claim.kind) == (2 * UNIT_G, date(2026, 3, 1), WINDOW, "firm_offtake")
    assert free_rights_g(back, TODAY) == 2 * UNIT_G
