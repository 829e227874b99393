"""The audit of policies: who approved them, and whether rounds were opened under what was active, and as it says."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.policies import Policies
from reserve.audit.report import Findings
from services.allocation.domain.policies.policy import document_of
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events import ApproverKeyEnrolled
from services.allocation.events.ids import KeyId, ProductId, RequestId, RoundId, SubjectId
from services.allocation.events.policies import PolicyApproved, PolicyDrafted, PolicyTerms, PolicyWithdrawn
from services.allocation.events.rounds import Approval, EmergencyPath, RoundOpened
from shared.terms.approval import approve, key_id, public_key_hex

DAY = date(2026, 1, 6)
OPERATOR, APPROVER = SubjectId("sub_operator"), SubjectId("sub_approver")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def drafted(version: int = 1, by: SubjectId = OPERATOR, terms: PolicyTerms = STANDARD_TERMS) -> PolicyDrafted:
    document = sha256(document_of("standing", version, DAY, terms)).hexdigest()
    return PolicyDrafted(policy="standing", version=version, active_from=DAY, terms=terms, document=document, drafted_by=by)


def approved(draft: PolicyDrafted, **changes: Any) -> PolicyApproved:
    signed = approve(draft.document, KEY, approver=APPROVER, purpose="policy")
    approval = Approval(subject=APPROVER, key=KeyId(signed.key_id), signature=signed.signature, approved_on=DAY)
    told: dict[str, Any] = {
        "policy": draft.policy,
        "version": draft.version,
        "document": draft.document,
        "active_from": DAY,
        "approval": approval,
    }
    return PolicyApproved(**(told | changes))


def opened(**changes: Any) -> RoundOpened:
    told: dict[str, Any] = {
        "round": RoundId("rnd_1"),
        "product": ProductId("antimony-metal"),
        "requests": (RequestId("req_jp"),),
        "disruption": None,
        "method": STANDARD_TERMS.method,
        "positions": (),
        "policy": "standing",
        "policy_version": 1,
        "quorum": STANDARD_TERMS.quorum,
        "emergency": None,
        "release_days": STANDARD_TERMS.release_days,
        "carry_years": STANDARD_TERMS.carry_years,
    }
    return RoundOpened(**(told | changes))


def audited(events: Sequence[Any]) -> list[str]:
    """What is found of events, one each hour, once the approver's key is known."""
    findings = Findings()
    approvers = Approvers(findings, set())
    policies = Policies(findings, approvers)
    enrolled = ApproverKeyEnrolled(subject=APPROVER, key=KeyId(key_id(public_key_hex(KEY))), public_key=public_key_hex(KEY))
    for hour, event in enumerate([enrolled, *events]):
        at = datetime(2026, 1, 6, tzinfo=UTC) + timedelta(hours=hour)
        record = Recorded(
            shard=0,
            position=hour + 1,
            stream="policy/standing",
            version=1,
            type="",
            data=b"",
            partner=None,
            partner_seq=None,
            effective_on=str(DAY),
            recorded_at=at.isoformat(),
            command_id="",
            actor="",
            correlation_id="",
            causation_id="",
            salt="",
            event_hash="",
            chain_hash="",
        )
        approvers.see("allocation/0/1", record, event)
        policies.see(f"allocation/0/{hour + 1}", record, event)
    policies.finish()
    approvers.finish()
    return [failure.what for result in findings.results() for failure in result.failures]


FIRST, SECOND = drafted(), drafted(2)
SOUND = (FIRST, approved(FIRST), opened())


def test_a_round_under_an_approved_version_that_is_held_as_it_says_is_sound():
    assert audited(SOUND) == []


def test_under_earlier_builds_a_withdrawn_version_gave_way_to_the_one_before():
    assert audited([FIRST, approved(FIRST), SECOND, approved(SECOND), replace(LATER_ONE, active=1), opened()]) == []


def test_a_version_that_was_withdrawn_before_its_day_superseded_none():
    to_come = replace(approved(SECOND), active_from=DAY + timedelta(days=1))
    assert audited([FIRST, approved(FIRST), SECOND, to_come, LATER_ONE, opened()]) == []


def test_rounds_of_earlier_builds_were_under_nothing_that_was_drafted():
    assert audited([opened(carry_years=None)]) == []


WITHDRAWN = PolicyWithdrawn(policy="standing", version=1, active=None, products=(), withdrawn_by=OPERATOR, reason="a mistake")
LATER_ONE = replace(WITHDRAWN, version=2)
FAULTS: dict[str, Sequence[Any]] = {
    "never drafted": (opened(),),
    "which was not active": (FIRST, opened()),
    "was opened under standing version 1, which was not active": (FIRST, approved(FIRST), WITHDRAWN, opened()),
    "which version 2 had superseded": (FIRST, approved(FIRST), SECOND, approved(SECOND), LATER_ONE, opened()),
    "when version 2 was active": (FIRST, approved(FIRST), SECOND, approved(SECOND), opened()),
    "is not held as": (FIRST, approved(FIRST), opened(release_days=30)),
    "is an emergency": (FIRST, approved(FIRST), opened(emergency=EmergencyPath(ratify_within_hours=1, max_g=1))),
    "says another thing than was signed": (replace(FIRST, terms=replace(STANDARD_TERMS, release_days=30)), approved(FIRST)),
    "did not sign this policy": (
        FIRST,
        approved(FIRST, approval=replace(approved(FIRST).approval, signature="00" * 64)),
    ),
    "wrote standing version 1, and approved it": (drafted(by=APPROVER), approved(drafted(by=APPROVER))),
    "is approved, and was never drafted": (approved(FIRST),),
}


@pytest.mark.parametrize(("what", "events"), FAULTS.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_what_was_tampered_with_is_found(what: str, events: Sequence[Any]):
    assert any(what in fault for fault in audited(events)), audited(events)
