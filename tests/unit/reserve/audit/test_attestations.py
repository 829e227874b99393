"""The audit of attestations: each certified decision has one of who certified it; what earlier builds certified without is listed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from reserve.audit.approvers import Approvers
from reserve.audit.attestations import Attestations
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from shared.terms.acting import Approval

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
BY_CERTIFIER = Approval(subject="sub_operator", key="k", signature="", approved_on=date(2026, 1, 6))


def found(*certified: dict[str, Any]) -> dict[str, list[str]]:
    """Rounds that `sub_operator` certified a day apart: where something fails, and where it is listed."""
    findings = Findings()
    attestations = Attestations(findings, Approvers(findings, frozenset()))
    for number, said in enumerate(certified):
        told: Any = {"round": f"rnd_{number}", "product": "antimony-metal", "decision": "0" * 64, "approvals": (), "awards": ()}
        event = allocation.RoundCertified(release_order=None, expires_on=date(2026, 12, 31), **(told | said))
        record: dict[str, Any] = {"actor": "sub_operator", "recorded_at": (NOON + timedelta(days=number)).isoformat()}
        record |= {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        attestations.see(event.round, Recorded(**record), event)
    attestations.finish()
    [result] = [each for each in findings.results() if each.check == Check.APPROVALS.name.lower()]
    return {"failed": [each.place for each in result.failures], "listed": [each.place for each in result.listed]}


REQUIRED = {"attestation_required": True}
ATTESTED = {"attestation": BY_CERTIFIER}


def test_what_an_earlier_build_certified_is_listed_also_where_another_was_attested_by_choice():
    assert found({}, ATTESTED, {}, REQUIRED | ATTESTED) == {"failed": [], "listed": ["rnd_0", "rnd_2"]}


def test_a_certification_without_one_is_found_once_one_has_shown_the_rule():
    assert found(REQUIRED | ATTESTED, {}) == {"failed": ["rnd_1"], "listed": []}


def test_a_certification_that_says_that_it_needs_one_and_has_none_is_found():
    assert found(REQUIRED) == {"failed": ["rnd_0"], "listed": []}


def test_an_attestation_of_another_person_than_certified_is_found():
    assert found({"attestation": replace(BY_CERTIFIER, subject="sub_approver")}) == {"failed": ["rnd_0"], "listed": []}
