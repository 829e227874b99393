"""Where the journal has what a certificate stands on: keys' enrolments and revocations, decisions, their approvals, authorities cited."""

from typing import Any

import msgspec

from services.allocation.events import (
    ApproverKeyEnrolled,
    ApproverKeyRestored,
    ApproverKeyRevoked,
    AuthorityCited,
    RoundApproved,
    RoundCertified,
    RoundProposed,
)
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_proofs(connection: Connection, fact: Fact) -> None:
    matter: str | None = None
    decision: str | None = None
    approver: str | None = None
    detail: dict[str, Any] = {}
    match fact.event:
        case ApproverKeyEnrolled(subject=subject, key=key):
            kind, approver = "enrolled", f"{subject}/{key}"
        case ApproverKeyRevoked(subject=subject, key=key):
            kind, approver = "revoked", f"{subject}/{key}"
        case ApproverKeyRestored(subject=subject, key=key):
            kind, approver = "restored", f"{subject}/{key}"
        case RoundProposed() as event:
            kind, matter, decision = "proposed", event.round, event.decision
            detail = {"file": event.file}
        case RoundApproved() as event:
            kind, matter, decision, approver = "approved", event.round, event.decision, f"{event.approval.subject}/{event.approval.key}"
        case RoundCertified() as event:
            kind, matter, decision = "certified", event.round, event.decision
            names_awards = bool(event.awards)  # as events of the first version did: they tell a partner of others
            detail = {"approvals": msgspec.to_builtins(event.approvals), "expires_on": str(event.expires_on), "names_awards": names_awards}
            if event.attestation is not None:
                detail["attestation"] = msgspec.to_builtins(event.attestation)
        case AuthorityCited() as event:
            kind, matter = "cited", event.matter
        case _:
            return
    await connection.execute(
        "INSERT INTO proofs (place, kind, matter, decision, approver, command, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        fact.place,
        kind,
        matter,
        decision,
        approver,
        fact.record.command_id,
        as_json(detail),
    )
