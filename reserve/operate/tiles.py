"""Tiles of the log that are missing, made anew from what the ledger has recorded. What is held is never changed."""

import tempfile
from itertools import batched
from pathlib import Path
from typing import Any

import asyncpg

from services.ledger.histories import read_logs
from services.ledger.tile_copy import tiles_in
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import ForkDetected, Tile, TileMissing, TileStore
from shared.engines.private_files import private_folder
from shared.proofs.checkpoint import TreeHead
from shared.proofs.merkle import EMPTY_TREE

AT_ONCE = 4096


async def rebuild_tiles(pool: "asyncpg.Pool[Any]", folder: Path) -> tuple[TreeHead, int]:
    """(the last signed tree, how many tiles of it were missing in `folder`). They are made beside it first, and added once their root is
    that which was signed.

    Raises ForkDetected where the entries give another root, or a tile that is held contradicts them.
    """
    async with pool.acquire() as connection:
        logs = await read_logs(connection, folder.parent.parent)
    last = await pool.fetchrow("SELECT size, root FROM checkpoints WHERE size > $1 ORDER BY size DESC LIMIT 1", logs.shift)
    signed = EMPTY_TREE if last is None else TreeHead(last["size"] - logs.shift, last["root"])
    with tempfile.TemporaryDirectory(prefix="tiles-", dir=private_folder(folder.parent)) as beside:
        made = TileStore(Path(beside))
        writer = TileWriter(made)
        while writer.head.size < signed.size:
            upto = min(writer.head.size + AT_ONCE, signed.size)
            query = "SELECT leaf FROM entries WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"
            leaves = [row["leaf"] for row in await pool.fetch(query, writer.head.size + logs.shift, upto + logs.shift)]
            if writer.head.size == 0 and logs.first_leaf is not None:
                leaves.insert(0, logs.first_leaf)
            if len(leaves) < upto - writer.head.size:
                raise ForkDetected(f"the ledger has no entry of some of the leaves {writer.head.size} to {upto - 1}, which were signed")
            writer.append(leaves)
        if writer.head != signed:
            raise ForkDetected(f"at {signed.size} leaves the entries have root {writer.head.root.hex()}, and another was signed")
        return signed, _add(made, TileStore(folder))


def _add(made: TileStore, held: TileStore) -> int:
    added = 0
    for tiles in batched(tiles_in(made.folder), AT_ONCE):
        contents = {tile: made.require(tile) for tile in tiles}
        added += sum(not _has(held, tile) for tile in contents)
        held.put(contents)
    return added


def _has(held: TileStore, tile: Tile) -> bool:
    """A damaged one is held, and contradicts what is put there."""
    try:
        return held.read(tile) is not None
    except (TileMissing, ValueError):
        return True
