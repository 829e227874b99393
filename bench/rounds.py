"""A round of 10,000 requests: worked out while others go on asking, certified, and released by inventory at once."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from bench.figures import Figure, Options, figure, percentile_ms
from bench.hot_stock import PARTNER, POLICY, UNIT_G, agree_on_stock, attested, empowered_approver
from bench.receipts import drain
from reserve.commands.approve import Signer, sign_document
from reserve.demo.parties import Parties, Unexpected, all_rows, until
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving

PRODUCT, BESIDE = "bench-oxide", "bench-oxide-beside"
REQUESTS = 10_000
AT_ONCE = 32
DECISIONS = 5
PROBED_EVERY_S = 0.01
NAMED = {"nominee": "a nominee", "consignee": "a consignee", "end_user": "a smelter", "end_use": "measuring"}


async def rounds(options: Options) -> AsyncGenerator[Figure]:
    """Raises Unexpected if inventory does not hold each release once, and what the calls raise."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(Path(folder))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            signer = await empowered_approver(parties, Path(folder), deployment.verifier_key)
            await agree_on_stock(parties, [PRODUCT, BESIDE], signer)
            measured = _Rounds(deployment, parties, signer, options.some(REQUESTS))
            async for each in measured.figures():
                yield each
            await drain(parties.auditor)
            await measured.check()


class _Rounds:
    def __init__(self, deployment: Deployment, parties: Parties, signer: Signer, requests: int) -> None:
        self.deployment = deployment
        self.parties = parties
        self.signer = signer
        self.requests = requests

    async def figures(self) -> AsyncGenerator[Figure]:
        names = await _each(range(self.requests), self._ask_and_accept)
        opened = await self.parties.operator.post("/allocation/v1/rounds", {"product": PRODUCT, "requests": names, "policy": POLICY})
        path = f"/allocation/v1/rounds/{opened['round']}"
        await drain(self.parties.auditor)

        alone_s = await self._probe(lambda: asyncio.sleep(3))
        took_s: list[float] = []
        beside_s = await self._probe(lambda: self._propose_often(path, took_s))
        yield figure("decision_of_10000_over_http_p50", percentile_ms(sorted(took_s), 0.5), "ms")
        yield figure("requests_p99_beside_decisions", percentile_ms(beside_s, 0.99), "ms", baseline=percentile_ms(alone_s, 0.99))

        decision = self.signer.key_file.with_name("bench-decision.json")
        approver = self.parties.approvers[0]
        decision.write_bytes((await approver.request("GET", f"{path}/decision")).content)
        await approver.post(f"{path}/approvals", msgspec.json.decode(sign_document(decision, self.signer)))
        attestation = await attested(self.parties, self.signer, decision)
        began = time.perf_counter()
        await self.parties.operator.post(f"{path}/certify", attestation)
        certified_s = time.perf_counter() - began
        await until("inventory to release the round", lambda: self._recorded_at("inventory", "inventory.round_released.v1"))
        yield figure("certify_10000_answered_after", certified_s, "s")
        yield figure("certified_10000_to_released", await self._recording_s(), "s", at_most=2)
        await until("allocation to close the round", lambda: self._closed(path))
        yield figure("certified_10000_to_closed", time.perf_counter() - began - certified_s, "s")

    async def _ask_and_accept(self, number: int) -> str:
        mass_g = UNIT_G * (1 + number % 97)
        asked = {"product": PRODUCT, "mass_g": mass_g, "daily_consumption_g": UNIT_G, "needed_by": "2099-06-30", **NAMED}
        request: str = (await self.parties.partners[PARTNER].post("/allocation/v1/requests", asked))["request"]
        accepted = {"accepted_g": mass_g, "reasons": ["all of it"]}
        await self.parties.operator.post(f"/allocation/v1/requests/{request}/accept", accepted)
        return request

    async def _propose_often(self, path: str, took_s: list[float]) -> None:
        for number in range(DECISIONS):
            began = time.perf_counter()
            await self.parties.operator.post(f"{path}/propose", {"supply_g": UNIT_G * (100_000 + number)})
            took_s.append(time.perf_counter() - began)

    async def _probe(self, work: Callable[[], Awaitable[Any]]) -> list[float]:
        """How long others' requests take while this work is done, sorted."""
        took_s: list[float] = []
        probe = asyncio.create_task(self._keep_asking(took_s))
        try:
            await work()
        finally:
            probe.cancel()
            with suppress(asyncio.CancelledError):
                await probe
        return sorted(took_s)

    async def _keep_asking(self, took_s: list[float]) -> None:
        asked = {"product": BESIDE, "mass_g": UNIT_G, "daily_consumption_g": UNIT_G, "needed_by": "2099-06-30", **NAMED}
        while True:
            began = time.perf_counter()
            await self.parties.partners[PARTNER].post("/allocation/v1/requests", asked)
            took_s.append(time.perf_counter() - began)
            await asyncio.sleep(PROBED_EVERY_S)

    async def _closed(self, path: str) -> bool | None:
        return True if (await self.parties.operator.get(path))["status"] == "released" else None

    async def _recording_s(self) -> float:
        """From the instant that allocation recorded the round as certified to the one that inventory recorded its releases."""
        released_at = await self._recorded_at("inventory", "inventory.round_released.v1")
        certified_at = await self._recorded_at("allocation", "allocation.round_certified.v2")
        assert released_at is not None and certified_at is not None
        return released_at - certified_at

    async def check(self) -> None:
        released = len(await all_rows(self.parties.auditor, "/inventory/v1/releases"))
        awarded = len(await all_rows(self.parties.auditor, "/allocation/v1/awards"))
        if not 0 < released == awarded:
            raise Unexpected(f"{awarded} awards, and {released} releases")

    async def _recorded_at(self, service: str, event_type: str) -> float | None:
        connection = await asyncpg.connect(self.deployment.database_url(service))
        try:
            query = f"SELECT extract(epoch FROM max(recorded_at)) FROM {service}.events WHERE type = $1"  # noqa: S608
            found = await connection.fetchval(query, event_type)
            return None if found is None else float(found)
        finally:
            await connection.close()


async def _each[T, R](items: Any, work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Some of them at a time, in their order."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    return list(await asyncio.gather(*(one(item) for item in items)))
