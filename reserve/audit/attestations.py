"""Attestations: who certifies a decision signs that all of its lines are by one parameter, within the offer. In force from the first
certification that says so; what earlier builds certified without one is listed."""

from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import RoundCertified


class _Without(msgspec.Struct, frozen=True):
    place: str
    decision: str
    required: bool
    at: datetime


class Attestations:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._without: list[_Without] = []
        self._in_force_at: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if not isinstance(event, RoundCertified):
            return
        at = instant(record)
        if event.attestation_required:
            self._in_force_at = at if self._in_force_at is None else min(at, self._in_force_at)
        if (given := event.attestation) is None:
            self._without.append(_Without(place, event.decision, event.attestation_required, at))
            return
        self._approvers.verify(place, record, given, purpose="attestation", document=event.decision, proposed_by="")
        who = f"{given.subject} attested what {record.actor} certified"
        self._findings.look(Check.APPROVALS, given.subject == record.actor, place, who)

    def finish(self) -> None:
        """All is seen that there is."""
        for each in self._without:
            in_force = each.required or (self._in_force_at is not None and self._in_force_at + AT_ONCE < each.at)
            what = f"the decision {each.decision} was certified, and who did that has not attested it"
            self._findings.under_rule(Check.APPROVALS, in_force, each.place, what)
