"""History: the whole of it walked once, in the order of the ledger's log, and every check made on the way.

A leaf is matched with the next event of each shard, so the walk needs no memory of what it has passed, and the order within a shard is
checked by it. What is audited is the cut that the last checkpoint covers; the system may go on meanwhile.
"""

from collections.abc import Mapping, Sequence

from reserve.audit import hashes
from reserve.audit.anchors import Anchor, Anchors
from reserve.audit.approvers import instant
from reserve.audit.checkpoints import Checkpoints
from reserve.audit.entries import faults_of
from reserve.audit.evidence import SOURCES, Evidence, LedgerEntry
from reserve.audit.journals import Journal
from reserve.audit.lines import Line, one_by_one
from reserve.audit.log import Walked, read_ledger, report_on
from reserve.audit.logs import Log, Logs
from reserve.audit.meaning import Meaning, OfAService
from reserve.audit.pinned_keys import Pinned, PinnedKeys
from reserve.audit.report import Check, Findings, Report
from reserve.audit.texts import Texts
from shared.journal.places import FIRST
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import VerifierKey


async def audit(
    evidence: Evidence,
    log_keys: Sequence[VerifierKey],
    anchors: Sequence[Anchor] = (),
    policies: Sequence[WitnessPolicy] = (),
    pinned: Pinned = Pinned(),
) -> Report:
    """`log_keys` are the pinned verifier keys of the log, and of those of histories before; `policies` are of its pinned witnesses, any of
    them enough. `anchors`: what was kept of it from before. `pinned`: keys of those who sign, as known from elsewhere."""
    note = await evidence.checkpoint()
    texts = {service: await evidence.texts(service) for service in SOURCES}
    balances = await evidence.balances()
    recorded = await evidence.recorded()
    findings = Findings()
    logs = Logs(findings, await evidence.histories(), log_keys)
    checkpoints = Checkpoints(findings, logs.keys, policies, note)
    events = await read_ledger(evidence, findings, checkpoints, logs)
    cut = checkpoints.cut

    seen = Anchors(findings, logs, anchors)
    walk = _Walk(evidence, findings, checkpoints, seen, logs, (Texts(findings, texts), PinnedKeys(findings, pinned)))
    await walk.start()
    for log in logs.logs:
        await walk.follow_log(log, log.size_in(cut))
        if log.end is not None:
            await logs.ended(log, walk.tree, evidence)
    await walk.drain(cut.covers)
    walk.meaning.books.compare(balances, await walk.entries_until(recorded))
    if walk.meaning.unsettled:
        await walk.read_ahead()
    walk.finish()
    await walk.meaning.work_out(evidence)
    return await report_on(evidence, findings, checkpoints, seen, Walked(walk.tree, walk.heads, events + walk.events, logs.sizes_in(cut)))


