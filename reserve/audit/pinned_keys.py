"""Keys that an auditor has on paper: every key of the history is one of them, and which of them the history lacks is said."""

from collections.abc import Iterator, Set
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import ApproverKeyEnrolled
from services.allocation.events.partner import PartnerKeyRegistered

type Pins = Set[tuple[str, str]]  # whose key, and its fingerprint: the SHA-256 of the public key, in hex


class Pinned(msgspec.Struct, frozen=True):
    """None: nobody has pinned any, and nothing is looked at."""

    partners: Pins | None = None
    approvers: Pins | None = None


class PinnedKeys:
    def __init__(self, findings: Findings, pinned: Pinned) -> None:
        self._findings = findings
        self._pinned = pinned
        self._seen = set[tuple[str, str]]()

    def see(self, _service: str, place: str, _record: Recorded, event: Any) -> None:
        match event:
            case PartnerKeyRegistered():
                self._look_at(self._pinned.partners, place, event.partner, event.public_key)
            case ApproverKeyEnrolled():
                self._look_at(self._pinned.approvers, place, event.subject, event.public_key)
            case _:
                pass

    def finish(self) -> None:
        for who, fingerprint in self._lacking():
            what = f"the key with the fingerprint {fingerprint} is pinned, and not in what is audited"
            self._findings.list_it(Check.PINNED_KEYS, who, what)

    def _look_at(self, pins: Pins | None, place: str, who: str, public_key: str) -> None:
        if pins is None:
            return
        key = who, sha256(bytes.fromhex(public_key)).hexdigest()
        self._seen.add(key)
        self._findings.look(Check.PINNED_KEYS, key in pins, place, f"the key of {who} with the fingerprint {key[1]} is not pinned")

    def _lacking(self) -> Iterator[tuple[str, str]]:
        for pins in (self._pinned.partners, self._pinned.approvers):
            yield from sorted((pins or frozenset()) - self._seen)
