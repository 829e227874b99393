"""The edge: what it costs beside nginx and none, what it remembers of idle callers, and what hostile ones do to an honest one.

Ratios are of one run, by turns. Hostile callers are set beside the same ones before a sink: what is left is what they do to the edge, not
what they take of the machine.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from joserfc.jwk import ECKey

from bench.attackers import attacks
from bench.figures import Figure, Options, figure, percentile_ms
from bench.hot_stock import release_stock
from bench.listening import Listening, free_port, listening, module
from bench.nginx import find_nginx, nginx_before
from bench.receipts import Connection, drain
from bench.served import BODY, MIB, Draws
from bench.wrk import find_wrk, post_many
from reserve.demo.parties import Parties, until
from reserve.operate.deployment import Deployment
from reserve.operate.deployment import serving as serving_edge
from reserve.operate.edge.configuration import UNHURRIED, callers_of
from reserve.operate.edge.limits import BURST_S
from reserve.operate.serving import serving
from services.identity.tokens import Claims, TokenSigner
from shared.settings import Rates, Settings

ISSUER = "https://issuer.example"
UNLIMITED = Rates(client_calls_per_s=100_000, official_calls_per_s=100_000)  # one client draws for all
TURNS = 2
IDLE = 10_000
OPENED_AT_ONCE = 100
HONEST_PER_S = 50  # half of what a partner may
OTHERS = "a_partner_at_ten_times_its_limit"


async def edge(options: Options) -> AsyncGenerator[Figure]:
    """Raises RuntimeError where an honest caller is refused: then its figure would mean nothing; and what `serving` and the calls raise."""
    find_wrk()
    async for each in _beside_others(options):
        yield each
    async for each in _idle(options):
        yield each
    async for each in _attacked(options):
        yield each
    async for each in _draws(options):
        yield each


class _Edge(msgspec.Struct, frozen=True):
    """The edge as `reserve serve` starts it, before an application that only answers."""

    front: Listening
    upstream: Listening
    tokens: TokenSigner

    def token(self, partner: str | None) -> str:
        """Of a partner's client, or of one of the Reserve's own."""
        name = partner or "operator"
        return self.tokens.sign(Claims(subject=name, client_id=name, roles=["partner" if partner else "operator"], partner=partner))


@asynccontextmanager
async def _edge(folder: Path, rates: Rates) -> AsyncIterator[_Edge]:
    tokens = TokenSigner(ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}), issuer=ISSUER, audience="reserve")
    (keys := folder / "keys.json").write_bytes(msgspec.json.encode(tokens.published()))
    (folder / "data").mkdir()
    async with listening(module("bench.bare", str(keys))) as upstream:
        environment = {
            "RESERVE_ENVIRONMENT": "local",
            "RESERVE_DATA_DIR": str(folder / "data"),
            "RESERVE_SERVICE_URLS": msgspec.json.encode({"inventory": upstream.url, "identity": upstream.url}).decode(),
            "RESERVE_INTERNAL_PORT": str(free_port()),
            "RESERVE_ISSUER": ISSUER,
            "RESERVE_JWKS_URL": f"{upstream.url}/.well-known/jwks.json",
            **{f"RESERVE_{name}".upper(): str(rate) for name, rate in rates.model_dump().items()},
        }

        def serves(port: int) -> tuple[str, ...]:
            return (sys.executable, *serving_edge("edge", port))

        async with listening(serves, environment, folder / "log") as front:
            started = _Edge(front, upstream, tokens)
            await _knows_the_keys(started, rates)
            yield started


async def _knows_the_keys(started: _Edge, rates: Rates) -> None:
    """Until then a token is counted as none."""
    headers = {"authorization": f"Bearer {started.token(None)}"}
    async with httpx.AsyncClient(base_url=started.front.url) as http:

        async def counted() -> bool | None:
            limit = (await http.get("/inventory/v1/x", headers=headers)).headers.get("x-ratelimit-limit")
            return limit == str(rates.official_calls_per_s * BURST_S) or None

        await until("the issuer's keys", counted)


async def _beside_others(options: Options) -> AsyncGenerator[Figure]:
    """Processor time a request of the size of a draw: of the edge, of nginx where it can be had, and of the application itself."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as name:
        folder, program = Path(name), find_nginx()
        async with _edge(folder, UNLIMITED) as started, AsyncExitStack() as beside:
            fronts = {"edge": started.front}
            if program is not None:
                fronts["nginx"] = await beside.enter_async_context(listening(nginx_before(program, started.upstream.port, folder)))
            async for each in _took(options, started, fronts):
                yield each