class _Walk:
    def __init__(
        self, evidence: Evidence, findings: Findings, checkpoints: Checkpoints, seen: Anchors, logs: Logs, beside: Sequence[OfAService]
    ) -> None:
        self._evidence = evidence
        self._findings = findings
        self._checkpoints = checkpoints
        self._seen, self._logs = seen, logs
        self._journals = {service: Journal(service, findings, logs.histories) for service in SOURCES}
        self._lines: dict[str, Line] = {}
        self._by_leaf: dict[bytes, Line] = {}
        self._covered: dict[str, int] = {}
        self._entries = one_by_one(evidence.entries())
        self._entry: LedgerEntry | None = None  # the next
        self._forks: dict[str, tuple[str, str]] = {}  # line -> where it forks, and how
        self.meaning = Meaning(findings, checkpoints, logs, beside)
        self.tree, self._history = hashes.Tree(), FIRST  # of the log that is walked
        self.events, self.heads = 0, dict[str, int]()  # where the journals ended when the walk began

    async def start(self) -> None:
        for service in SOURCES:
            for shard, head in sorted((await self._evidence.heads(service)).items()):
                self.heads[f"{service}/{shard}"] = head
                line = Line(service, shard, self._evidence.journal(service, shard), self._journals[service])
                self._lines[line.name] = line
                await self._advance(line)
        self._entry = await anext(self._entries, None)

    async def follow_log(self, log: Log, size: int) -> None:
        """Its first leaves, so many."""
        self.tree, self._history, origin = hashes.Tree(), log.history, log.key.name
        self._checkpoints.begin(log.history)
        async for bundle in self._evidence.leaves(size, log.frozen):
            for leaf in bundle:
                if log.first is not None and self.tree.size == 0:
                    self._logs.begins(log, leaf)
                else:
                    await self._take_leaf(self.tree.size, leaf)
                self._seen.take_leaf(origin, self.tree.size, leaf)
                self.tree.add(leaf)
                self._checkpoints.reach(self.tree, self._covered)
                self._seen.reach(origin, self.tree)
            await self.meaning.work_out(self._evidence)
        self._findings.look(Check.LEAVES_HAVE_EVENTS, self.tree.size == size, f"leaf {self.tree.size}", f"{size} leaves were signed")

    async def drain(self, covers: Mapping[str, int]) -> None:
        """Events that the cut covers, and that no leaf has opened."""
        for name in sorted(covers.keys() | self._lines.keys()):
            line, upto = self._lines.get(name), covers.get(name, 0)
            while line is not None and line.next is not None and line.next.position <= upto:
                await self._take(line, None, "it has no leaf")
            read = 0 if line is None else self._journals[line.service].end(line.shard)
            place = self._logs.place(name, upto)
            self._findings.look(Check.EVENTS_IN_LOG, read >= upto, place, f"is covered, and the journal ends at {read}")
        self.meaning.order.end_cut((line.service, instant(line.next)) for line in self._lines.values() if line.next is not None)

    def finish(self) -> None:
        self.meaning.finish()
        for name in self._lines:
            place, what = self._forks.get(name, (name, ""))
            self._findings.look(Check.FORKS, not what, place, what)

    async def entries_until(self, recorded: Mapping[str, int]) -> list[LedgerEntry]:
        """The entries after the cut, as far as balances may have been read with them."""
        missing = {name for name, position in recorded.items() if self._covered.get(name, 0) < position}
        later: list[LedgerEntry] = []
        while missing and self._entry is not None:
            later.append(self._entry)
            if self._entry.position >= recorded.get(self._entry.line, 0):
                missing.discard(self._entry.line)
            self._entry = await anext(self._entries, None)
        for name in sorted(missing):
            self._findings.look(Check.ENTRIES, False, f"{name}/{recorded[name]}", "is said to be entered, and there is no entry of it")
        return later

    async def read_ahead(self) -> None:
        """The cut holds all that the ledger had taken; of one source it may have taken more than of another, which caused it."""
        for line in self._lines.values():
            while line.service in ("allocation", "loans") and line.next is not None:
                await self._pass(line, None)

    async def _take_leaf(self, index: int, leaf: bytes) -> None:
        entry = await self._entry_of(index)
        if (line := self._by_leaf.get(leaf)) is not None:
            await self._take(line, entry, None)
            self._findings.look(Check.LEAVES_HAVE_EVENTS, True, f"leaf {index}", "")
            return
        # The entry tells where an event ought to be, which is worth nothing but to find the next one that fits.
        line = None if entry is None else self._lines.get(entry.line)
        if line is None or entry is None or line.next is None or entry.position < line.next.position:
            self._fork(entry, leaf)
            self._findings.look(Check.LEAVES_HAVE_EVENTS, False, f"leaf {index}", "no event opens it")
            return
        while line.next is not None and line.next.position < entry.position:
            await self._take(line, None, "it has no leaf")
        if line.next is None or line.next.position != entry.position:
            self._fork(entry, leaf)
            self._findings.look(Check.LEAVES_HAVE_EVENTS, False, f"leaf {index}", f"its event, {entry.place}, is not in the journal")
            return
        if not (fits := line.leaf == leaf):
            self._fork(entry, leaf)
        self._findings.look(Check.LEAVES_HAVE_EVENTS, fits, f"leaf {index}", f"{entry.place} is another event than was entered")
        await self._take(line, entry, None if fits else "its leaf is of another event")

    def _fork(self, entry: LedgerEntry | None, leaf: bytes) -> None:
        """The journal does not have the leaf's event. If the entry opens the leaf, the log did take it from that journal."""
        if entry is None or entry.line in self._forks or hashes.leaf_of(entry.place, entry) != leaf:
            return
        line = self._lines.get(entry.line)
        if line is None or line.next is None:
            what = f"the journal ends before it: it was restored to the past (`reserve journal recover {entry.line.partition('/')[0]}`)"
        else:
            what = f"the log holds another event here, {entry.event_hash}: from here on the journal is another history"
        self._forks[entry.line] = (entry.place, what)

    async def _entry_of(self, index: int) -> LedgerEntry | None:
        here = self._history, index
        while self._entry is not None and (self._entry.history, self._entry.leaf_index) < here:
            self._findings.look(Check.ENTRIES, False, f"leaf {self._entry.leaf_index}", "has two entries, or they are not in order")
            self._entry = await anext(self._entries, None)
        if self._entry is None or (self._entry.history, self._entry.leaf_index) > here:
            self._findings.look(Check.ENTRIES, False, f"leaf {index}", "the ledger has no entry for it")
            return None
        entry, self._entry = self._entry, await anext(self._entries, None)
        return entry

    async def _take(self, line: Line, entry: LedgerEntry | None, fault: str | None) -> None:
        """The line's next event, which the cut covers."""
        record = line.next
        assert record is not None
        place = record.place(line.service)
        self._findings.look(Check.EVENTS_IN_LOG, fault is None, place, fault or "")
        self._covered[line.name] = record.position
        if fault is None:
            self._checkpoints.witnesses.take_leaf(self.tree.size, line.service, record)
        if entry is not None:
            faults = list(faults_of(entry, line.service, record))
            self._findings.look(Check.ENTRIES, not faults, f"leaf {entry.leaf_index}", "; ".join(faults))
        await self._pass(line, entry)

    async def _pass(self, line: Line, entry: LedgerEntry | None) -> None:
        """The line's next event, through all checks of the event itself."""
        record = line.next
        assert record is not None
        place = record.place(line.service)
        self.events += 1
        event = self._journals[line.service].follow(line.shard, record)
        await self._advance(line)
        if event is None:
            return
        try:
            self.meaning.see(line.service, place, record, event, entry)
        except Exception as error:  # noqa: BLE001  what was changed may be anything, and no check is made for all of that
            self._findings.look(Check.SHAPES, False, place, f"cannot be followed by the checks of its meaning: {error!r}")

    async def _advance(self, line: Line) -> None:
        self._by_leaf.pop(line.leaf, None)
        await line.advance()
        if line.next is not None:
            self._by_leaf[line.leaf] = line
