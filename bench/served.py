"""All of Reserve in a temporary folder, under draws over HTTP: started, measured, checked and ended."""

import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import asyncpg
import msgspec

from bench.figures import Figure, Options, figure, percentile_ms
from bench.hot_stock import PARTNER, UNIT_G, release_stock
from bench.listening import listening, module
from bench.processors import cpu_s, family, memory_bytes
from bench.receipts import drain, receipts
from bench.wrk import Load, find_wrk, post_many
from reserve.demo.parties import Parties, Unexpected
from reserve.operate.deployment import Deployment
from reserve.operate.endpoints import Endpoints
from reserve.operate.serving import serving
from services.registry import PROCESSES

ONE_CLIENT_S = 5.0
RECEIPTS, RECEIPTS_A_SECOND = 2_000, 200
STOCKPILES = 16
MIB = 2**20
BODY = msgspec.json.encode({"mass_g": UNIT_G})


async def served(options: Options) -> AsyncGenerator[Figure]:
    """Raises Unexpected if what was acknowledged, recorded and posted is not the same at the end, RuntimeError if any draw was refused,
    and what `serving` and the calls raise."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        began = time.perf_counter()
        deployment = Deployment(Path(folder))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            yield figure("cold_start", time.perf_counter() - began, "s", at_most=20)
            for each in _memory_at_rest(deployment):
                yield each
            releases = await release_stock(
                parties, Path(folder), deployment.verifier_key, [f"bench-oxide-{number}" for number in range(STOCKPILES)]
            )
            draws = Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws" for release in releases], options)
            async for each in _measure(draws):
                yield each
            yield figure("memory_all_after_storms", sum(_memory(deployment).values()), "MiB", at_most=2_560)
            await draws.check()


async def _measure(draws: "Draws") -> AsyncGenerator[Figure]:
    bare = await _bare_load(draws.options)
    alone = await draws.storm("alone", clients=1, seconds=ONE_CLIENT_S)
    yield figure("draw_one_client_p50", alone.p50_ms, "ms", at_most=3, baseline=bare.p50_ms)
    yield figure("draw_one_client_p99", alone.p99_ms, "ms")

    took_s = await draws.receipts()
    yield figure(f"draw_to_receipt_p50_at_{RECEIPTS_A_SECOND}_a_second", percentile_ms(took_s, 0.5), "ms", at_most=30)
    yield figure(f"draw_to_receipt_p99_at_{RECEIPTS_A_SECOND}_a_second", percentile_ms(took_s, 0.99), "ms", at_most=150)

    with draws.deployment.supervisor.frozen("ledger", "kafka"):
        without = await draws.storm("frozen")
    await drain(draws.parties.auditor)
    yield figure("draws_without_relay_and_ledger", without.per_second, "draws/s")

    one = await draws.storm("one")
    yield figure("draws_one_stockpile", one.per_second, "draws/s", at_least=2_000, baseline=without.per_second)
    yield figure("draws_one_stockpile_to_without", one.per_second / without.per_second, "1", at_least=0.6)
    for each in draws.rest_of("draws_one_stockpile", one, await drain(draws.parties.auditor)):
        yield each

    many = await draws.storm("many", stockpiles=STOCKPILES)
    yield figure(f"draws_{STOCKPILES}_stockpiles", many.per_second, "draws/s", at_least=one.per_second, baseline=one.per_second)
    for each in draws.rest_of(f"draws_{STOCKPILES}_stockpiles", many, await drain(draws.parties.auditor)):
        yield each


class Draws:
    """Draws on a running deployment, counted."""

    def __init__(self, deployment: Deployment, parties: Parties, endpoints: Endpoints, paths: list[str], options: Options) -> None:
        self.deployment = deployment
        self.parties = parties
        self.endpoints = endpoints
        self.paths = paths
        self.options = options
        self._acknowledged = 0
        self._under_way = 0  # at the ends of the storms: perhaps recorded, never acknowledged
        self._cpu_s: dict[str, float] = {}  # of each program, before the last storm

    async def storm(
        self, name: str, *, clients: int | None = None, seconds: float | None = None, stockpiles: int = 1, edge: bool = False
    ) -> Load:
        """At full speed. Raises RuntimeError if any draw was refused: then the figure would mean nothing."""
        clients = clients or self.options.clients
        url, prefix = (self.endpoints.base_url, "/inventory") if edge else (self.endpoints.services["inventory"], "")
        paths = [prefix + path for path in self.paths[:stockpiles]]
        token = await self.parties.partners[PARTNER].token()
        self._cpu_s = cpu_s(self.deployment)
        load = await post_many(url, paths, token, BODY, clients=clients, seconds=seconds or self.options.seconds, key_prefix=name)
        self._acknowledged += load.answered
        self._under_way += clients
        return load

    async def bulks(self, name: str, size: int, *, clients: int) -> Load:
        """As `storm`, so many draws a request. Whether each was accepted, `check` finds."""
        release = self.paths[0].split("/")[3]
        items = [{"idempotency_key": f"{name}-{{n}}-{number}", "release": release, "mass_g": UNIT_G} for number in range(size)]
        token = await self.parties.partners[PARTNER].token()
        self._cpu_s = cpu_s(self.deployment)
        url, body, seconds = self.endpoints.services["inventory"], msgspec.json.encode({"items": items}), self.options.seconds
        load = await post_many(url, ["/v1/draws/bulk"], token, body, clients=clients, seconds=seconds, key_prefix=name)
        self._acknowledged += load.answered * size
        self._under_way += clients * size
        return load

    async def receipts(self, count: int = RECEIPTS, a_second: int = RECEIPTS_A_SECOND, grade: str = "signed") -> list[float]:
        """Seconds from each draw's answer to its receipt of that grade, sorted."""
        token = await self.parties.partners[PARTNER].token()
        count = self.options.some(count)
        inventory, ledger = self.endpoints.services["inventory"], self.endpoints.services["ledger"]
        took_s = await receipts(inventory, ledger, self.paths[0], token, BODY, count=count, a_second=a_second, grade=grade)
        self._acknowledged += count
        return took_s

    def rest_of(self, name: str, load: Load, drained_s: float, *, at_most: float = 60, size: int = 1) -> Iterator[Figure]:
        """What else a storm tells: its latencies, how soon its receipts were there, and what each program took, the backlog included.
        `size`: draws a request."""
        draws = load.answered * size
        yield figure(f"{name}_p50", load.p50_ms, "ms")
        yield figure(f"{name}_p99", load.p99_ms, "ms")
        yield figure(f"{name}_drained_after", drained_s, "s", at_most=at_most)
        yield figure(f"{name}_cpu_of_wrk", 1e6 * load.cpu_s / draws, "us/draw")
        for program, after_s in cpu_s(self.deployment).items():
            yield figure(f"{name}_cpu_of_{program}", 1e6 * (after_s - self._cpu_s[program]) / draws, "us/draw")

    async def check(self) -> None:
        """Draws in the read table, grams in inventory's balances and in the ledger's are the same, and hold all that was acknowledged."""
        connection = await asyncpg.connect(self.deployment.database_url("inventory"))
        try:
            kept = await connection.fetchval("SELECT count(*) FROM inventory.draws")
            drawn_g = await connection.fetchval("SELECT sum(drawn_g)::bigint FROM inventory.products")
        finally:
            await connection.close()
        posted = 0
        async for balance in self.parties.auditor.rows("/ledger/v1/balances", account=f"partner/{PARTNER}", side="title"):
            posted += balance["posted"]
        found = {"read table": kept, "stockpiles": drawn_g // UNIT_G, "ledger": posted // UNIT_G}
        if len(set(found.values())) > 1 or not self._acknowledged <= kept <= self._acknowledged + self._under_way:
            raise Unexpected(f"{self._acknowledged} draws were acknowledged, {self._under_way} perhaps; counted: {found}")


async def _bare_load(options: Options) -> Load:
    async with listening(module("bench.bare")) as bare:
        return await post_many(bare.url, ["/bare"], "none", BODY, clients=1, seconds=1, key_prefix="bare")


def _memory_at_rest(deployment: Deployment) -> Iterator[Figure]:
    memory = _memory(deployment)
    for name in memory:
        yield figure(f"memory_idle_{name}", memory[name], "MiB", at_most=150 if name in PROCESSES else None)
    yield figure("memory_idle_all", sum(memory.values()), "MiB", at_most=2_560)


def _memory(deployment: Deployment) -> dict[str, float]:
    """MiB that each program and its children hold. What they share is counted once: PostgreSQL's processes share their buffers."""
    return {name: sum(map(memory_bytes, family(pid))) / MIB for name, pid in deployment.supervisor.pids.items()}
