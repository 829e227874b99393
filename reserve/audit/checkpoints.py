"""Checkpoints: what the ledger has signed, from its own journal, held against the leaves as they come.

There may be one for every leaf. So of each of them a row is kept on disk, and no more: the event itself, with its note and what it covers,
is checked as it is read.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.evidence import LEDGER, Recorded
from reserve.audit.hashes import Tree, canonical
from reserve.audit.logs import further_lines
from reserve.audit.report import Check, Cut, Findings
from reserve.audit.rows import Rows
from reserve.audit.tallies import SignedDays, Tallies
from reserve.audit.witnesses import Numbered, Witnesses
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.journal.places import FIRST, Place, history_of_origin
from shared.proofs.checkpoint import Checkpoint, open_checkpoint
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey

_LAYOUT = ">QQ32s32sI"  # size, position in the ledger's journal, root, hash of what it covers, shard of the journal


class _OfLog(msgspec.Struct):
    """`signed`: those that grow; `size` of the last. `next`: the number of the first that the leaves have not reached; `due`: its row, once
    it was looked for."""

    signed: Rows = msgspec.field(default_factory=lambda: Rows(_LAYOUT))
    size: int = 0
    next: int = 0
    due: tuple[Any, ...] | None = None


class Checkpoints:
    """`log_keys` are pinned, and so are `policies`, of who must have cosigned what is published. `served`: the note of the cut that is
    audited. `next`: of the log that is walked, the number of the first that the leaves have not reached."""

    def __init__(
        self, findings: Findings, log_keys: Sequence[VerifierKey], policies: Sequence[WitnessPolicy] = (), served: str | None = None
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._logs: defaultdict[int, _OfLog] = defaultdict(_OfLog)  # by history
        self._history = FIRST  # of the log that is walked
        self._walked = self._logs[FIRST]
        self.served = served
        self._opened = None if served is None else self._open("the served checkpoint", served)
        self._of_served: CheckpointSigned | None = None
        self._days = SignedDays()
        self.tallies = Tallies(findings, self._days)
        self.witnesses = Witnesses(findings, log_keys, policies, self.has_signed)

    @property
    def next(self) -> Numbered:
        return self._history, self._walked.next

    def see(self, record: Recorded, event: CheckpointSigned) -> None:
        look, place, log = self._findings.look, record.place(LEDGER), self._logs[record.history]
        note = self._open(place, event.note)
        if note is not None:
            own = history_of_origin(note.origin) == record.history
            look(Check.SIGNATURES, own, place, f"it is of {note.origin}, in history {record.history}")
            same = (note.head.size, note.head.root.hex()) == (event.size, event.root)
            look(Check.SIGNATURES, same, place, f"the note is of {note.head.size} leaves and root {note.head.root.hex()}")
        if look(Check.COVERED, event.size > log.size, place, f"{event.size} leaves, after {log.size}"):
            log.signed.append(event.size, record.position, _root(event.root), _digest(event.covers), record.shard)
            log.size = event.size
            self.witnesses.signed_at = record.recorded_at
            self._days.see(record, event.size)
        if self._opened is not None and (self._opened.head.size, self._opened.head.root.hex()) == (event.size, event.root):
            self._of_served = event

    @cached_property
    def cut(self) -> Cut:
        """The cut of the checkpoint that is served, once all are seen: its event says what it covers."""
        if self._opened is None:
            return Cut(0, Tree().root, {})
        head, event = self._opened.head, self._of_served
        if event is None:
            self._findings.look(Check.COVERED, False, "the served checkpoint", f"{head.size} leaves: the ledger never recorded it")
        return Cut(head.size, head.root.hex(), {} if event is None else event.covers)

    def begin(self, history: int) -> None:
        """The log of this history is walked from now on."""
        self._history, self._walked = history, self._logs[history]
        self.witnesses.begin(history)

    def reach(self, tree: Tree, covered: Mapping[str, int]) -> None:
        """The tree has grown by a leaf. `covered`: the positions of each shard that it, and those of the logs before it, hold."""
        log = self._walked
        if log.due is None and log.next < len(log.signed):
            log.due = log.signed[log.next]
        if log.due is None or log.due[0] != tree.size:
            return
        (_, position, root, covers, shard), log.due = log.due, None
        log.next += 1
        place = str(Place(LEDGER, shard, position, self._history))
        self._findings.look(Check.ROOTS, root.hex() == tree.root, place, f"the first {tree.size} leaves have root {tree.root}")
        self._findings.look(Check.COVERED, covers == _digest(covered), place, f"the leaves cover {dict(covered)}")

    def has_signed(self, event: CheckpointWitnessed, history: int) -> bool:
        """Whether the log of this history signed the same before."""
        signed = self._logs[history].signed
        index = bisect_left(range(len(signed)), event.size, key=lambda index: signed[index][0])
        for size, _, root, covers, _ in signed.between(index, min(index + 1, len(signed))):
            return (size, root, covers) == (event.size, _root(event.root), _digest(event.covers))
        return False

    def covers_since(self, number: Numbered, root: str) -> bool:
        """Whether a checkpoint has this root that the leaves have reached, but had not yet when `next` was `number`."""
        return any(
            row[2].hex() == root
            for history, log in self._logs.items()
            if history >= number[0]
            for row in log.signed.between(number[1] if history == number[0] else 0, log.next)
        )

    def _open(self, place: str, note: str) -> Checkpoint | None:
        try:
            opened = open_checkpoint(note, self._keys)
        except (NoteMalformed, NoteUnverified) as error:
            self._findings.look(Check.SIGNATURES, False, place, str(error))
            return None
        self._findings.look(Check.SIGNATURES, not opened.extensions, place, f"it has {further_lines(opened)}")
        return opened


def _root(text: str) -> bytes:
    """One that is not hex is the root of no tree."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _digest(covers: Mapping[str, int]) -> bytes:
    return sha256(canonical(dict(covers))).digest()
