"""Log: brings committed entries into the tree, signs checkpoints, makes receipts.

The order that a crash may interrupt anywhere: entries are committed (by the inbox), their tiles are durable, then one event records the
signed checkpoint and, in its transaction, the row that is served. Starting again repeats what was cut off, and writes the same bytes. The
tree is never signed below what the tiles hold: a database restored to the past waits until its sources have filled it again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256

import msgspec
import structlog
from prometheus_client import Gauge

from services.ledger.domain.log import RecordCheckpoint, stream_of
from services.ledger.events import CheckpointSigned
from services.ledger.histories import Logs, read_logs, tiles_of
from services.ledger.keys import open_key
from services.ledger.receipt import Grade, Opening, make_receipt
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import ForkDetected, TileMissing, TileStore
from shared.clock import day_of
from shared.delivery.pace import Pace
from shared.journal.connection import Connection, reachable
from shared.journal.decider import Refused
from shared.journal.leads import leading
from shared.journal.places import Place, in_history
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel, Part
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.fork import Consistency, consistency
from shared.proofs.merkle import EMPTY_TREE, consistency_proof, inclusion_proof, root_at
from shared.writer.commands import CommandFailed, Context, Overloaded, Refusal, Unavailable

log = structlog.get_logger()

signed_size = Gauge("reserve_ledger_signed_leaves", "Leaves that the last checkpoint covers")

BATCH = 4096  # leaves that one checkpoint adds at most
SIGN_EVERY_SECONDS = 0.01  # under load, the entries of so long a time get one checkpoint
MANY, MANY_EVERY_SECONDS = 50, 0.1  # where so many come at once, the rest of them is on its way
ELSEWHERE_SECONDS = 0.2  # how often it looks for what another process of the ledger has done; its own news it hears at once
TILES_MISSING_SECONDS = 1.0  # until it looks whether they were made anew
ACTOR = "service:ledger"

_LAST = "SELECT size, root, covers, note FROM checkpoints ORDER BY size DESC LIMIT 1"
# With the first checkpoint that covers it, so that the receipt of an event is always the same text.
_ENTRY = """
    SELECT leaf_index, partner, salt, event_hash, hashed, first.note, first.size
    FROM entries LEFT JOIN LATERAL ({first}) AS first ON true
    WHERE source = $1 AND shard = $2 AND position = $3"""
_ENTRY_OF = {
    Grade.SIGNED: _ENTRY.format(first="SELECT note, size FROM checkpoints WHERE size > leaf_index ORDER BY size LIMIT 1"),
    Grade.WITNESSED: _ENTRY.format(first="SELECT note, size FROM witnessed WHERE size > leaf_index ORDER BY size, position LIMIT 1"),
}
_NEXT_ENTRIES = "SELECT leaf, source, shard, position, correlation_id FROM entries WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2"


class AnotherSigned(Exception):
    """Another process has recorded a checkpoint at least as large."""


class Signed(msgspec.Struct, frozen=True):
    """The last checkpoint: the tree, and what it covers: "inventory/0" -> position."""

    head: TreeHead = EMPTY_TREE
    covers: dict[str, int] = {}
    note: str = ""  # as it is served


class LogEntry(msgspec.Struct, frozen=True):
    """A recorded event, and the first checkpoint of a grade that covers it, if there is one yet."""

    history: int  # of its log
    index: int
    partner: str | None
    salt: bytes
    event_hash: bytes
    hashed: bytes
    checkpoint: tuple[str, int] | None  # its note, and the leaves that it covers


class Log(Part):
    """The log as this process sees it. One process signs (an advisory lock); the others see what it has signed."""

    def __init__(self, kernel: Kernel) -> None:
        """Raises KeyUnsafe, FileNotFoundError when the log's key is not there."""
        super().__init__(kernel)
        self.key, self._signer = open_key(kernel.settings.data_dir)
        self.store = TileStore(tiles_of(kernel.settings.data_dir))
        self.signed = Signed()
        self.grown = asyncio.Condition()  # notified when a larger checkpoint is out
        self.leads = False  # this process signs, and has signed what its tiles hold
        self.before_signing: Callable[[], Awaitable[None]] | None = None  # raises ForkDetected where others hold another log
        self._disputed: str | None = None
        self._logs: Logs | None = None

    async def logs(self) -> Logs:
        """Of all histories."""
        if self._logs is None:
            with reachable():
                async with self.kernel.pool.acquire() as connection:
                    self._logs = await read_logs(connection, self.kernel.settings.data_dir)
        return self._logs

    async def run(self) -> None:
        while True:
            try:
                async with leading(self.kernel.pool, "log/ledger") as connection:
                    if connection is not None:
                        await self._lead(connection)
                with reachable():
                    async with self.kernel.pool.acquire() as connection:
                        await self._grow(await _last(connection, (await self.logs()).shift))
            except TileMissing as error:
                # What was signed is in the database: its tiles can be made anew. Until then nothing is signed.
                self.kernel.writer.refuse(Refusal.TILES_MISSING, f"make the log's tiles anew (reserve journal tiles): {error}")
                log.error("tiles_missing", error=repr(error))
                await asyncio.sleep(TILES_MISSING_SECONDS)
            except ForkDetected as error:
                # Another tree was written down, and perhaps signed. What is recorded goes on being recorded; nothing more is signed.
                self.kernel.writer.refuse(Refusal.LOG_FORKED, f"the log is not the one that its tiles, or its witnesses, hold: {error}")
                log.critical("log_forked", error=repr(error))
                return
            except (AnotherSigned, CommandFailed, Unavailable, Overloaded, Unreachable) as error:
                log.warning("log_starts_again", error=repr(error))
            finally:
                self.leads = False
            await asyncio.sleep(ELSEWHERE_SECONDS)

    async def covered(self, place: Place) -> None:
        """Waits until a checkpoint covers this place."""
        async with self.grown:
            await self.grown.wait_for(lambda: self.signed.covers.get(place.line, 0) >= place.position)

    async def entry(self, place: Place, grade: Grade = Grade.SIGNED) -> LogEntry | None:
        row = await self.kernel.pool.fetchrow(_ENTRY_OF[grade], place.service, place.shard, place.position)
        if row is None:
            return None
        number, partner, salt, event_hash, hashed, note, size = row
        logs = await self.logs()
        history, index = logs.leaf_of(number)
        signed_in, size = (history, 0) if note is None else logs.size_of(size)
        covered = note is not None and signed_in == history  # what witnesses cosign of the next log covers nothing of this one
        return LogEntry(history, index, partner, salt, event_hash, hashed, (note, size) if covered else None)

    async def receipt(self, opening: Opening, entry: LogEntry) -> str:
        """The receipt of an entry that a checkpoint covers, from the log of its history. Raises TileMissing."""
        assert entry.checkpoint is not None, "without one there is no receipt"
        note, size = entry.checkpoint
        frozen = (await self.logs()).frozen.get(entry.history)
        store = self.store if frozen is None else frozen.store
        return make_receipt(opening, entry.index, inclusion_proof(store.node_reader(size), entry.index, size), note)

    def dispute(self, why: str) -> None:
        """Others hold a log under this key that this one does not go on from: nothing more is signed."""
        self._disputed = why

    async def _lead(self, connection: Connection) -> None:
        logs = await self.logs()
        last = await _last(connection, logs.shift)
        await self._grow(last)
        if self.before_signing is not None:
            await self.before_signing()
        covers = dict(self.signed.covers or last.covers)
        tree = await asyncio.to_thread(TileWriter, self.store, self.signed.head)
        held = await asyncio.to_thread(self.store.held_size)
        self.kernel.writer.accept(Refusal.TILES_MISSING)
        if held > self.signed.head.size:
            log.info("log_resumes", signed=self.signed.head.size, held=held)
        if tree.head.size == 0 and (first := logs.first_leaf) is not None:
            await asyncio.to_thread(tree.append, [first])
            if held <= 1:
                await self._sign(tree.head, covers, in_history("history", logs.current), tree.head.root.hex()[:32])
        pace = Pace(SIGN_EVERY_SECONDS)
        while True:
            await pace.turn()
            if self._disputed is not None:
                raise ForkDetected(self._disputed)
            seen = self._positions()
            while rows := await connection.fetch(_NEXT_ENTRIES, tree.head.size + logs.shift, BATCH):
                await asyncio.to_thread(tree.append, [row["leaf"] for row in rows])
                covers |= {f"{row['source']}/{row['shard']}": row["position"] for row in rows}
                if tree.head.size >= held:
                    newest = rows[-1]
                    place = self.kernel.journal.histories.place(newest["source"], newest["shard"], newest["position"])
                    await self._sign(tree.head, dict(sorted(covers.items())), str(place), newest["correlation_id"])
                if len(rows) >= MANY:
                    pace.slow_down(MANY_EVERY_SECONDS)
            self.leads = tree.head.size >= held
            await self._wait_for_entries(seen)

    async def _sign(self, head: TreeHead, covers: dict[str, int], place: str, correlation_id: str) -> None:
        """Signs the tree, whose tiles are durable, and records that. `place`: of its last entry."""
        signed = Signed(head, covers, sign_checkpoint(Checkpoint(self.key.name, head), self._signer))
        history = (await self.logs()).current
        context = Context(
            command_id=sha256(f"{in_history('checkpoint', history)}/{head.size}".encode()).digest(),
            actor=ACTOR,
            correlation_id=correlation_id,
            causation_id=place,
            effective_on=day_of(self.kernel.clock.now(), self.kernel.settings.zone).isoformat(),
        )
        command = RecordCheckpoint(size=head.size, root=head.root.hex(), note=signed.note, covers=covers)
        answer = await self.kernel.writer.submit(stream_of(history), command, context)
        assert not isinstance(answer, Refused), "the log refuses nothing"
        if not answer.facts:
            raise AnotherSigned(f"the log is beyond {head.size} leaves already")
        if answer.event(CheckpointSigned).root != command.root:
            raise ForkDetected(f"another root was recorded before at {head.size} leaves")
        await self._grow(signed)

    async def _grow(self, signed: Signed) -> None:
        if signed.head.size <= self.signed.head.size:
            return
        async with self.grown:
            self.signed = signed
            self.grown.notify_all()
        signed_size.set(signed.head.size)

    def _positions(self) -> tuple[int, ...]:
        return tuple(line.position for line in self.kernel.inbox.lines.values())

    async def _wait_for_entries(self, seen: tuple[int, ...]) -> None:
        """Until the inbox of this process has moved since `seen`; for a short time, since another process's inbox may be the one."""
        moved = self.kernel.inbox.moved
        with suppress(TimeoutError):
            async with asyncio.timeout(ELSEWHERE_SECONDS), moved:
                await moved.wait_for(lambda: self._positions() != seen)


async def keep_log(kernel: Kernel) -> None:
    """The service's task: signs for as long as it serves."""
    await kernel.part(Log).run()


def shown_consistency(store: TileStore, old_size: int, size: int) -> Consistency:
    """What the tiles say of the log of `size` leaves, and of its first `old_size`. Raises TileMissing."""
    read = store.node_reader(size)
    return consistency(TreeHead(old_size, root_at(read, old_size)), size, consistency_proof(read, old_size, size))


async def _last(connection: Connection, shift: int) -> Signed:
    """Of a log that has signed nothing yet: what the one before it covers, as far as this history has it."""
    row = await connection.fetchrow(_LAST)
    if row is None:
        return Signed()
    covers = msgspec.json.decode(row["covers"], type=dict[str, int])
    if row["size"] <= shift:
        return Signed(covers=covers)
    return Signed(TreeHead(row["size"] - shift, row["root"]), covers, row["note"])