async def _took(options: Options, started: _Edge, fronts: dict[str, Listening]) -> AsyncGenerator[Figure]:
    token, took_us = started.token("JP"), dict[str, list[float]]()
    for turn in range(options.some(TURNS)):
        for name, program in {"direct": started.upstream, **fronts}.items():
            before = program.cpu_s()
            path = "/v1/x" if name == "direct" else "/inventory/v1/x"
            load = await post_many(
                program.url, [path], token, BODY, clients=options.clients, seconds=min(5.0, options.seconds), key_prefix=f"{name}-{turn}"
            )
            took_us.setdefault(name, []).append(1e6 * (program.cpu_s() - before) / load.answered)
    direct, own = statistics.mean(took_us["direct"]), statistics.mean(took_us["edge"])
    yield figure("edge_processor_time_a_request_to_a_bare_application", own, "us", baseline=direct)
    if "nginx" in took_us:
        yield figure("edge_processor_time_a_request_to_nginx", own, "us", baseline=statistics.mean(took_us["nginx"]))


async def _idle(options: Options) -> AsyncGenerator[Figure]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(options.some(IDLE), most - 500, int(UNHURRIED * callers_of(most, services=2)))
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with _edge(Path(folder), UNLIMITED) as started:
            yield figure("edge_memory_idle", started.front.memory_bytes() / MIB, "MiB", at_most=90)
            connections = [Connection(started.front.url, started.token("JP")) for _ in range(count)]
            for first in range(0, count, OPENED_AT_ONCE):
                await asyncio.gather(*(each.get("/livez") for each in connections[first : first + OPENED_AT_ONCE]))
            yield figure(f"edge_memory_{count}_idle_connections", started.front.memory_bytes() / MIB, "MiB", at_most=400)
            for each in connections:
                each.close()


async def _attacked(options: Options) -> AsyncGenerator[Figure]:
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with _edge(Path(folder), Rates()) as started, listening(module("bench.attackers", "sink")) as sink:
            token = started.token("JP")
            for name, attack in attacks(b"").items():
                took_s: dict[str, list[float]] = {"edge": [], "sink": []}
                for _ in range(options.some(TURNS)):
                    for target, program in (("sink", sink), ("edge", started.front)):
                        attacker = module("bench.attackers", name, str(program.port), str(options.some(attack.connections)), token)
                        async with listening(attacker):
                            took_s[target] += await _honest(started, min(5.0, options.seconds))
                p99_ms = {target: percentile_ms(sorted(took), 0.99) for target, took in took_s.items()}
                most = 1.2 if name == OTHERS else 1.5
                yield figure(f"honest_p99_beside_{name}", p99_ms["edge"], "ms", at_most=most * p99_ms["sink"], baseline=p99_ms["sink"])


async def _honest(started: _Edge, seconds: float) -> list[float]:
    """Seconds that each request of another partner took, which come at a steady rate, since when it was to be sent."""
    connection, began = Connection(started.front.url, started.token("US")), time.perf_counter()
    took_s = []
    for number in range(round(HONEST_PER_S * seconds)):
        due = began + number / HONEST_PER_S
        await asyncio.sleep(due - time.perf_counter())
        status, _ = await connection.post("/inventory/v1/x", BODY, f"honest-{number}")
        if status != httpx.codes.CREATED:
            raise RuntimeError(f"an honest caller was answered {status}")
        took_s.append(time.perf_counter() - due)
    connection.close()
    return took_s


async def _draws(options: Options) -> AsyncGenerator[Figure]:
    """Of a whole Reserve: through the edge, and at inventory itself."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(Path(folder), settings=Settings(**UNLIMITED.model_dump()))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            [release] = await release_stock(parties, Path(folder), deployment.verifier_key, ["bench-oxide"])
            draws = Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws"], options)
            per_s: dict[bool, list[float]] = {False: [], True: []}
            for turn in range(options.some(TURNS)):
                for through in per_s:
                    load = await draws.storm(f"{'edge' if through else 'direct'}-{turn}", edge=through, seconds=min(10.0, options.seconds))
                    per_s[through].append(load.per_second)
                    await drain(parties.auditor)
            direct, through_edge = (statistics.mean(per_s[each]) for each in (False, True))
            yield figure("draws_through_the_edge", through_edge, "draws/s", at_least=0.85 * direct, baseline=direct)
            await draws.check()
