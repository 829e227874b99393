"""Checkpoints: what the ledger has signed, from its own journal, held against the leaves as they come."""

from collections.abc import Mapping, Sequence

from reserve.audit.hashes import Tree
from reserve.audit.report import Check, Cut, Findings
from reserve.audit.witnesses import Witnesses
from services.ledger.events import CheckpointSigned
from shared.journal.places import history_of_origin
from shared.proofs.checkpoint import Checkpoint, open_checkpoint
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey


class Checkpoints:
    """`log_keys` are pinned, and so are `policies`, of who must have cosigned what is published."""

    def __init__(self, findings: Findings, log_keys: Sequence[VerifierKey], policies: Sequence[WitnessPolicy] = ()) -> None:
        self._findings = findings
        self._keys = log_keys
        self._signed: dict[int, list[tuple[str, CheckpointSigned]]] = {}  # by history
        self._next: dict[int, int] = {}  # by history: the first that the leaves have not reached
        self.by_root: dict[str, CheckpointSigned] = {}
        self.witnesses = Witnesses(findings, log_keys, policies, self.by_root)

    def see(self, place: str, event: CheckpointSigned, history: int) -> None:
        look = self._findings.look
        note = self._open(place, event.note)
        if note is not None:
            look(Check.SIGNATURES, history_of_origin(note.origin) == history, place, f"it is of {note.origin}, in history {history}")
            same = (note.head.size, note.head.root.hex()) == (event.size, event.root)
            look(Check.SIGNATURES, same, place, f"the note is of {note.head.size} leaves and root {note.head.root.hex()}")
        signed = self._signed.setdefault(history, [])
        before = signed[-1][1].size if signed else 0
        if look(Check.COVERED, event.size > before, place, f"{event.size} leaves, after {before}"):
            signed.append((place, event))
        self.by_root[event.root] = event

    def cut(self, note: str | None) -> Cut:
        """The cut of the checkpoint that is served: its event says what it covers."""
        served = None if note is None else self._open("the served checkpoint", note)
        if served is None:
            return Cut(0, Tree().root, {})
        event = self.by_root.get(served.head.root.hex())
        if event is None or event.size != served.head.size:
            self._findings.look(Check.COVERED, False, "the served checkpoint", f"{served.head.size} leaves: the ledger never recorded it")
            return Cut(served.head.size, served.head.root.hex(), {})
        return Cut(event.size, event.root, event.covers)

    def reach(self, tree: Tree, covered: Mapping[str, int], history: int) -> None:
        """The tree of this history's log has grown by a leaf. `covered`: the positions of each shard that it, and those before it, hold."""
        signed, reached = self._signed.get(history, []), self._next.get(history, 0)
        if reached == len(signed) or signed[reached][1].size != tree.size:
            return
        place, event = signed[reached]
        self._next[history] = reached + 1
        self._findings.look(Check.ROOTS, event.root == tree.root, place, f"the first {tree.size} leaves have root {tree.root}")
        self._findings.look(Check.COVERED, dict(event.covers) == dict(covered), place, f"the leaves cover {dict(covered)}")

    def _open(self, place: str, note: str) -> Checkpoint | None:
        try:
            opened = open_checkpoint(note, self._keys)
        except (NoteMalformed, NoteUnverified) as error:
            self._findings.look(Check.SIGNATURES, False, place, str(error))
            return None
        self._findings.look(Check.SIGNATURES, True, place, "")
        return opened
