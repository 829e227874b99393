"""Witnesses: what others have vouched for, as the ledger has recorded it. Who they are is pinned: the log's own word counts for nothing.

Their cosignatures carry times. What a published checkpoint is the first to cover was recorded before it, and after the one before it: a
time that was made up afterwards is outside.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from reserve.audit.report import Check, Findings
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.policy import WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey

CLOCKS_DIFFER_S = 60


class _Time(msgspec.Struct, frozen=True, gc=False):
    size: int
    at: int  # by then, enough witnesses had cosigned it


class Witnesses:
    """`policies`: pinned, any is enough; none: cosignatures and times are not looked at. `signed`: the log's checkpoints, by root. `size`:
    how many leaves of the last history's log enough of the pinned witnesses vouch for. `by_root`: what nothing is wrong with."""

    def __init__(
        self, findings: Findings, log_keys: Sequence[VerifierKey], policies: Sequence[WitnessPolicy], signed: Mapping[str, CheckpointSigned]
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._policies = [policy.of_logs(*log_keys) for policy in policies]
        self._signed = signed
        self._last: dict[int, int] = {}  # by history
        self._times: dict[int, list[_Time]] = {}  # by history
        self._next: dict[int, int] = {}  # by history: the first of `_times` that covers the leaf which was looked at last
        self._history = 0  # the last one that witnesses vouch for something of
        self.size = 0
        self.at: datetime | None = None
        self.by_root: dict[str, CheckpointWitnessed] = {}

    def see(self, place: str, event: CheckpointWitnessed, history: int) -> None:
        fault = self._fault(event, history)
        self._last[history] = max(self._last.get(history, 0), event.size)
        if self._findings.look(Check.WITNESSED, fault is None, place, str(fault)):
            self.by_root[event.root] = event

    def take_leaf(self, index: int, place: str, recorded_at: str, history: int) -> None:
        """A leaf of this history's log, in order, and when its event says that it was recorded."""
        times, covers = self._times.get(history, []), self._next.get(history, 0)
        while covers < len(times) and times[covers].size <= index:
            covers += 1
        self._next[history] = covers
        if covers == len(times):
            return  # nobody has vouched for it yet
        said, after = datetime.fromisoformat(recorded_at).timestamp(), times[covers].at
        what = f"recorded {recorded_at}, and witnessed at {after} s already"
        self._findings.look(Check.WITNESSED_TIMES, said <= after + CLOCKS_DIFFER_S, place, what)
        if covers and said < (before := times[covers - 1].at) - CLOCKS_DIFFER_S:
            self._findings.list_it(Check.WITNESSED_TIMES, place, f"recorded {recorded_at}, and not in the log at {before} s: it came late")

    def _fault(self, event: CheckpointWitnessed, history: int) -> str | None:
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
        if event.size < (last := self._last.get(history, 0)):
            return f"{event.size} leaves, after {last}"
        if at is not None:
            self._times.setdefault(history, []).append(_Time(event.size, at))
            if history >= self._history:
                self._history, self.size, self.at = history, event.size, datetime.fromtimestamp(at, UTC)
        return None
