"""Approvers: their keys as events enrolled and revoked them, and whether an approval counts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import ApproverKeyEnrolled, ApproverKeyRevoked

# Keys have streams of their own, in shards of their own: a revocation in the same moment as what it would stop may be recorded before it.
_AT_ONCE = timedelta(seconds=60)


class Signed(Protocol):
    """An approval as an event holds it."""

    @property
    def subject(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def signature(self) -> str: ...


class _Key(msgspec.Struct):
    public_key: str
    revoked_at: datetime | None = None


class _ToVerify(msgspec.Struct, frozen=True):
    place: str
    approval: Signed
    purpose: str
    document: str
    proposed_by: str
    at: datetime


class Approvers:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._keys: dict[tuple[str, str], _Key] = {}
        self._waiting: list[_ToVerify] = []

    def see(self, record: Recorded, event: Any) -> None:
        match event:
            case ApproverKeyEnrolled():
                self._keys[event.subject, event.key] = _Key(event.public_key)
            case ApproverKeyRevoked():
                if (key := self._keys.get((event.subject, event.key))) is not None:
                    key.revoked_at = instant(record)
            case _:
                pass

    def verify(self, place: str, record: Recorded, approval: Signed, *, purpose: str, document: str, proposed_by: str) -> None:
        """Once all keys are known."""
        self._waiting.append(_ToVerify(place, approval, purpose, document, proposed_by, instant(record)))

    @property
    def unsettled(self) -> bool:
        return not all(self.know(each.approval) for each in self._waiting)

    def finish(self) -> None:
        """All is seen that there is."""
        for each in self._waiting:
            faults = list(
                self.faults_of(each.approval, purpose=each.purpose, document=each.document, proposed_by=each.proposed_by, at=each.at)
            )
            self._findings.look(Check.APPROVALS, not faults, each.place, "; ".join(faults))

    def know(self, approval: Signed) -> bool:
        """Whether its key has been seen: it may stand after the cut, in a journal that the ledger was slower to take."""
        return (approval.subject, approval.key) in self._keys

    def faults_of(self, approval: Signed, *, purpose: str, document: str, proposed_by: str, at: datetime) -> Iterator[str]:
        """What keeps an approval of a document (its SHA-256) from counting at an instant."""
        key = self._keys.get((approval.subject, approval.key))
        if approval.subject == proposed_by:
            yield f"{approval.subject} proposed the {purpose}, and approved it"
        if key is None:
            yield f"{approval.subject} has no key {approval.key}"
        elif not _signed(approval, purpose, document, key.public_key):
            yield f"the key {approval.key} of {approval.subject} did not sign this {purpose}"
        elif key.revoked_at is not None and key.revoked_at + _AT_ONCE < at:
            yield f"the key {approval.key} of {approval.subject} was revoked before"


def _signed(approval: Signed, purpose: str, document: str, public_key: str) -> bool:
    """RFC 8032 over a statement of its own lines: format, purpose, document, approver, key id."""
    statement = f"reserve.approval.v1\n{purpose}\n{document}\n{approval.subject}\n{approval.key}\n".encode()
    try:
        key = bytes.fromhex(public_key)
        Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(approval.signature), statement)
    except (ValueError, InvalidSignature):
        return False
    return sha256(key).hexdigest()[:16] == approval.key


def instant(record: Recorded) -> datetime:
    return datetime.fromisoformat(record.recorded_at)
