"""Witnesses: what others have vouched for, as the ledger has recorded it. Who they are is pinned: the log's own word counts for nothing.

Their cosignatures carry times. What a published checkpoint is the first to cover was recorded before it, and after the one before it: a
time that was made up afterwards is outside.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from reserve.audit.report import Check, Findings
from reserve.audit.rows import Rows
from services.ledger.events import CheckpointWitnessed
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.policy import WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey

CLOCKS_DIFFER_S = 60
_LAYOUT = ">QQ32s"  # size, by when enough witnesses had cosigned it, root


class Witnesses:
    """`policies`: pinned, any is enough; none: cosignatures and times are not looked at. `has_signed`: whether the log signed the same
    checkpoint before. `size`: how many leaves enough of the pinned witnesses vouch for. `next`: the number of the first, of those that
    nothing is wrong with, that covers the leaf which was looked at last."""

    def __init__(
        self,
        findings: Findings,
        log_keys: Sequence[VerifierKey],
        policies: Sequence[WitnessPolicy],
        has_signed: Callable[[CheckpointWitnessed], bool],
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._policies = [policy.of_logs(*log_keys) for policy in policies]
        self._has_signed = has_signed
        self._last = 0
        self._witnessed = Rows(_LAYOUT)
        self._before, self._due = 0, (0, 0)  # the time of the one before `next`; size and time of that
        self.next = -1
        self.size = 0
        self.at: datetime | None = None

    def __bool__(self) -> bool:
        """Whether there is anything that witnesses have vouched for."""
        return len(self._witnessed) > 0

    def see(self, place: str, event: CheckpointWitnessed) -> None:
        at, fault = 0, None
        try:
            at = self._time_of(event)
        except (NoteMalformed, NoteUnverified) as error:
            fault = str(error)
        self._last = max(self._last, event.size)
        if self._findings.look(Check.WITNESSED, fault is None, place, str(fault)):
            self._witnessed.append(event.size, at, bytes.fromhex(event.root))

    def take_leaf(self, index: int, place: str, recorded_at: str) -> None:
        """A leaf, in order, and when its event says that it was recorded."""
        while self.next < len(self._witnessed) and self._due[0] <= index:
            self.next += 1
            self._before, self._due = self._due[1], self._witnessed[self.next][:2] if self.next < len(self._witnessed) else (0, 0)
        if self.next == len(self._witnessed) or not self._policies:
            return  # nobody has vouched for it yet
        said, after = datetime.fromisoformat(recorded_at).timestamp(), self._due[1]
        what = f"recorded {recorded_at}, and witnessed at {after} s already"
        self._findings.look(Check.WITNESSED_TIMES, said <= after + CLOCKS_DIFFER_S, place, what)
        if self.next and said < self._before - CLOCKS_DIFFER_S:
            self._findings.list_it(
                Check.WITNESSED_TIMES, place, f"recorded {recorded_at}, and not in the log at {self._before} s: it came late"
            )

    def covers_since(self, number: int, root: str) -> bool:
        """Whether one has this root that the leaves have reached, but had not yet when `next` was `number`."""
        return any(row[2].hex() == root for row in self._witnessed.between(max(0, number), self.next))

    def _time_of(self, event: CheckpointWitnessed) -> int:
        """By when enough witnesses had cosigned it; 0 where nobody says who is enough. Raises NoteMalformed, NoteUnverified."""
        if self._policies:
            witnessed = open_witnessed(event.note, *self._policies)
            head, at = witnessed.checkpoint.head, witnessed.at
        else:
            head, at = open_checkpoint(event.note, self._keys).head, 0
        if (head.size, head.root.hex()) != (event.size, event.root):
            raise NoteUnverified(f"the note is of {head.size} leaves and root {head.root.hex()}")
        if not self._has_signed(event):
            raise NoteUnverified("the log never signed it so")
        if event.size < self._last:
            raise NoteUnverified(f"{event.size} leaves, after {self._last}")
        if self._policies:
            self.size, self.at = event.size, datetime.fromtimestamp(at, UTC)
        return at
