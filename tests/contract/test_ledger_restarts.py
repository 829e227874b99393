"""The ledger started again, after a crash at the worst place and after its database was restored to the past."""

import asyncio
import shutil

from ledger_stage import LedgerStage, receipts_of, rows, until
from stockpile_story import lot

from services.ledger.merkle import EMPTY_TREE
from services.ledger.receipt import verify_receipt
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore
from shared.checkpoint import TreeHead, open_checkpoint


async def test_a_ledger_that_was_cut_off_after_its_tiles_signs_what_they_hold(stage: LedgerStage):
    store = TileStore(stage.folder / "ledger" / "tiles")
    async with stage.ledger(signing=False) as kernel:
        [place] = await stage.happen(lot("lot_cut_off", 1))
        source, shard, position = place.split("/")
        async with asyncio.timeout(10):
            await kernel.reached(source, int(shard), int(position))
        last = await kernel.pool.fetchrow("SELECT size, root FROM checkpoints ORDER BY size DESC LIMIT 1")
        head = EMPTY_TREE if last is None else TreeHead(last["size"], last["root"])
        leaves = await kernel.pool.fetch("SELECT leaf FROM entries WHERE leaf_index >= $1 ORDER BY leaf_index", head.size)
        appended = TileWriter(store, head).append([row["leaf"] for row in leaves])
        assert appended.size > head.size
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        [text] = await receipts_of(auditor, [place])
        assert verify_receipt(text, [stage.key]).head == appended


async def test_a_ledger_restored_to_the_past_signs_nothing_below_its_tiles_and_no_other_tree(stage: LedgerStage):
    tiles = stage.folder / "ledger" / "tiles"
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_before", 1)))
        head = open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head
    shutil.copytree(tiles, stage.folder / "kept")
    TileWriter(TileStore(tiles), head).append([b"was signed once", b"and this, too"])  # what its database has lost
    async with stage.ledger() as kernel, stage.client("auditor-1") as auditor:
        await stage.happen(lot("lot_after", 1))
        await until(lambda: kernel.writer.refusing is not None)
        ready = await auditor.get("/readyz")
        assert (ready.status_code, "not the one that its tiles hold" in ready.text) == (503, True)
        assert open_checkpoint((await auditor.get("/v1/checkpoint")).text, [stage.key]).head == head
        entries = await rows(auditor, "/v1/entries")
        assert len(entries) > head.size
    shutil.rmtree(tiles)
    (stage.folder / "kept").rename(tiles)
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_again", 1)))
