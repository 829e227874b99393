"""Approvers: their keys as events enrolled and revoked them, and whether an approval counts."""

from collections.abc import Iterable, Iterator, Set
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import ApproverKeyEnrolled, ApproverKeyRestored, ApproverKeyRevoked
from services.allocation.events.authority import PersonNamed
from shared.journal.places import parse_place
from shared.terms.apart import Apart
from shared.terms.countersigning import CommandPaper

# Keys, instruments and interests have streams in shards of their own: what was recorded in the same moment may stand in either order.
AT_ONCE = timedelta(seconds=60)


class Signed(Protocol):
    """An approval as an event holds it."""

    @property
    def subject(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def origin(self) -> str | None: ...
    @property
    def authority(self) -> str | None: ...


class Gone(msgspec.Struct):
    """How long something was out of force. `until`: it was one person's word, which nobody had confirmed; None: for good."""

    since: datetime
    until: datetime | None = None

    def surely_at(self, at: datetime) -> bool:
        """Whether it was, in whatever order what was recorded at once stands."""
        return self.since + AT_ONCE < at and (self.until is None or at + AT_ONCE < self.until)


class _Key(msgspec.Struct):
    public_key: str
    enrolled_at: datetime
    revoked: list[Gone] = []


class _ToVerify(msgspec.Struct, frozen=True):
    place: str
    approval: Signed
    purpose: str
    document: str
    proposed_by: str
    at: datetime


class _Given(msgspec.Struct, frozen=True):
    place: str
    approval: Signed
    at: datetime

    @property
    def service(self) -> str:
        return parse_place(self.place).service


class Approvers:
    """`origins`: of the logs whose keys are pinned."""

    def __init__(self, findings: Findings, origins: Set[str]) -> None:
        self._findings = findings
        self.origins = origins
        self._second_at: dict[str, datetime] = {}  # service -> the first approval of the second version: it takes none of the first since
        self._persons: dict[str, tuple[str, datetime]] = {}  # account -> whose it is, since when that is known
        self._firsts: list[_Given] = []  # of the first version
        self._too_soon: list[_Given] = []  # whose keys no leaf before has enrolled
        self._keys: dict[tuple[str, str], _Key] = {}
        self._waiting: list[_ToVerify] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        """In the order of the log's leaves."""
        for approval in (getattr(event, "approval", None), getattr(event, "endorsement", None)):
            if approval is not None:
                self._see_given(_Given(place, approval, instant(record)))
        match event:
            case PersonNamed():
                self._persons[event.official] = (event.person, instant(record))
            case ApproverKeyEnrolled():
                self._keys[event.subject, event.key] = _Key(event.public_key, instant(record))
            case ApproverKeyRevoked():
                if (key := self._keys.get((event.subject, event.key))) is not None:
                    key.revoked.append(Gone(instant(record)))
            case ApproverKeyRestored():
                if (key := self._keys.get((event.subject, event.key))) is not None and key.revoked:
                    key.revoked[-1].until = instant(record)
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
        for given in self._firsts:
            since = self._second_at.get(given.service)
            in_force = since is not None and since + AT_ONCE < given.at
            what = f"{given.approval.subject} signed a statement of the first version, which names no log and no instrument"
            self._findings.under_rule(Check.APPROVALS, in_force, given.place, what)
        for given in self._too_soon:
            self._finish_too_soon(given)

    def _see_given(self, given: _Given) -> None:
        approval = given.approval
        if approval.origin is None:
            self._firsts.append(given)
        else:
            self._second_at.setdefault(given.service, given.at)
            what = f"{approval.subject} signed for {approval.origin}, which is another deployment"
            self._findings.look(Check.APPROVALS, approval.origin in self.origins, given.place, what)
        if not self.know(approval):
            self._too_soon.append(given)

    def _finish_too_soon(self, given: _Given) -> None:
        """The ledger takes each shard by itself, so what was recorded at once may stand in either order."""
        if (key := self._keys.get((given.approval.subject, given.approval.key))) is None:
            return  # which is a fault of its own
        if not key.enrolled_at <= given.at <= key.enrolled_at + AT_ONCE:
            what = f"the key {given.approval.key} of {given.approval.subject} is enrolled in a later leaf than it signed in"
            self._findings.under_rule(Check.APPROVALS, given.approval.origin is not None, given.place, what)

    def person_of(self, account: str, at: datetime) -> str:
        """Whose account it is, as known at an instant; the account itself stands for a person who is not named."""
        person, since = self._persons.get(account, ("", at))
        return person if since + AT_ONCE < at else account

    def same(self, one: str, others: Iterable[str], at: datetime) -> bool:
        """Whether a person is one of the others, by whatever account."""
        return self.person_of(one, at) in {self.person_of(other, at) for other in others}

    def apart(self, check: Check, rule: Apart, place: str, one: str, others: Iterable[str], at: datetime) -> None:
        """One more act by a person who must be another than these."""
        self._findings.look(check, not self.same(one, others, at), place, f"{one} is {rule.than}: {rule}")

    def has_key(self, account: str, at: datetime) -> bool:
        """Whether the person has one that is not revoked, by whatever account. Once all keys are known."""
        return any(
            self.same(account, (subject,), at) and key.enrolled_at <= at + AT_ONCE and not any(gone.surely_at(at) for gone in key.revoked)
            for (subject, _), key in self._keys.items()
        )

    def know(self, approval: Signed) -> bool:
        """Whether its key has been seen: it may stand after the cut, in a journal that the ledger was slower to take."""
        return (approval.subject, approval.key) in self._keys

    def faults_of(self, approval: Signed, *, purpose: str, document: str, proposed_by: str, at: datetime) -> Iterator[str]:
        """What keeps an approval of a document (its SHA-256) from counting at an instant."""
        key = self._keys.get((approval.subject, approval.key))
        if self.same(approval.subject, (proposed_by,), at):
            rule = Apart.SIGNS if purpose == CommandPaper.purpose else Apart.APPROVES
            yield f"{approval.subject} proposed the {purpose}, and approved it: {rule}"
        if key is None:
            yield f"{approval.subject} has no key {approval.key}"
        elif not signed(approval, purpose, document, key.public_key):
            yield f"the key {approval.key} of {approval.subject} did not sign this {purpose}"
        elif any(gone.surely_at(at) for gone in key.revoked):
            yield f"the key {approval.key} of {approval.subject} was revoked before"


def signed(approval: Signed, purpose: str, document: str, public_key: str) -> bool:
    """RFC 8032 over a statement of its own lines: format, origin, purpose, document, approver, key id, instrument. The first version had no
    origin and no instrument."""
    said = f"{purpose}\n{document}\n{approval.subject}\n{approval.key}\n"
    if approval.origin is None:
        statement = f"reserve.approval.v1\n{said}".encode()
    else:
        statement = f"reserve.approval.v2\n{approval.origin}\n{said}{approval.authority or '-'}\n".encode()
    try:
        key = bytes.fromhex(public_key)
        Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(approval.signature), statement)
    except (ValueError, InvalidSignature):
        return False
    return sha256(key).hexdigest()[:16] == approval.key


def instant(record: Recorded) -> datetime:
    return datetime.fromisoformat(record.recorded_at)
