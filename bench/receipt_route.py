"""Receipts over HTTP of a log of ten million leaves: what one takes of the ledger's processor, and how long it takes.

The log's tiles are written as they are. As many leaves have an entry as receipts are asked for, each with the checkpoint that
was the first to cover it. Whoever asks does so one after the other.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import asyncpg

from bench.figures import Figure, Options, figure, percentile_ms
from bench.history import TODAY, Chain, draws, events_of, stocked
from bench.processors import cpu_s
from bench.receipts import Connection
from reserve.demo.parties import Parties
from reserve.operate.deployment import Deployment
from reserve.operate.migrate import migrate
from reserve.operate.serving import serving
from services.ledger.keys import open_key
from services.ledger.receipt import verify_receipt
from services.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, TileStore, rows_of
from shared.engines.private_files import private_folder
from shared.journal.record import GENESIS, Record, hashed_bytes, leaf_data
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.merkle import HASH_BYTES, hash_leaf, root_at

LEAVES = 10_000_000
RECEIPTS, WARM = 2_000, 200
IDLE_S = 5.0
SIGNED_WITHIN = 100  # leaves, after which a checkpoint covers one


async def receipt_route(options: Options) -> AsyncGenerator[Figure]:
    """Raises RuntimeError if a receipt does not verify, and what `serving` raises."""
    leaves, count = max(options.some(LEAVES), 2 * SIGNED_WITHIN), options.some(RECEIPTS)
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(private_folder(Path(folder)))
        log = _Log(deployment, leaves, count + WARM)
        log.write()
        deployment.supervisor.prepare = log.fill
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            asking = Connection(endpoints.services["ledger"], await parties.auditor.token())
            for place in log.places[:WARM]:
                log.check(place, await asking.get(f"/v1/receipts/{place}"))
            idle = await _idle(deployment)
            before_s, began, took_s, answers = cpu_s(deployment), time.perf_counter(), [], []
            for place in log.places[WARM:]:
                asked = time.perf_counter()
                answers.append(await asking.get(f"/v1/receipts/{place}"))
                took_s.append(time.perf_counter() - asked)
            after_s, lasted_s = cpu_s(deployment), time.perf_counter() - began
            asking.close()
            for place, answer in zip(log.places[WARM:], answers, strict=True):
                log.check(place, answer)
        yield figure(f"receipt_of_{leaves}_leaves_p50", percentile_ms(sorted(took_s), 0.5), "ms", at_most=5)
        yield figure(f"receipt_of_{leaves}_leaves_p99", percentile_ms(sorted(took_s), 0.99), "ms")
        for program, most in (("ledger", 1.0), ("postgres", None)):
            spent_s = after_s[program] - before_s[program] - idle[program] * lasted_s
            each = max(0.0, 1000 * spent_s / count)
            yield figure(f"receipt_of_{leaves}_leaves_cpu_of_{program}", each, "ms", at_most=most)


async def _idle(deployment: Deployment) -> dict[str, float]:
    """What each program takes of a processor while nobody asks for anything: on a busy machine, waiting for an answer takes long."""
    before_s = cpu_s(deployment)
    await asyncio.sleep(IDLE_S)
    return {program: (after_s - before_s[program]) / IDLE_S for program, after_s in cpu_s(deployment).items()}


class _Log:
    """`places`: of the events whose receipts are asked for, anywhere in the log."""

    def __init__(self, deployment: Deployment, leaves: int, count: int) -> None:
        self._deployment = deployment
        self._size = leaves // TILE_WIDTH * TILE_WIDTH  # full tiles: no entries are needed to go on from
        self._store = TileStore(deployment.folder / "ledger" / "tiles")
        self._key, self._signer = open_key(deployment.folder)
        chance = random.Random(leaves)  # noqa: S311
        indexes = sorted(chance.sample(range(self._size - SIGNED_WITHIN), count))
        line, name = Chain(0, 0, GENESIS, {}), "bench"
        events = islice(events_of(chain(stocked(name, 10), draws(name, 10))), count)
        self._records = {index: line.record(f"stockpile/{name}", event) for index, event in zip(indexes, events, strict=True)}
        self._leaves = {index: leaf_data(each.salt, _place(each), each.event_hash) for index, each in self._records.items()}
        self._sizes = {index: index + 1 + chance.randrange(SIGNED_WITHIN) for index in indexes}
        self.places = [_place(each) for each in self._records.values()]
        chance.shuffle(self.places)

    def write(self) -> None:
        """The tiles. Most leaves are of nobody's events."""
        hashes = bytearray(os.urandom(self._size * HASH_BYTES))
        for index, leaf in self._leaves.items():
            hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES] = hash_leaf(leaf)
        row, level = bytes(hashes), 0
        while row:
            above = []
            for start in range(0, len(row), TILE_WIDTH * HASH_BYTES):
                data = row[start : start + TILE_WIDTH * HASH_BYTES]
                tile = Tile(level, start // (TILE_WIDTH * HASH_BYTES), len(data) // HASH_BYTES)
                file = self._store.folder / tile.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                if tile.width == TILE_WIDTH:
                    above.append(rows_of(data)[TILE_HEIGHT])
            row, level = b"".join(above), level + 1

    async def fill(self) -> None:
        """What the ledger has recorded: nothing else is in its tables."""
        await migrate(self._deployment.owner_settings, self._deployment.passwords, self._deployment.kafka_passwords)
        connection = await asyncpg.connect(self._deployment.owner_settings.database_owner_url, server_settings={"search_path": "ledger"})
        try:
            await connection.copy_records_to_table("entries", records=[self._entry(index) for index in self._records])
            await connection.copy_records_to_table("checkpoints", records=list(self._checkpoints()))
            await connection.execute("UPDATE log_head SET size = $1", self._size)
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    def check(self, place: str, answer: tuple[int, bytes]) -> None:
        status, text = answer
        if status != 200 or verify_receipt(text, [self._key]).opening.place != place:
            raise RuntimeError(f"{place}: {status} {text[:200]!r}")

    def _entry(self, index: int) -> tuple[Any, ...]:
        record = self._records[index]
        at = Chain(0, 0, GENESIS, {}).recorded_at
        opened = (self._leaves[index], record.salt, record.event_hash, record.chain_hash, hashed_bytes(record))
        of = (record.type, record.stream, record.partner, TODAY, at, record.correlation_id)
        return (index, "inventory", record.shard, record.position, *opened, *of)

    def _checkpoints(self) -> Iterator[tuple[Any, ...]]:
        at = Chain(0, 0, GENESIS, {}).recorded_at
        for size in sorted({*self._sizes.values(), self._size}):
            head = TreeHead(size, root_at(self._store.node_reader(size), size))
            yield size, head.root, sign_checkpoint(Checkpoint(self._key.name, head), self._signer), "{}", at


def _place(record: Record) -> str:
    return str(record.place("inventory"))
