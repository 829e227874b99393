"""`reserve bench`: Reserve is started in a temporary folder, measured, checked and ended."""

import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import psutil

from bench.draws import RECEIPTS, Figure, drain, latencies, receipts, storm
from bench.hot_stock import PARTNER, PRODUCT, UNIT_G, release_stock
from services.demo.parties import Parties, Unexpected
from services.deployment import Deployment
from services.serving import serving

ONE_CLIENT_S = 5.0
MIB = 2**20


async def measure(seconds: float, clients: int) -> AsyncGenerator[Figure]:
    """The figures, each as soon as it is known. Raises Unexpected if what was acknowledged, recorded and posted is not the same at the end,
    and what `serving`, `storm` and the calls raise."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        began = time.perf_counter()
        deployment = Deployment(Path(folder))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            yield Figure("cold_start", round(time.perf_counter() - began, 1), "s")
            owner, auditor = parties.partners[PARTNER], parties.auditor
            path = f"/v1/releases/{await release_stock(parties, Path(folder))}/draws"
            direct, through_gateway = endpoints.services["inventory"], f"{endpoints.base_url}/inventory"

            alone = await storm(direct, path, owner, clients=1, seconds=ONE_CLIENT_S, key_prefix="alone")
            for figure in latencies("draw_one_client", alone.latencies_s):
                yield figure
            for figure in latencies("draw_to_receipt", await receipts(endpoints, path, owner)):
                yield figure

            accepted = alone.accepted + RECEIPTS
            for name, url in (("draws", direct), ("draws_through_gateway", through_gateway)):
                load = await storm(url, path, owner, clients=clients, seconds=seconds, key_prefix=name)
                accepted += load.accepted
                yield Figure(f"{name}_per_second", round(load.per_second), f"draws/s at {clients} clients")
                for figure in latencies(f"{name}_{clients}_clients", load.latencies_s):
                    yield figure
                yield Figure(f"{name}_drained_after", round(await drain(auditor), 2), "s")

            for name, pid in deployment.supervisor.pids.items():
                yield Figure(f"memory_{name}", round(_memory(pid) / MIB), "MiB")
            await _check(deployment, parties, accepted)
            yield Figure("draws_accounted_for", accepted, "draws")


async def _check(deployment: Deployment, parties: Parties, accepted: int) -> None:
    """Draws acknowledged, draws in the read table, grams in inventory's balance and grams in the ledger's: all the same."""
    connection = await asyncpg.connect(deployment.database_url("inventory"))
    try:
        kept = await connection.fetchval("SELECT count(*) FROM inventory.draws")
    finally:
        await connection.close()
    product = await parties.auditor.get(f"/inventory/v1/products/{PRODUCT}")
    page = await parties.auditor.get("/ledger/v1/balances", account=f"partner/{PARTNER}", asset=PRODUCT, side="title")
    posted_g = sum(balance["posted_g"] for balance in page["data"])
    found = {"read table": kept, "stockpile": product["balances"]["drawn_g"] // UNIT_G, "ledger": posted_g // UNIT_G}
    if set(found.values()) != {accepted}:
        raise Unexpected(f"{accepted} draws were acknowledged; counted: {found}")


def _memory(pid: int) -> int:
    """Bytes that a program and its children hold. What they share is counted once: PostgreSQL's processes share their buffers."""
    program = psutil.Process(pid)
    return sum(_own_bytes(process) for process in (program, *program.children(recursive=True)))


def _own_bytes(process: psutil.Process) -> int:
    """The proportional set size, where the system knows it: pages shared by n processes count as 1/n in each."""
    try:
        full = process.memory_full_info()
    except psutil.NoSuchProcess:  # one of PostgreSQL's, gone since it was listed
        return 0
    return int(getattr(full, "pss", full.rss))
