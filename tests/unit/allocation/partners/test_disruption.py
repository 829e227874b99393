"""Disruptions: declared with evidence, revised, ended."""

from datetime import date
from typing import Any

import pytest

from services.allocation.domain.partners.disruption import (
    DECIDER,
    DeclareDisruption,
    EndDisruption,
    Reason,
    ReviseDisruption,
)
from services.allocation.events import DisruptionDeclared, DisruptionEnded, DisruptionId, DisruptionRevised, PartnerCode, ProductId
from tests.stories.given import Given

STARTS_ON = date(2026, 1, 6)
KNOWN: dict[str, Any] = {
    "declared_scope": "military end use",
    "observed_scope": "licences halted across industries",
    "partners": (PartnerCode("JP"),),
    "starts_on": STARTS_ON,
    "evidence": ("https://example.org/mofcom-2026-1",),
}


def declare(**changes: Any) -> DeclareDisruption:
    told = KNOWN | {"disruption": DisruptionId("dis_1"), "instrument": "MOFCOM No. 1/2026", "products": (ProductId("ndpr-oxide"),)}
    return DeclareDisruption(**(told | changes))


def revise(**changes: Any) -> ReviseDisruption:
    return ReviseDisruption(**(KNOWN | {"reason": "importers' reports"} | changes))


def end(ends_on: date = date(2026, 6, 1)) -> EndDisruption:
    return EndDisruption(ends_on=ends_on, reason="lifted")


def test_a_disruption_keeps_what_is_declared_apart_from_what_is_observed():
    [event] = Given(DECIDER).when(declare()).events
    assert isinstance(event, DisruptionDeclared)
    assert (event.declared_scope, event.observed_scope) == ("military end use", "licences halted across industries")


def test_a_revision_keeps_the_products():
    [event] = Given(DECIDER, declare()).when(revise(partners=(PartnerCode("JP"), PartnerCode("US")))).events
    assert isinstance(event, DisruptionRevised)
    assert (event.products, event.partners) == (("ndpr-oxide",), ("JP", "US"))


def test_an_ended_disruption_is_over():
    disruption = Given(DECIDER, declare())
    over = disruption.when(end()).then(
        DisruptionEnded(disruption=DisruptionId("dis_1"), products=(ProductId("ndpr-oxide"),), ends_on=date(2026, 6, 1), reason="lifted")
    )
    over.when(revise()).refused(Reason.ENDED)
    over.when(end()).refused(Reason.ENDED)


def test_a_disruption_does_not_end_before_it_starts():
    Given(DECIDER, declare()).when(end(date(2026, 1, 5))).refused(Reason.DATES_REVERSED)
    Given(DECIDER, declare(starts_on=date(2026, 1, 1)), revise()).when(end(date(2026, 1, 5))).refused(Reason.DATES_REVERSED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"products": ()}, Reason.NO_PRODUCTS),
        ({"products": (ProductId("a"), ProductId("a"))}, Reason.NAMED_TWICE),
        ({"partners": (PartnerCode("JP"), PartnerCode("JP"))}, Reason.NAMED_TWICE),
        ({"evidence": ()}, Reason.NO_EVIDENCE),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: Reason):
    Given(DECIDER).when(declare(**changes)).refused(reason)


def test_a_revision_without_evidence_is_refused():
    Given(DECIDER, declare()).when(revise(evidence=())).refused(Reason.NO_EVIDENCE)


def test_a_disruption_is_declared_once():
    Given(DECIDER, declare()).when(declare()).refused(Reason.ALREADY_DECLARED)


def test_what_was_never_declared_is_not_revised_or_ended():
    Given(DECIDER).when(revise()).refused(Reason.NOT_FOUND)
    Given(DECIDER).when(end()).refused(Reason.NOT_FOUND)
