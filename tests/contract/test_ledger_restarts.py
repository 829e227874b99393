"""The ledger started again, after a crash at the worst place and after its database was restored to the past."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from reserve.operate.backup import back_up_service
from reserve.operate.copies import KafkaCopy
from reserve.operate.recover import recover
from reserve.operate.tiles import rebuild_tiles
from services.ledger.receipt import verify_receipt
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import ForkDetected, TileStore
from services.registry import service
from shared.delivery.kafka_broker import KafkaBroker
from shared.engines.postgres_tools import load_schema
from shared.journal.connection import open_pool
from shared.journal.messages import topic_of
from shared.journal.postgres import PostgresJournal
from shared.proofs.checkpoint import TreeHead, open_checkpoint
from shared.proofs.merkle import EMPTY_TREE
from shared.writer.commands import Refusal
from tests.contract.ledger_stage import LedgerStage, parts_of, receipts_of, rows
from tests.kernel.stage import until
from tests.stories.stockpile import lot, register
from tests.waiting import HANGS_AFTER_S


async def test_a_ledger_that_was_cut_off_after_its_tiles_signs_what_they_hold(stage: LedgerStage):
    store = TileStore(stage.folder / "ledger" / "tiles")
    async with stage.ledger(signing=False) as kernel:
        [place] = await stage.happen(lot("lot_cut_off", 1))
        source, shard, position = place.split("/")
        async with asyncio.timeout(HANGS_AFTER_S):
            await kernel.reached(source, int(shard), int(position))
        last = await kernel.pool.fetchrow("SELECT size, root FROM checkpoints ORDER BY size DESC LIMIT 1")
        head = EMPTY_TREE if last is None else TreeHead(last["size"], last["root"])
        leaves = await kernel.pool.fetch("SELECT leaf FROM entries WHERE leaf_index >= $1 ORDER BY leaf_index", head.size)
        appended = TileWriter(store, head).append([row["leaf"] for row in leaves])
        assert appended.size > head.size
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        [text] = await receipts_of(auditor, [place])
        assert verify_receipt(text, [stage.key]).head == appended


async def test_a_ledger_restored_to_the_past_takes_the_same_leaves_again_before_anything_new(stage: LedgerStage, tmp_path: Path):
    """Also where the services' events came in one order and would now come in another."""
    owner = stage.settings("ledger").database_owner_url
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_before", 1)))
        await back_up_service("ledger", owner, tmp_path / "backup")
        places = []
        for number in range(30):  # on several lines, in turn
            product = f"metal-{number}"
            places += await stage.happen(msgspec.structs.replace(register(), product=product), product=product)
        assert len({place.split("/")[1] for place in places}) > 1
        texts = await receipts_of(auditor, places)
        head = open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head
        leaves = await leaves_of(auditor)
    await load_schema(owner, "ledger", tmp_path / "backup" / "ledger.sql", keep_as="ledger_before_restore")
    connection = await asyncpg.connect(owner)
    await connection.execute("UPDATE ledger.relay_cursors SET position = 0")  # as if nothing of it had been sent yet
    await connection.close()
    broker = KafkaBroker(stage.servers.kafka)
    sent = [await broker.last((topic_of("ledger"), shard)) for shard in range(4)]
    async with stage.ledger(require_ledger_at_start=True) as kernel, stage.client("auditor-1") as auditor:
        for place in places:
            await kernel.reached(*parts_of(place))
        assert await leaves_of(auditor) == leaves
        [after] = await stage.happen(lot("lot_after", 1))
        await until(lambda: Refusal.BEHIND_COPIES in kernel.writer.refusals)  # Kafka has checkpoints that its journal lacks
        assert open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head.size < head.size
        assert [await broker.last((topic_of("ledger"), shard)) for shard in range(4)] == sent
        ledger = service("ledger")
        async with await open_pool(owner, "ledger", size=2) as pool:
            journal = PostgresJournal("ledger", ledger.codec, pool, ledger.project)
            kafka = KafkaCopy(broker, "ledger")
            assert sum((await recover(ledger, journal, kafka, None, {}, no_document)).events.values()) > 0
        [text] = await receipts_of(auditor, [after])
        assert verify_receipt(text, [stage.key]).head.size > head.size
        assert await receipts_of(auditor, places) == texts


async def test_a_ledger_takes_nothing_while_its_tiles_hold_what_no_service_has(stage: LedgerStage):
    tiles = stage.folder / "ledger" / "tiles"
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_known", 1)))
        head = open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head
    shutil.copytree(tiles, stage.folder / "tiles_kept")
    TileWriter(TileStore(tiles), head).append([b"was signed once", b"and this, too"])
    async with stage.ledger() as kernel, stage.client("auditor-1") as auditor:
        await stage.happen(lot("lot_new", 1))
        await until(lambda: "no service has the event" in (kernel.inbox.waits or ""))
        ready = await auditor.get("/readyz")
        assert (ready.status_code, f"leaf {head.size}" in ready.text) == (503, True)
        assert open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head == head
        assert len(await rows(auditor, "/v1/entries")) == head.size
        # A source that has lost the same, and that nobody else tells of it, is not told that it is whole.
        recorded = await auditor.get("/v1/sources", params={"whole": True})
        assert (recorded.status_code, recorded.json()["code"]) == (503, "record_incomplete")
    shutil.rmtree(tiles)
    (stage.folder / "tiles_kept").rename(tiles)
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_again", 1)))


async def test_tiles_that_are_missing_are_made_anew_from_what_was_recorded(stage: LedgerStage):
    tiles = stage.folder / "ledger" / "tiles"
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        places = await stage.happen(lot("lot_tiled", 1))
        texts = await receipts_of(auditor, places)
    before = {path.relative_to(tiles): path.read_bytes() for path in tiles.rglob("*") if path.is_file()}
    shutil.rmtree(tiles)
    owner = stage.settings("ledger").database_owner_url
    async with await open_pool(owner, "ledger", size=1) as pool:
        signed, missing = await rebuild_tiles(pool, tiles)
        made = {path.relative_to(tiles): path.read_bytes() for path in tiles.rglob("*") if path.is_file()}
        assert made.items() <= before.items() and missing == len(made) > 0
        assert await rebuild_tiles(pool, tiles) == (signed, 0)
        damaged = next(path for path in tiles.rglob("*") if path.is_file())
        whole = damaged.read_bytes()
        damaged.write_bytes(bytes(len(whole)))
        with pytest.raises(ForkDetected):
            await rebuild_tiles(pool, tiles)
        damaged.write_bytes(whole)
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        assert await receipts_of(auditor, places) == texts
        await receipts_of(auditor, await stage.happen(lot("lot_tiled_on", 1)))


async def leaves_of(auditor: httpx.AsyncClient) -> list[tuple[int, str, int, int]]:
    return [(row["leaf_index"], row["source"], row["shard"], row["position"]) for row in await rows(auditor, "/v1/entries")]


async def no_document(_name: str) -> None:
    return None
