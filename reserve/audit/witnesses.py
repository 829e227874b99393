"""Witnesses: what others have vouched for, as the ledger has recorded it. Who they are is pinned: the log's own word counts for nothing.

Their cosignatures carry times. What a published checkpoint is the first to cover was recorded before it, and after the one before it: a
time that was made up afterwards is outside. What came late is looked at once all is seen (`Reach`).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from reserve.audit.evidence import LEDGER, Recorded
from reserve.audit.gaps import OLDEST_S, Between, Gaps
from reserve.audit.logs import further_lines
from reserve.audit.reach import CLOCKS_DIFFER_S, Dated, Reach
from reserve.audit.report import Check, Findings
from reserve.audit.rows import Rows
from services.ledger.events import CheckpointWitnessed
from shared.journal.places import FIRST
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.policy import WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey

_LAYOUT = ">QQ32s"  # size, by when enough witnesses had cosigned it, root

type Numbered = tuple[int, int]  # (history, number of a checkpoint of its log)


class _OfLog(msgspec.Struct):
    """`witnessed`: those that nothing is wrong with; `last`: the size of the last of all. `next`: the number of the first that covers the
    leaf which was looked at last; `before`: the time of the one before it; `due`: its own size and time."""

    witnessed: Rows = msgspec.field(default_factory=lambda: Rows(_LAYOUT))
    last: int = 0
    next: int = -1
    before: int = 0
    due: tuple[int, int] = (0, 0)


class Witnesses:
    """`policies`: pinned, any is enough; none: cosignatures and times are not looked at. `has_signed`: whether the log of a history signed
    the same checkpoint before. `next`: the number of the first, of those of the log that is walked that nothing is wrong with, that covers
    the leaf which was looked at last. `signed_at`: when the last checkpoint of all was recorded."""

    def __init__(
        self,
        findings: Findings,
        log_keys: Sequence[VerifierKey],
        policies: Sequence[WitnessPolicy],
        has_signed: Callable[[CheckpointWitnessed, int], bool],
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._policies = [policy.of_logs(*log_keys) for policy in policies]
        self._has_signed = has_signed
        self._logs: defaultdict[int, _OfLog] = defaultdict(_OfLog)  # by history
        self._history = FIRST  # of the log that is walked
        self._walked = self._logs[FIRST]
        self.reach, self.gaps = Reach(findings), Gaps(findings)
        self._latest = 0  # when one was witnessed, in seconds
        self.signed_at: str | None = None

    def __bool__(self) -> bool:
        """Whether there is anything that witnesses have vouched for of the log that is walked."""
        return len(self._walked.witnessed) > 0

    @property
    def next(self) -> Numbered:
        return self._history, self._walked.next

    def begin(self, history: int) -> None:
        """The log of this history is walked from now on."""
        before, begun = self._walked.witnessed, history > self._history
        self._history, self._walked = history, self._logs[history]
        if begun and len(
            before
        ):  # what is of this history was not in the log before it: nobody dates it back to before what was seen of that
            self._walked.due = 0, before[len(before) - 1][1]

    def see(self, record: Recorded, event: CheckpointWitnessed) -> None:
        at, fault, log = 0, None, self._logs[record.history]
        try:
            at = self._time_of(event, record.history)
        except (NoteMalformed, NoteUnverified) as error:
            fault = str(error)
        log.last = max(log.last, event.size)
        if self._findings.look(Check.WITNESSED, fault is None, record.place(LEDGER), str(fault)):
            log.witnessed.append(event.size, at, bytes.fromhex(event.root))

    def take_leaf(self, index: int, service: str, record: Recorded | Dated) -> None:
        """A leaf of the log that is walked, in order, and its event's record."""
        log = self._walked
        while log.next < len(log.witnessed) and log.due[0] <= index:
            log.next += 1
            log.before = log.due[1]
            log.due = log.witnessed[log.next][:2] if log.next < len(log.witnessed) else (0, 0)
        if log.next == len(log.witnessed) or not self._policies:
            return  # nobody has vouched for it yet
        said, after = datetime.fromisoformat(record.recorded_at).timestamp(), log.due[1]
        what = f"recorded {record.recorded_at}, and witnessed at {after} s already"
        self._findings.look(Check.WITNESSED_TIMES, said <= after + CLOCKS_DIFFER_S, record.place(service), what)
        if not self.reach.take(service, record, said, log.before or None, after) and said < after - OLDEST_S:
            self.gaps.take(Between(self._history, log.due[0], log.before, after), service, record, said)

    def finish(self) -> None:
        """All is seen that there is."""
        self.gaps.finish(self.reach)
        last = [log.witnessed[len(log.witnessed) - 1][1] for log in self._logs.values() if len(log.witnessed)]
        self.reach.finish(max(last, default=0), self.signed_at)

    def vouched(self, walked: Mapping[int, int]) -> tuple[int, datetime | None]:
        """How many leaves of the last log that they have seen enough of the pinned witnesses vouch for, and when they last did. `walked`:
        by history, how many leaves there are. What they saw beyond these is of whatever log: it is listed, and vouches for nothing."""
        for history, log in sorted(self._logs.items(), reverse=True) if self._policies else ():
            rows, size = log.witnessed, walked.get(history, 0)
            count = bisect_right(range(len(rows)), size, key=lambda index: rows[index][0])
            if len(rows) > count and size:
                seen, at, _ = rows[len(rows) - 1]
                what = f"{seen} leaves were witnessed at {_instant(at)}, and {size} are looked at: nothing is said of the others"
                self._findings.list_it(Check.WITNESSED, f"the log of history {history}", what)
            if count:
                return rows[count - 1][0], _instant(rows[count - 1][1])
        return 0, None

    def covers_since(self, number: Numbered, root: str) -> bool:
        """Whether one has this root that the leaves have reached, but had not yet when `next` was `number`."""
        return any(
            row[2].hex() == root
            for history, log in self._logs.items()
            if history >= number[0]
            for row in log.witnessed.between(max(0, number[1]) if history == number[0] else 0, log.next)
        )

    def _time_of(self, event: CheckpointWitnessed, history: int) -> int:
        """By when enough witnesses had cosigned it; 0 where nobody says who is enough. Raises NoteMalformed, NoteUnverified."""
        if self._policies:
            witnessed = open_witnessed(event.note, *self._policies)
            opened, at = witnessed.checkpoint, witnessed.at
        else:
            opened, at = open_checkpoint(event.note, self._keys), 0
        head = opened.head
        if (head.size, head.root.hex()) != (event.size, event.root):
            raise NoteUnverified(f"the note is of {head.size} leaves and root {head.root.hex()}")
        if opened.extensions:
            raise NoteUnverified(f"the note has {further_lines(opened)}")
        if not self._has_signed(event, history):
            raise NoteUnverified("the log never signed it so")
        if event.size < (last := self._logs[history].last):
            raise NoteUnverified(f"{event.size} leaves, after {last}")
        if at < self._latest - CLOCKS_DIFFER_S:
            raise NoteUnverified(f"it was witnessed at {at} s, and one before it at {self._latest} s")
        self._latest = max(at, self._latest)
        return at


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
