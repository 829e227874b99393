"""Integrity: that nothing was changed since it was recorded and signed. Hashes, chains, numbers, the tree, its checkpoints, and what others
have seen of them; nothing of what the events mean, and nothing of the ledger's books.

Shards are followed side by side (`shards.py`). Here they meet: each leaf of the log is the next event of one of them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from reserve.audit.anchors import Anchor, Anchors
from reserve.audit.checkpoints import Checkpoints
from reserve.audit.evidence import SOURCES, Evidence
from reserve.audit.hashes import Tree
from reserve.audit.log import Walked, read_ledger, report_on
from reserve.audit.logs import Log, Logs
from reserve.audit.reach import Dated
from reserve.audit.report import Check, Findings, Report
from reserve.audit.shards import Follow, Followed, Page, Shard
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import VerifierKey
from shared.terms.reach import LogReachReported

CHECKS = (
    *(Check.POSITIONS, Check.SHAPES, Check.EVENT_HASHES, Check.CHAINS, Check.TIMES, Check.STREAMS, Check.PARTNER_SEQUENCES),
    *(Check.EVENTS_IN_LOG, Check.LEAVES_HAVE_EVENTS, Check.ROOTS, Check.SIGNATURES, Check.COVERED),
    *(Check.WITNESSED, Check.WITNESSED_TIMES, Check.HISTORIES, Check.ANCHORS),
)

LOOKED_AHEAD = 1000  # events of a shard, in search of the one that a leaf is of: where so many are gone, none after them is found

type Following = Callable[[Sequence[Shard]], AbstractContextManager[Follow]]


async def audit_integrity(
    evidence: Evidence,
    following: Following,
    log_keys: Sequence[VerifierKey],
    anchors: Sequence[Anchor] = (),
    policies: Sequence[WitnessPolicy] = (),
) -> Report:
    """`following`: how shards are followed. The rest is as of `audit`."""
    findings = Findings()
    note = await evidence.checkpoint()
    logs = Logs(findings, await evidence.histories(), log_keys)
    checkpoints = Checkpoints(findings, logs.keys, policies, note)
    events = await read_ledger(evidence, findings, checkpoints, logs)
    cut = checkpoints.cut
    seen = Anchors(findings, logs, anchors)
    sizes = logs.sizes_in(cut)
    heads = {(service, number): head for service in SOURCES for number, head in sorted((await evidence.heads(service)).items())}
    covers = cut.covers or {f"{service}/{number}": head for (service, number), head in heads.items() if any(sizes.values())}
    shards = [Shard(service, number, covers.get(f"{service}/{number}", 0), logs.histories) for service, number in heads]
    covered = [shard for shard in shards if shard.upto]
    with following(covered) as follow:
        walk = _Walk(findings, checkpoints, seen, logs, {shard.name: _Line(shard, follow(shard)) for shard in covered})
        await walk.start()
        for log in logs.logs:
            await walk.follow_log(log, evidence.leaves(sizes[log.history], log.frozen), sizes[log.history])
            if log.end is not None:
                await logs.ended(log, walk.tree, evidence)
        await walk.drain(cut.covers)
    walk.finish()
    by_name = {f"{service}/{number}": head for (service, number), head in heads.items()}
    return await report_on(evidence, findings, checkpoints, seen, Walked(walk.tree, by_name, events + walk.events, sizes), CHECKS)


class _Line:
    """A shard, as far as it is read: `leaves` from `next` on are those that the log has to have."""

    def __init__(self, shard: Shard, pages: AsyncIterator[Page | Followed]) -> None:
        self.shard = shard
        self.name = shard.name
        self.leaves: list[bytes] = []
        self.positions: list[int] = []
        self.recorded_at: list[str] = []
        self.said: dict[int, LogReachReported] = {}
        self.next = 0
        self.ended: Followed | None = None
        self._pages = pages
        self._numbers: dict[bytes, int] = {}  # of the leaves, once one was looked for

    @property
    def leaf(self) -> bytes | None:
        return self.leaves[self.next] if self.next < len(self.leaves) else None

    @property
    def ahead(self) -> int:
        return len(self.leaves) - self.next

    async def read(self) -> None:
        """The next page, behind what is left of this one."""
        if self.ended is not None:
            return
        found = await anext(self._pages)
        if isinstance(found, Followed):
            self.ended = found
            return
        self.leaves = self.leaves[self.next :] + found.leaves
        self.positions = self.positions[self.next :] + found.positions
        self.recorded_at = self.recorded_at[self.next :] + found.recorded_at
        self.said |= found.said
        self.next = 0
        self._numbers.clear()

    def find(self, leaf: bytes) -> int | None:
        """Its number among those that are read, if it comes later."""
        if not self._numbers:
            self._numbers = {leaf: number for number, leaf in enumerate(self.leaves)}
        number = self._numbers.get(leaf)
        return number if number is not None and number >= self.next else None


class _Walk:
    def __init__(self, findings: Findings, checkpoints: Checkpoints, seen: Anchors, logs: Logs, lines: Mapping[str, _Line]) -> None:
        self._findings = findings
        self._checkpoints = checkpoints
        self._seen = seen
        self._logs = logs
        self._lines = lines
        self._by_leaf: dict[bytes, _Line] = {}
        self._covered: dict[str, int] = {}
        self._opened = 0
        self.tree = Tree()  # of the log that is walked
        self.events = 0

    async def start(self) -> None:
        for line in self._lines.values():
            await line.read()
            await self._show(line)

    async def follow_log(self, log: Log, bundles: AsyncIterator[Sequence[bytes]], size: int) -> None:
        """Its first leaves, so many."""
        self.tree, first = Tree(), log.first
        self._checkpoints.begin(log.history)
        async for leaves in bundles:
            if first is not None:
                self._logs.begins(log, leaves[0])
                self._grow(log, leaves[0])
                leaves, first = leaves[1:], None
            await self._follow(log, leaves)
        self._findings.look(Check.LEAVES_HAVE_EVENTS, self.tree.size == size, f"leaf {self.tree.size}", f"{size} leaves were signed")

    async def _follow(self, log: Log, leaves: Sequence[bytes]) -> None:
        by_leaf, tree, witnesses = self._by_leaf, self.tree, self._checkpoints.witnesses
        for leaf in leaves:
            line = by_leaf.pop(leaf, None) or await self._find(leaf)
            if line is None:
                self._findings.look(Check.LEAVES_HAVE_EVENTS, False, f"leaf {tree.size}", "no event opens it")
            else:
                self._covered[line.name] = line.positions[line.next]
                if witnesses:
                    witnesses.take_leaf(tree.size, line.shard.service, self._dated(line))
                if line.said:
                    self._hear(line)
                self._opened += 1
                line.next += 1
                if line.next == len(line.leaves):
                    await self._show(line)
                else:
                    by_leaf[line.leaves[line.next]] = line
            self._grow(log, leaf)

    def _grow(self, log: Log, leaf: bytes) -> None:
        origin = log.key.name
        self._seen.take_leaf(origin, self.tree.size, leaf)
        self.tree.add(leaf)
        self._checkpoints.reach(self.tree, self._covered)
        self._seen.reach(origin, self.tree)

    def _dated(self, line: _Line) -> Dated:
        shard, position = line.shard, line.positions[line.next]
        history = self._logs.histories.at(shard.service, shard.number, position)
        return Dated(shard.number, position, line.recorded_at[line.next], history)

    def _hear(self, line: _Line) -> None:
        """What the service says of the log's reach in the line's next event, if it does."""
        if (said := line.said.pop(line.positions[line.next], None)) is not None:
            dated, service = self._dated(line), line.shard.service
            self._checkpoints.witnesses.reach.see(service, dated.place(service), dated, said)

    async def drain(self, covers: Mapping[str, int]) -> None:
        """Events that the cut covers, and that no leaf has opened."""
        for name, upto in sorted(covers.items()):
            line = self._lines.get(name)
            while line is not None and line.leaf is not None:
                self._pass_over(line)
                await self._show(line)
            read = 0 if line is None or line.ended is None else line.ended.end
            self._findings.look(
                Check.EVENTS_IN_LOG, read >= upto, self._logs.place(name, upto), f"is covered, and the journal ends at {read}"
            )
        for line in self._lines.values():
            while line.ended is None:  # nothing says what is covered
                line.next = len(line.leaves)
                await line.read()

    def finish(self) -> None:
        self._findings.looked(Check.EVENTS_IN_LOG, self._opened)
        self._findings.looked(Check.LEAVES_HAVE_EVENTS, self._opened)
        self._checkpoints.witnesses.finish()
        homes: dict[tuple[str, str], str] = {}
        for line in self._lines.values():
            assert line.ended is not None, "a line is read to its end"
            self.events += line.ended.events
            self._findings.add(line.ended.findings)
            for stream in line.ended.streams:
                home = homes.setdefault((line.shard.service, stream), line.name)
                if home != line.name:
                    self._findings.fail(Check.STREAMS, line.name, f"{stream} is in {home} too")

    def _pass_over(self, line: _Line) -> None:
        place = self._logs.place(line.name, line.positions[line.next])
        self._findings.look(Check.EVENTS_IN_LOG, False, place, "it has no leaf")
        self._hear(line)
        self._by_leaf.pop(line.leaves[line.next], None)
        self._covered[line.name] = line.positions[line.next]
        line.next += 1

    async def _show(self, line: _Line) -> None:
        """Its next leaf is looked for from now on."""
        while line.leaf is None and line.ended is None:
            await line.read()
        if line.leaf is not None:
            self._by_leaf[line.leaf] = line

    async def _find(self, leaf: bytes) -> _Line | None:
        """The line that has it a little later: what comes before has no leaf."""
        for line in self._lines.values():
            if line.ahead < LOOKED_AHEAD:
                await line.read()
            if (number := line.find(leaf)) is not None:
                while line.next < number:
                    self._pass_over(line)
                return line
        return None
