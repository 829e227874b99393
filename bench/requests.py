"""Requests over HTTP: many clients of one partner ask for one product, and each request is recorded once."""

import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import msgspec

from bench.figures import Figure, Options, figure
from bench.hot_stock import PARTNER, UNIT_G, agree_on_stock, empowered_approver
from bench.processors import cpu_s
from bench.receipts import drain
from bench.wrk import find_wrk, post_many
from reserve.demo.parties import Parties, Unexpected
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving

PRODUCT = "bench-oxide"
ASKED = {
    "product": PRODUCT,
    "mass_g": UNIT_G,
    "daily_consumption_g": UNIT_G,
    "needed_by": "2099-06-30",
    "nominee": "a nominee",
    "consignee": "a consignee",
    "end_user": "a smelter",
    "end_use": "measuring",
}


async def requests(options: Options) -> AsyncGenerator[Figure]:
    """Raises Unexpected if what was acknowledged is not what the read table holds at the end, RuntimeError if any request was refused."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(Path(folder))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            signer = await empowered_approver(parties, Path(folder), deployment.verifier_key)
            await agree_on_stock(parties, [PRODUCT], signer)
            await parties.partners[PARTNER].post("/allocation/v1/requests", ASKED)  # a refusal would say why
            token = await parties.partners[PARTNER].token()
            before_s = cpu_s(deployment)
            load = await post_many(
                endpoints.services["allocation"],
                ["/v1/requests"],
                token,
                msgspec.json.encode(ASKED),
                clients=options.clients,
                seconds=options.seconds,
                key_prefix="asked",
            )
            drained_s = await drain(parties.auditor)
            yield figure("requests", load.per_second, "requests/s", at_least=2_000)
            yield figure("requests_p50", load.p50_ms, "ms")
            yield figure("requests_p99", load.p99_ms, "ms")
            yield figure("requests_drained_after", drained_s, "s", at_most=60)
            for program, after_s in cpu_s(deployment).items():
                yield figure(f"requests_cpu_of_{program}", 1e6 * (after_s - before_s[program]) / load.answered, "us/request")
            kept = await _kept(deployment)
            if not load.answered < kept <= 1 + load.answered + options.clients:
                raise Unexpected(f"{load.answered} requests were acknowledged, and {kept} are kept")


async def _kept(deployment: Deployment) -> int:
    connection = await asyncpg.connect(deployment.database_url("allocation"))
    try:
        return int(await connection.fetchval("SELECT count(*) FROM allocation.requests"))
    finally:
        await connection.close()
