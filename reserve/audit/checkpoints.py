"""Checkpoints: what the ledger has signed, from its own journal, held against the leaves as they come.

There may be one for every leaf. So of each of them a row is kept on disk, and no more: the event itself, with its note and what it covers,
is checked as it is read.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256

from reserve.audit.evidence import LEDGER
from reserve.audit.hashes import Tree, canonical
from reserve.audit.report import Check, Cut, Findings
from reserve.audit.rows import Rows
from reserve.audit.witnesses import Witnesses
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.proofs.checkpoint import Checkpoint, open_checkpoint
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey

_LAYOUT = ">QQ32s32sI"  # size, position in the ledger's journal, root, hash of what it covers, shard of the journal


class Checkpoints:
    """`log_keys` are pinned, and so are `policies`, of who must have cosigned what is published. `served`: the note of the cut that is
    audited. `next`: the number of the first that the leaves have not reached."""

    def __init__(
        self, findings: Findings, log_keys: Sequence[VerifierKey], policies: Sequence[WitnessPolicy] = (), served: str | None = None
    ) -> None:
        self._findings = findings
        self._keys = log_keys
        self._signed = Rows(_LAYOUT)  # those that grow
        self._size = 0  # of the last
        self.next = 0
        self._due: tuple[int, int, bytes, bytes, int] | None = None  # the row of the next
        self.served = served
        self._opened = None if served is None else self._open("the served checkpoint", served)
        self._of_served: CheckpointSigned | None = None
        self.witnesses = Witnesses(findings, log_keys, policies, self.has_signed)

    def see(self, shard: int, position: int, event: CheckpointSigned) -> None:
        look, place = self._findings.look, f"{LEDGER}/{shard}/{position}"
        note = self._open(place, event.note)
        if note is not None:
            same = (note.head.size, note.head.root.hex()) == (event.size, event.root)
            look(Check.SIGNATURES, same, place, f"the note is of {note.head.size} leaves and root {note.head.root.hex()}")
        if look(Check.COVERED, event.size > self._size, place, f"{event.size} leaves, after {self._size}"):
            self._signed.append(event.size, position, _root(event.root), _digest(event.covers), shard)
            self._size = event.size
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

    def reach(self, tree: Tree, covered: Mapping[str, int]) -> None:
        """The tree has grown by a leaf. `covered`: the positions of each shard that it holds."""
        if self._due is None and self.next < len(self._signed):
            self._due = self._signed[self.next]
        if self._due is None or self._due[0] != tree.size:
            return
        (_, position, root, covers, shard), self._due = self._due, None
        self.next += 1
        place = f"{LEDGER}/{shard}/{position}"
        self._findings.look(Check.ROOTS, root.hex() == tree.root, place, f"the first {tree.size} leaves have root {tree.root}")
        self._findings.look(Check.COVERED, covers == _digest(covered), place, f"the leaves cover {dict(covered)}")

    def has_signed(self, event: CheckpointWitnessed) -> bool:
        """Whether the log signed the same before."""
        index = bisect_left(range(len(self._signed)), event.size, key=lambda index: self._signed[index][0])
        for size, _, root, covers, _ in self._signed.between(index, min(index + 1, len(self._signed))):
            return (size, root, covers) == (event.size, _root(event.root), _digest(event.covers))
        return False

    def covers_since(self, number: int, root: str) -> bool:
        """Whether a checkpoint has this root that the leaves have reached, but had not yet when `next` was `number`."""
        return any(row[2].hex() == root for row in self._signed.between(number, self.next))

    def _open(self, place: str, note: str) -> Checkpoint | None:
        try:
            opened = open_checkpoint(note, self._keys)
        except (NoteMalformed, NoteUnverified) as error:
            self._findings.look(Check.SIGNATURES, False, place, str(error))
            return None
        self._findings.look(Check.SIGNATURES, True, place, "")
        return opened


def _root(text: str) -> bytes:
    """One that is not hex is the root of no tree."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _digest(covers: Mapping[str, int]) -> bytes:
    return sha256(canonical(dict(covers))).digest()
