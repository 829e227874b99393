"""Witnesses: what others have vouched for, as the ledger has recorded it. Who they are is pinned: the log's own word counts for nothing.

Their cosignatures carry times. What a published checkpoint is the first to cover was recorded before it, and after the one before it: a
time that was made up afterwards is outside. What came late is looked at once all is seen (`Reach`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.reach import CLOCKS_DIFFER_S, Reach
from reserve.audit.report import Check, Findings
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.policy import WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey


class _Time(msgspec.Struct, frozen=True, gc=False):
    size: int
    at: int  # by then, enough witnesses had cosigned it


class Witnesses:
    """`policies`: pinned, any is enough; none: cosignatures and times are not looked at. `signed`: the log's checkpoints, by root. `size`:
    how many leaves enough of the pinned witnesses vouch for. `by_root`: what nothing is wrong with."""

    def __init__(
        self, findings: Findings, log_keys: Sequence[VerifierKey], policies: Sequence[WitnessPolicy], signed: Mapping[str, CheckpointSigned]
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._policies = [policy.of_logs(*log_keys) for policy in policies]
        self._signed = signed
        self._last = 0
        self._times: list[_Time] = []
        self._next = 0  # the first of `_times` that covers the leaf which was looked at last
        self.reach = Reach(findings)
        self.size = 0
        self.at: datetime | None = None
        self.by_root: dict[str, CheckpointWitnessed] = {}

    def see(self, place: str, event: CheckpointWitnessed) -> None:
        fault = self._fault(event)
        self._last = max(self._last, event.size)
        if self._findings.look(Check.WITNESSED, fault is None, place, str(fault)):
            self.by_root[event.root] = event

    def take_leaf(self, index: int, service: str, record: Recorded) -> None:
        """A leaf, in order, and its event's record."""
        while self._next < len(self._times) and self._times[self._next].size <= index:
            self._next += 1
        if self._next == len(self._times):
            return  # nobody has vouched for it yet
        place = f"{service}/{record.shard}/{record.position}"
        said, after = datetime.fromisoformat(record.recorded_at).timestamp(), self._times[self._next].at
        what = f"recorded {record.recorded_at}, and witnessed at {after} s already"
        self._findings.look(Check.WITNESSED_TIMES, said <= after + CLOCKS_DIFFER_S, place, what)
        before = self._times[self._next - 1].at if self._next else None
        self.reach.take(service, record, said, before, after)

    def finish(self) -> None:
        """All is seen that there is."""
        self.reach.finish(self._times[-1].at if self._times else 0)

    def _fault(self, event: CheckpointWitnessed) -> str | None:
        try:
            if self._policies:
                witnessed = open_witnessed(event.note, *self._policies)
                checkpoint, at = witnessed.checkpoint, witnessed.at
            else:
                checkpoint, at = open_checkpoint(event.note, self._keys), None
        except (NoteMalformed, NoteUnverified) as error:
            return str(error)
        head = checkpoint.head
        if (head.size, head.root.hex()) != (event.size, event.root):
            return f"the note is of {head.size} leaves and root {head.root.hex()}"
        before = self._signed.get(event.root)
        if before is None or (before.size, before.covers) != (event.size, event.covers):
            return "the log never signed it so"
        if event.size < self._last:
            return f"{event.size} leaves, after {self._last}"
        if at is not None:
            self.size, self.at = event.size, datetime.fromtimestamp(at, UTC)
            self._times.append(_Time(event.size, at))
        return None
