"""The audit of rights: what a stockpile does under their terms is sound, and what none would do is found."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.owed import Owed
from reserve.audit.performance import Performance
from reserve.audit.report import Findings
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    ProductId,
    ProgrammeAgreed,
    RightExercised,
    RightMatured,
    RightTerminated,
    TrancheClosed,
    TrancheDelivered,
)
from tests.stories.given import Given
from tests.stories.rights import DRAW, LATE, LIFE, OVER, RIGHT
from tests.stories.stockpile import FAILED, TODAY, UNIT_G, a_round, award, draw, register, right


def told(story: Sequence[tuple[date, Any]] = LIFE) -> list[tuple[date, Any]]:
    given, events = Given(DECIDER), list[tuple[date, Any]]()
    for on, command in story:
        given = given.when(command)
        events += [(on, event) for event in given.events]
    return events


def faults(events: Sequence[tuple[date, Any]]) -> list[str]:
    findings = Findings()
    audits = (Owed(findings), Performance(findings))
    for place, (on, event) in enumerate(events):
        for audit in audits:
            audit.see(f"inventory/0/{place}", on.isoformat(), event)
    return [failure.what for result in findings.results() for failure in result.failures]


def changed(kind: type, change: Callable[[Any], Any]) -> list[tuple[date, Any]]:
    return [(on, change(event) if isinstance(event, kind) else event) for on, event in told()]


def test_a_whole_life_of_a_right_is_sound():
    kinds = {type(event) for _, event in told()}
    assert {RightExercised, ProgrammeAgreed, TrancheClosed, AssignmentFailed, AssignmentSubstituted, RightTerminated} <= kinds
    assert faults(told()) == []


@pytest.mark.parametrize(
    ("kind", "change", "found"),
    [
        (RightExercised, lambda event: replace(event, deliver_from=TODAY + timedelta(days=59)), "60 days of notice"),
        (RightExercised, lambda event: replace(event, grace_days=90), "90 days of grace"),
        (RightExercised, lambda event: replace(event, mass_g=UNIT_G), "of another mass"),
        (ProgrammeAgreed, lambda event: replace(event, tranches=event.tranches[:1]), "are to come"),
        (ProgrammeAgreed, lambda event: replace(event, tranches=(event.tranches[1], event.tranches[0])), "do not follow each other"),
        (DeliveryPostponed, lambda event: replace(event, window_to=event.window_to + timedelta(days=1)), "its terms allow 30"),
        (DeliveryPostponed, lambda event: replace(event, tranches=()), "are not 30 days later"),
        (RightMatured, lambda event: replace(event, delivered_g=UNIT_G), "beyond its tolerance"),
        (TrancheDelivered, lambda event: replace(event, mass_g=event.mass_g + 1), "its delivery says otherwise"),
        (TrancheDelivered, lambda event: replace(event, late_days=7), "its delivery says otherwise"),
        (TrancheClosed, lambda event: replace(event, outcome="short"), "is short, and"),
        (AssignmentGivenBack, lambda event: replace(event, right_remaining_g=9 * UNIT_G), "are said to be the Reserve's"),
        (AssignmentSubstituted, lambda event: replace(event, delivered_g=1), "is less Sb"),
        (AssignmentSubstituted, lambda event: replace(event, assay=FAILED), "is out of specification"),
        (AssignmentDelivered, lambda event: replace(event, late_days=0, delivered_on=OVER), "last day of grace"),
        (RightTerminated, lambda event: replace(event, failures=5), "is terminated after"),
        (RightTerminated, lambda event: replace(event, mass_g=0), "is terminated after"),
    ],
)
def test_what_is_not_by_the_terms_is_found(kind: type, change: Callable[[Any], Any], found: str):
    assert any(found in fault for fault in faults(changed(kind, change))), faults(changed(kind, change))


def test_what_is_closed_or_failed_before_its_grace_has_passed_is_found():
    kinds = (TrancheClosed, AssignmentFailed)
    early = [(LATE if isinstance(event, kinds) and event is not told()[-1][1] else on, event) for on, event in told()]
    said = faults(early)
    assert any("closed before its days of grace" in fault for fault in said)
    assert any("failed before its window" in fault for fault in said)


def test_a_delivery_that_counts_of_no_tranche_is_found():
    without = [(on, event) for on, event in told() if not isinstance(event, TrancheDelivered)]
    assert any("counts of no tranche" in fault for fault in faults(without))


def test_a_shortness_that_the_terms_do_not_tolerate_is_no_short_delivery():
    def short(event: AssignmentFailed) -> AssignmentClosed:
        return AssignmentClosed(
            product=event.product, draw=event.draw, right=event.right, project=event.project, partner=event.partner, mass_g=event.mass_g
        )

    assert any("more than its terms tolerate" in fault for fault in faults(changed(AssignmentFailed, short)))


def test_what_an_earlier_build_took_late_is_listed_and_fails_nothing():
    events = told([(TODAY, command) for command in (register(), right(), a_round(award("a", "JP", 3)), draw(units=3))])
    late = AssignmentDelivered(
        product=ProductId("antimony-metal"),
        draw=DRAW,
        right=RIGHT,
        partner="JP",
        mass_g=UNIT_G,
        remaining_g=2 * UNIT_G,
        delivered_on=LATE,
        evidence="CMR",
    )
    assert faults([*events, (LATE, late)]) == []
    findings = Findings()
    audit = Owed(findings)
    for on, event in [*events, (LATE, late)]:
        audit.see("inventory/0/1", on.isoformat(), event)
    assert any("10 days late" in listed.what for result in findings.results() for listed in result.listed)
