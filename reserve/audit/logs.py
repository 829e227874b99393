"""Logs: one a history. A restore of everything ends one, and begins another, under another key, whose first leaf says where that one ended.

What the commitment says is held against the leaves of both, and against what each journal has of either. What the old log had signed beyond
the end is lost: it is said, and never taken for a fork, which is two trees under one key.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from reserve.audit.evidence import Evidence, LogOfHistory
from reserve.audit.hashes import Tree
from reserve.audit.report import Check, Cut, Findings
from shared.journal.places import Began, Histories
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.history import Commitment, NoCommitment, read_commitment
from shared.proofs.merkle import EMPTY_TREE
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey, parse_verifier_key


class LogEnd(msgspec.Struct, frozen=True):
    """Of a log of a history before: how many of its leaves the next one has, with the root and the note that was signed of them, and its
    last known checkpoint."""

    kept: int
    root: str
    known: TreeHead
    note: str | None = None
    kept_note: str | None = None

    @property
    def lost(self) -> int:
        return self.known.size - self.kept


class Log(msgspec.Struct, frozen=True):
    """`first`: its leaf 0 as it has to be, where a history was before it. `end`: None of the log that goes on."""

    history: int
    key: VerifierKey
    first: bytes | None
    end: LogEnd | None

    @property
    def frozen(self) -> int | None:
        """Its history, as evidence is asked for it; None of the log that goes on."""
        return None if self.end is None else self.history

    def size_in(self, cut: Cut) -> int:
        """How many of its leaves are audited."""
        return cut.size if self.end is None else self.end.kept


class Logs:
    """`keys`: those that are pinned and, of the logs before one of these, those that its commitment names. `logs`: in order; the last one
    goes on."""

    def __init__(self, findings: Findings, told: Sequence[LogOfHistory], pinned: Sequence[VerifierKey]) -> None:
        self._findings = findings
        self._commitments: dict[int, Commitment] = {}
        self.logs: list[Log] = []
        self.keys: list[VerifierKey] = list(pinned)
        end: LogEnd | None = None
        for before, log in reversed([*pairwise([None, *told])]):
            assert log is not None, "only what comes before the first is none"
            key = _key_of(log.key)
            found = self._take(log, end, key)
            end = None if found is None else self._end_before(found)
            self._goes_on(log, found, before)
        self.logs.reverse()
        findings.look(Check.HISTORIES, bool(told), "the log", "none is served")
        served = [log.key for log in self.logs]
        for each in pinned:
            what = f"its key is pinned, and it is not served: what was signed with {each} is lost, or kept back"
            findings.look(Check.HISTORIES, each in served, f"the log {each.name}", what)
        rows = [
            Began(each.history, *_line_of(line), position + 1)
            for each in self._commitments.values()
            for line, position in each.ends.items()
        ]
        self.histories = Histories(rows)

    def sizes_in(self, cut: Cut) -> dict[int, int]:
        """By history: how many leaves of its log are audited."""
        return {log.history: log.size_in(cut) for log in self.logs}

    def place(self, line: str, position: int) -> str:
        """`line`: "inventory/0"."""
        return str(self.histories.place(*_line_of(line), position))

    def _take(self, log: LogOfHistory, end: LogEnd | None, key: VerifierKey | None) -> Commitment | None:
        """The log, and the commitment that it begins with."""
        place = f"history {log.history}"
        look = self._findings.look
        found = None
        if log.commitment is not None:
            try:
                found = read_commitment(log.commitment.encode())
            except NoCommitment as error:
                look(Check.HISTORIES, False, place, str(error))
            else:
                same = (found.history, found.key) == (log.history, log.key)
                look(Check.HISTORIES, same, place, "its log begins with the commitment of another one")
        if key is None:
            look(Check.HISTORIES, False, place, "its log has no key that can be read")
            return None
        self.logs.append(Log(log.history, key, None if log.commitment is None else log.commitment.encode(), end))
        if key not in self.keys:
            look(Check.HISTORIES, False, place, _not_pinned(log, found))
        elif found is not None:
            self._commitments[log.history] = found
            if (before := _key_of(found.before.key)) is not None and before not in self.keys:
                self.keys.append(before)
        return found

    def _goes_on(self, log: LogOfHistory, found: Commitment | None, before: LogOfHistory | None) -> None:
        """Whether it commits to the one that is served as the one before it."""
        if found is None and before is None:
            return
        said = None if found is None else (found.before.history, found.before.key)
        served = None if before is None else (before.history, before.key)
        what = f"it goes on from {_name(said)}, and what is served before it is {_name(served)}"
        self._findings.look(Check.HISTORIES, said == served, f"history {log.history}", what)
        if before is not None and log.history != before.history + 1:
            what = f"it comes after history {before.history}: what was signed of any between the two is lost, and nothing here shows it"
            self._findings.list_it(Check.HISTORIES, f"history {log.history}", what)

    def _end_before(self, commitment: Commitment) -> LogEnd:
        before, place = commitment.before, f"history {commitment.history}"
        if before.checkpoint is None:
            self._findings.look(Check.HISTORIES, before.kept == 0, place, f"{before.kept} leaves are kept of a log that had signed nothing")
            return LogEnd(before.kept, Tree().root, EMPTY_TREE)
        keys = [key for key in (_key_of(before.key),) if key is not None]
        try:
            known = open_checkpoint(before.checkpoint, keys).head
            kept = EMPTY_TREE if before.kept_checkpoint is None else open_checkpoint(before.kept_checkpoint, keys).head
        except (NoteMalformed, NoteUnverified) as error:
            self._findings.look(Check.HISTORIES, False, place, f"a checkpoint of history {before.history} is not its log's: {error}")
            return LogEnd(before.kept, "unknown", EMPTY_TREE)
        fine = before.kept == kept.size <= known.size
        self._findings.look(Check.HISTORIES, fine, place, f"{before.kept} leaves, signed as {kept.size}, are kept of {known.size}")
        return LogEnd(before.kept, kept.root.hex(), known, before.checkpoint, before.kept_checkpoint)

    def begins(self, log: Log, leaf: bytes) -> None:
        """The first leaf of a log that commits to another."""
        self._findings.look(Check.HISTORIES, leaf == log.first, f"history {log.history}", "leaf 0 of its log is another commitment")

    async def ended(self, log: Log, tree: Tree, evidence: Evidence) -> None:
        """A log of a history before, once its leaves that are kept are walked: its last known checkpoint goes on from these."""
        assert log.end is not None
        place, end, look = f"history {log.history}", log.end, self._findings.look
        look(Check.HISTORIES, tree.root == end.root, place, f"its first {end.kept} leaves, which are kept, have root {tree.root}")
        if end.lost <= 0:
            look(Check.HISTORIES, end.note is None or end.known.root.hex() == end.root, place, "its last checkpoint is of another tree")
            self._findings.list_it(Check.HISTORIES, place, f"it ended with {end.kept} leaves, all of which are in the next one")
            return
        what = f"it ended with {end.known.size} leaves, of which the next history has {end.kept}: {end.lost} that it had signed are lost"
        self._findings.list_it(Check.HISTORIES, place, what)
        shown = await evidence.consistency(end.kept, end.known.size, log.history) if end.kept else None
        if shown is None:
            self._findings.list_it(Check.HISTORIES, place, "nothing shows the lost leaves, or that the kept ones come before them")
            return
        fine = shown.old_size == end.kept and shown.holds(end.known) and shown.old_root == encode_base64(bytes.fromhex(tree.root))
        look(Check.HISTORIES, fine, place, f"its last checkpoint does not go on from the {end.kept} leaves that are kept")


def _not_pinned(log: LogOfHistory, commitment: Commitment | None) -> str:
    if commitment is None:
        return f"its log has a key that is not pinned: {log.key}"
    before = commitment.before
    return (
        f"it is a new history, under a key that is not pinned: {log.key}. It says that it goes on from the first {before.kept} leaves of "
        f"history {before.history}. Pin that key as well (--key) once it has reached you by another way than this"
    )


def further_lines(checkpoint: Checkpoint) -> str:
    """What is wrong with a checkpoint that has some."""
    return f"lines that no log of ours writes: {', '.join(map(repr, checkpoint.extensions))}"


def _name(log: tuple[int, str] | None) -> str:
    return "no log" if log is None else f"history {log[0]} under {log[1]}"


def _key_of(text: str) -> VerifierKey | None:
    try:
        return parse_verifier_key(text)
    except NoteMalformed:
        return None


def _line_of(line: str) -> tuple[str, int]:
    source, _, shard = line.partition("/")
    return source, int(shard) if shard.isdecimal() else -1
