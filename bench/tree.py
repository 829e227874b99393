"""The log's tree: leaves appended with their tiles, durable on the disk, as many at a time as a checkpoint adds at most."""

import tempfile
import time
from collections.abc import AsyncGenerator
from hashlib import sha256
from itertools import batched
from pathlib import Path

from bench.figures import Figure, Options, figure
from services.ledger.log import BATCH
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore

LEAVES = 300_000


async def tree(_options: Options) -> AsyncGenerator[Figure]:
    """Beside it, what SHA-256 alone takes: a hash a leaf, and one to join two nodes for each."""
    leaves = [sha256(number.to_bytes(8)).digest() for number in range(LEAVES)]
    with tempfile.TemporaryDirectory(prefix="reserve-bench-") as folder:
        writer = TileWriter(TileStore(Path(folder)))
        began = time.perf_counter()
        for batch in batched(leaves, BATCH):
            writer.append(batch)
        appended = LEAVES / (time.perf_counter() - began)
    began = time.perf_counter()
    for leaf in leaves:
        sha256(b"\x01" + sha256(b"\x00" + leaf).digest() + leaf).digest()
    hashed = LEAVES / (time.perf_counter() - began)
    yield figure("leaves_appended_with_tiles", appended, "leaves/s", at_least=100_000, baseline=hashed)
