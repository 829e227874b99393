"""Shapes that allocation's events had before, brought to those that they have now. Whoever reads allocation's journal needs them."""

from collections.abc import Mapping
from typing import Any

from shared.journal.codec import Upcaster
from shared.journal.texts import plain_before


def _request_submitted(shape: dict[str, Any]) -> dict[str, Any]:
    """Consignee and end user went unnamed, and whatever met the product's specification would do."""
    unnamed = {"consignee": "", "end_user": "", "least_contents": {}, "excluded_origins": [], "statement": {}}
    return shape | unnamed | {"type": "allocation.request_submitted.v2"}


def _round_opened(shape: dict[str, Any]) -> dict[str, Any]:
    rule, approvals = shape.pop("rule"), shape.pop("approvals_needed")
    meant = {"method": {"rule": rule}, "positions": [], "quorum": [{"above_g": 0, "approvals": approvals}], "emergency": None}
    return shape | meant | {"type": "allocation.round_opened.v2"}


def _round_proposed(shape: dict[str, Any]) -> dict[str, Any]:
    awards = shape.pop("awards")
    awarded_g: dict[str, int] = {}
    for award in awards:
        awarded_g[award["partner"]] = awarded_g.get(award["partner"], 0) + award["mass_g"]
    reads = {name: read for name, read in shape["reads"].items() if name != "requests"}
    counted = {"awards": len(awards), "awarded_g": awarded_g, "reads": reads, "release_order": None}
    return shape | counted | {"type": "allocation.round_proposed.v2"}


def _round_certified(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {"release_order": None, "type": "allocation.round_certified.v2"}


UPCASTERS: Mapping[str, Upcaster] = {
    "allocation.request_submitted.v1": _request_submitted,
    "allocation.round_opened.v1": _round_opened,
    "allocation.round_proposed.v1": _round_proposed,
    "allocation.round_certified.v1": _round_certified,
    **plain_before(
        {
            "allocation.command_withdrawn": "reason",
            "allocation.agreement_amended": "reason",
            "allocation.agreement_ended": "reason",
            "allocation.agreement_resumed": "reason",
            "allocation.agreement_suspended": "reason",
            "allocation.approver_key_revoked": "reason",
            "allocation.award_renounced": "reason",
            "allocation.clock_paused": "reason",
            "allocation.conflict_declared": "reason",
            "allocation.conflict_withdrawn": "reason",
            "allocation.consignee_change_approved": "reason",
            "allocation.consignee_change_asked": "reason",
            "allocation.consignee_change_refused": "reason",
            "allocation.consignee_hit_decided": "reason",
            "allocation.decision_superseded": "reason",
            "allocation.disruption_declared": "declared_scope observed_scope evidence",
            "allocation.disruption_ended": "reason",
            "allocation.disruption_revised": "declared_scope observed_scope evidence reason",
            "allocation.instrument_ended": "reason",
            "allocation.objection_answered": "reasons",
            "allocation.objection_raised": "reasons",
            "allocation.policy_withdrawn": "reason",
            "allocation.readiness_cleared": "evidence",
            "allocation.readiness_renewed": "evidence",
            "allocation.readiness_withdrawn": "reason",
            "allocation.report_sent": "addressee",
            "allocation.request_accepted": "reasons",
            "allocation.request_declined": "reasons",
            "allocation.request_screened": "findings.*.finding",
            "allocation.request_withdrawn": "reason",
            "allocation.review_concluded": "findings",
            "allocation.review_requested": "grounds",
            "allocation.round_cancelled": "reason",
            "allocation.screening_hit_decided": "reason",
            "allocation.screening_list_put_in_force": "reason",
            "allocation.screening_list_withdrawn": "reason",
            "allocation.tender_cancelled": "reason",
        }
    ),
    **plain_before(
        {"allocation.request_submitted": "statement.event statement.impact statement.alternatives statement.quality"}, version=2
    ),
}
