"""Partners' signatures: each key of a partner signed its own registration, and is named by an agreement in force, or signed for by another
key that the partner had and had not revoked.
"""

from collections.abc import Iterator, Set
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant, signed
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import AgreementAmended, AgreementEnded, AgreementSigned
from services.allocation.events.papers import PartnerKeyPaper, key_paper_of
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.record import name_of
from shared.terms.acting import Approval


class _Key(msgspec.Struct):
    place: str
    event: PartnerKeyRegistered
    since: datetime
    revoked: datetime | None = None


class _Named(msgspec.Struct, frozen=True):
    """A fingerprint in an agreement."""

    partner: str
    fingerprint: str
    since: datetime


class Signatures:
    """`origins`: of the logs whose keys are pinned."""

    def __init__(self, findings: Findings, origins: Set[str]) -> None:
        self._findings = findings
        self._origins = origins
        self._keys: dict[tuple[str, str], _Key] = {}  # by partner and key
        self._named: dict[str, list[_Named]] = {}  # by agreement
        self._ended: dict[str, datetime] = {}

    def see(self, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        match event:
            case AgreementSigned() | AgreementAmended():
                if event.key_fingerprint is not None:
                    named = _Named(event.partner, event.key_fingerprint, at)
                    self._named.setdefault(event.agreement, []).append(named)
            case AgreementEnded():
                self._ended[event.agreement] = at
            case PartnerKeyRegistered():
                again = (event.partner, event.key) in self._keys
                what = f"the key {event.key} of {event.partner} was registered before, and a key has one life"
                self._findings.look(Check.PARTNERS_SIGN, not again, place, what)
                self._keys.setdefault((event.partner, event.key), _Key(place, event, at))
            case PartnerKeyRevoked():
                if (key := self._keys.get((event.partner, event.key))) is not None:
                    key.revoked = at
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is: agreements have streams in shards of their own."""
        for key in self._keys.values():
            faults = list(self._faults_of(key))
            self._findings.look(Check.PARTNERS_SIGN, not faults, key.place, "; ".join(faults))

    def _faults_of(self, key: _Key) -> Iterator[str]:
        event = key.event
        if not self._signs(event.possession, event, event.public_key):
            yield f"the key {event.key} did not sign this registration"
        if event.endorsement is not None:
            by = self._keys.get((event.partner, event.endorsement.key))
            if by is None or by is key or by.since > key.since or (by.revoked is not None and by.revoked < key.since):
                yield f"{event.partner} had no key {event.endorsement.key} to sign for {event.key} with"
            elif not self._signs(event.endorsement, event, by.event.public_key):
                yield f"the key {event.endorsement.key} did not sign for {event.key}"
        elif not self._is_named(key):
            yield f"no agreement with {event.partner} that was in force names the key {event.key}"

    def _is_named(self, key: _Key) -> bool:
        event = key.event
        if event.agreement is None or self._ended.get(event.agreement, key.since) + AT_ONCE < key.since:
            return False
        named = [each for each in self._named.get(event.agreement, ()) if each.since <= key.since + AT_ONCE]
        fingerprint = sha256(bytes.fromhex(event.public_key)).hexdigest()
        return any((each.partner, each.fingerprint) == (event.partner, fingerprint) for each in named)

    def _signs(self, said: Approval, event: PartnerKeyRegistered, public_key: str) -> bool:
        if said.subject != event.partner or said.authority is not None or said.origin not in self._origins:
            return False
        return signed(said, PartnerKeyPaper.purpose, name_of(key_paper_of(event)), public_key)
