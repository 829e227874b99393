"""The feed: how soon a draw is on its partner's stream, what as many readers as may wait cost, and how fast one reads it from its start."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.figures import Figure, Options, figure, percentile_ms
from bench.hot_stock import PARTNER, release_stock
from bench.receipts import Connection, drain
from bench.served import BODY, Draws
from bench.wrk import find_wrk
from reserve.client import Client
from reserve.demo.parties import Parties
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving
from services.ledger.news import MOST_OF_ONE
from shared.engines.private_files import private_folder

PATH = "/ledger/v1/feed"
OTHER = "EU"  # of whom nothing happens
DRAWS, DRAWS_A_SECOND = 400, 10
READERS = MOST_OF_ONE
TURNS, STORM_S = 6, 3.0
PAGE = 1_000


async def feed(options: Options) -> AsyncGenerator[Figure]:
    """Raises what `served` raises."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(private_folder(Path(folder)))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties:
            [release] = await release_stock(parties, Path(folder), deployment.verifier_key, ["bench-oxide"])
            draws = Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws"], options)
            count, readers = options.some(DRAWS), options.some(READERS)
            took_s = await _told_after(draws, "one", 1, count)
            yield figure("draw_to_feed_p50", percentile_ms(took_s, 0.5), "ms", at_most=50)
            yield figure("draw_to_feed_p99", percentile_ms(took_s, 0.99), "ms")
            took_s = await _told_after(draws, "all", readers, max(1, count // 4))
            yield figure(f"draw_to_{readers}_readers_p99", percentile_ms(took_s, 0.99), "ms", at_most=1_000)
            ratios = [await _turn(draws, readers, number) for number in range(options.some(TURNS))]
            yield figure(f"draws_with_{readers}_idle_readers_to_without", sum(ratios) / len(ratios), "1", at_least=0.95)
            yield figure("feed_from_its_start", await _read_whole(draws), "events/s", at_least=20_000)


async def _told_after(draws: Draws, name: str, readers: int, count: int) -> list[float]:
    """Seconds from each draw's answer until it is on each reader's stream, sorted."""
    partner = draws.parties.partners[PARTNER]
    inventory = Connection(draws.endpoints.services["inventory"], await partner.token())
    answered: dict[str, float] = {}
    async with _streams(draws, partner, readers) as streams:
        reading = asyncio.gather(*(_heard(stream, count) for stream in streams))
        for number in range(count):
            status, answer = await inventory.post(draws.paths[0], BODY, f"feed-{name}-{number}")
            assert status == HTTPStatus.CREATED, answer
            answered[msgspec.json.decode(answer)["place"]] = time.perf_counter()
            await asyncio.sleep(1 / DRAWS_A_SECOND)  # the rate is the measurement's own
        heard = await reading
    inventory.close()
    return sorted(max(0.0, at - answered[place]) for each in heard for place, at in each.items())


async def _heard(stream: asyncio.StreamReader, count: int) -> dict[str, float]:
    """When each of so many draws has come."""
    at: dict[str, float] = {}
    while len(at) < count:
        line = await stream.readline()
        if line.startswith(b"data: ") and b'"inventory.stock_drawn.v1"' in line:
            at[msgspec.json.decode(line[6:])["place"]] = time.perf_counter()
        assert line, "the stream has ended"
    return at


@asynccontextmanager
async def _streams(draws: Draws, partner: Client, count: int) -> AsyncIterator[Sequence[asyncio.StreamReader]]:
    """So many readers' streams through the edge, from now on."""
    await drain(draws.parties.auditor)
    cursor = (await draws.parties.auditor.get(PATH, limit=1, after=await _end(draws.parties.auditor)))["cursor"]
    edge = urlsplit(draws.endpoints.base_url)
    asked = (f"GET {PATH}?after={cursor} HTTP/1.1", f"Host: {edge.netloc}", f"Authorization: Bearer {await partner.token()}")
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        while len(opened) < count:
            stream, writer = await asyncio.open_connection(edge.hostname, edge.port, limit=1 << 20)
            writer.write("\r\n".join((*asked, "Accept: text/event-stream", "", "")).encode())
            status = await stream.readline()
            if b" 429 " in status:  # those of the turn before are closed, and not forgotten yet
                writer.close()
                await asyncio.sleep(0.1)
                continue
            assert b" 200 " in status, status
            await stream.readuntil(b"\r\n\r\n")
            opened.append((stream, writer))
        yield [stream for stream, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def _end(auditor: Client) -> str:
    note = (await auditor.request("GET", "/ledger/v1/checkpoint")).text
    return str(int(note.splitlines()[1]) - 1)


async def _turn(draws: Draws, readers: int, number: int) -> float:
    """A storm with idle readers, and one without, the first of them by turns."""
    per_second: dict[bool, float] = {}
    for idle in (True, False) if number % 2 else (False, True):
        name = f"turn-{number}-{idle}"
        seconds = min(STORM_S, draws.options.seconds)
        async with _streams(draws, draws.parties.partners[OTHER], readers if idle else 0):
            while not (load := await draws.storm(name, seconds=seconds)).per_second:
                seconds *= 2  # a machine so short of processors that none was answered in time
        per_second[idle] = load.per_second
        await drain(draws.parties.auditor)
    return per_second[True] / per_second[False]


async def _read_whole(draws: Draws) -> float:
    """Events a second that one reader is given through the edge, from the first event on."""
    token = await draws.parties.partners[PARTNER].token()
    connection, after, count, more = Connection(draws.endpoints.base_url, token), "", 0, True
    began = time.perf_counter()
    while more:
        status, answer = await connection.get(f"{PATH}?limit={PAGE}{after}")
        assert status == HTTPStatus.OK, answer
        page = msgspec.json.decode(answer, type=_Page)
        count, more, after = count + len(page.data), page.more, f"&after={page.cursor}"
    connection.close()
    return count / (time.perf_counter() - began)


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    cursor: str
    more: bool
