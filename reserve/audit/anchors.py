"""Anchors: what was seen of this log before, by the auditor or by others, and has to stand in it still.

A signature says only that the log's key said so once; whoever holds that key can say something else today. What was kept from before is
what they cannot change.
"""

from collections.abc import Iterator, Sequence

import msgspec

from reserve.audit.evidence import Evidence
from reserve.audit.hashes import Tree
from reserve.audit.logs import Log, LogEnd, Logs, further_lines
from reserve.audit.report import Check, Cut, Findings
from shared.proofs.checkpoint import TreeHead, open_checkpoint
from shared.proofs.encoding import decode_base64
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
    audited: bool  # kept by an audit, and no receipt

    @property
    def head(self) -> TreeHead:
        return TreeHead(self.size, bytes.fromhex(self.root))


class _Two(msgspec.Struct, frozen=True):
    """Two notes of one log, that may not both be true: of its first `old_size` leaves, and of so many. `history`: None where it goes on."""

    old: str | None
    old_size: int
    new: str | None
    size: int
    history: int | None = None


class Anchors:
    """`logs`: of all histories."""

    def __init__(self, findings: Findings, logs: Logs, anchors: Sequence[Anchor]) -> None:
        self._findings = findings
        self._logs = logs
        self._keys = logs.keys
        self._seen: dict[tuple[str, int], list[_Seen]] = {}  # by log and size
        self._leaves: dict[tuple[str, int], list[tuple[str, bytes]]] = {}  # by log and index
        self._broken: list[_Seen] = []
        self._held_upto: dict[str, int] = {}  # leaves, by log
        self._audited: dict[str, int] = {}  # the same, of what audits kept
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
        what = f"the log's key signed it with {further_lines(checkpoint)}"
        self._findings.look(Check.ANCHORS, not checkpoint.extensions, anchor.name, what)
        seen = _Seen(anchor.name, anchor.note, checkpoint.origin, checkpoint.head.size, checkpoint.head.root.hex(), anchor.leaf is None)
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
                self._held_upto[log] = seen.size
                if seen.audited:
                    self._audited[log] = seen.size
            else:
                self._broken.append(seen)

    @property
    def audited(self) -> dict[int, int]:
        """By history: how many leaves of its log an audit before has kept a checkpoint of, which holds."""
        return {log.history: self._audited.get(log.key.name, 0) for log in self._logs.logs}

    async def finish(self, evidence: Evidence, cut: Cut) -> None:
        """The logs are walked: what is left was seen of more leaves than they have."""
        logs = {log.key.name: log for log in self._logs.logs}
        for (origin, size), group in sorted(self._seen.items()):
            log = logs.get(origin)
            for seen in group:
                if log is None:
                    what = f"{origin} had {size} leaves, and no such log is served"
                elif log.end is None:
                    what = f"the log had {size} leaves, and has {cut.size} now"
                else:
                    what = await self._beyond(seen, log, log.end, evidence)
                self._findings.look(Check.ANCHORS, False, seen.name, what)

    async def _beyond(self, seen: _Seen, log: Log, end: LogEnd, evidence: Evidence) -> str:
        """What is wrong with it: some of the leaves that it was signed over are lost. Those that are kept have to come before them."""
        lost = f"a new history begins after {end.kept} of its leaves: {seen.size - end.kept} that were signed when it was kept are lost"
        if not end.kept:
            return lost
        shown = await evidence.consistency(end.kept, seen.size, log.history)
        if shown is None:
            upto = self._held_upto.get(seen.log, 0)
            before = f" (the first {upto} are as they were seen)" if upto else ""
            return f"{lost}, and nothing shows that the {end.kept} which are kept are those that it was signed over{before}"
        if shown.old_size != end.kept or not shown.holds(seen.head):
            self._broken.append(seen)
            return f"the first {seen.size} leaves had root {seen.root}, and what is shown of them is of another tree"
        if decode_base64(shown.old_root).hex() != end.root:
            self._broken.append(seen)
            return f"the first {end.kept} leaves, which a new history has kept, are others than those that it was signed over"
        return lost

    async def fork(self, evidence: Evidence, served: str | None, cut: Cut) -> ForkProof | None:
        """What proves to anyone that the log's key signed two histories, if it did and the log shows what it has."""
        for seen in self._broken:
            for two in self._pairs(seen, served, cut):
                if two.old is None or two.new is None or two.old_size > two.size:
                    continue
                shown = await evidence.consistency(two.old_size, two.size, two.history)
                if shown is None:
                    continue
                fork = ForkProof(two.old, two.new, shown)
                try:
                    prove_fork(fork, self._keys)
                except NoFork:
                    continue
                return fork
        return None

    def _pairs(self, seen: _Seen, served: str | None, cut: Cut) -> Iterator[_Two]:
        log = next(each for each in self._logs.logs if each.key.name == seen.log)
        if (end := log.end) is None:
            yield _Two(seen.note, seen.size, served, cut.size)
            return
        yield _Two(seen.note, seen.size, end.note, end.known.size, log.history)
        yield _Two(seen.note, seen.size, end.kept_note, end.kept, log.history)  # also where the tiles of what is lost are gone
        yield _Two(end.kept_note, end.kept, seen.note, seen.size, log.history)
