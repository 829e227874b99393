"""Anchors: what was seen of this log before, by the auditor or by others, and has to stand in it still.

A signature says only that the log's key said so once; whoever holds that key can say something else today. What was kept from before is
what they cannot change.
"""

from collections.abc import Sequence

import msgspec

from reserve.audit.evidence import Evidence
from reserve.audit.hashes import Tree
from reserve.audit.logs import Logs
from reserve.audit.report import Check, Cut, Findings
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.fork import ForkProof, NoFork, prove_fork
from shared.proofs.signed_note import NoteMalformed, NoteUnverified


class Anchor(msgspec.Struct, frozen=True):
    """A checkpoint that somebody kept. `name`: where it is from. `leaf`: with its index, what a receipt says of it."""

    name: str
    note: str
    leaf: tuple[int, bytes] | None = None


class _Seen(msgspec.Struct, frozen=True):
    name: str
    note: str
    log: str  # its origin
    size: int
    root: str


class Anchors:
    """`logs`: of all histories."""

    def __init__(self, findings: Findings, logs: Logs, anchors: Sequence[Anchor]) -> None:
        self._findings = findings
        self._logs = logs
        self._keys = logs.keys
        self._seen: dict[tuple[str, int], list[_Seen]] = {}  # by log and size
        self._leaves: dict[tuple[str, int], list[tuple[str, bytes]]] = {}  # by log and index
        self._broken: list[_Seen] = []
        self.held = 0
        for anchor in anchors:
            self._take(anchor)

    def _take(self, anchor: Anchor) -> None:
        try:
            checkpoint = open_checkpoint(anchor.note, self._keys)
        except (NoteMalformed, NoteUnverified) as error:
            origins = ", ".join(key.name for key in self._keys)
            self._findings.look(Check.ANCHORS, False, anchor.name, f"it is of another log than {origins}: {error}")
            return
        seen = _Seen(anchor.name, anchor.note, checkpoint.origin, checkpoint.head.size, checkpoint.head.root.hex())
        self._seen.setdefault((seen.log, seen.size), []).append(seen)
        if anchor.leaf is not None:
            index, leaf = anchor.leaf
            self._leaves.setdefault((seen.log, index), []).append((anchor.name, leaf))

    def take_leaf(self, log: str, index: int, leaf: bytes) -> None:
        for name, seen in self._leaves.pop((log, index), ()):
            self._findings.look(Check.ANCHORS, seen == leaf, name, f"leaf {index} is another one now")

    def reach(self, log: str, tree: Tree) -> None:
        """The tree of this log has grown by a leaf."""
        for seen in self._seen.pop((log, tree.size), ()):
            what = f"the first {seen.size} leaves had root {seen.root}, and have {tree.root} now"
            if self._findings.look(Check.ANCHORS, seen.root == tree.root, seen.name, what):
                self.held += 1
            else:
                self._broken.append(seen)

    def finish(self, cut: Cut) -> None:
        ended = {log.key.name: log for log in self._logs.logs if log.end is not None}
        for (origin, size), group in sorted(self._seen.items()):
            what = f"the log had {size} leaves, and has {cut.size} now"
            if (log := ended.get(origin)) is not None and log.end is not None:
                kept = log.end.kept
                what = f"a new history begins after {kept} of its leaves: {size - kept} that were signed when it was kept are lost"
            for seen in group:
                self._findings.look(Check.ANCHORS, False, seen.name, what)

    async def fork(self, evidence: Evidence, served: str | None, cut: Cut) -> ForkProof | None:
        """What proves to anyone that the log's key signed two histories, if it did and the log shows what it has."""
        for seen in self._broken:
            log = next(each for each in self._logs.logs if each.key.name == seen.log)
            last, size, history = (served, cut.size, None) if log.end is None else (log.end.note, log.end.known.size, log.history)
            shown = None if last is None else await evidence.consistency(seen.size, size, history)
            if last is None or shown is None:
                continue
            fork = ForkProof(seen.note, last, shown)
            try:
                prove_fork(fork, self._keys)
            except NoFork:
                continue
            return fork
        return None
