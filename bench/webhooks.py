"""Webhooks: how many events a second are delivered to one receiver that answers at once, and to a hundred."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figures import Figure, Options, figure
from bench.hot_stock import PARTNER, release_stock
from bench.receipts import drain
from bench.served import Draws
from bench.wrk import find_wrk
from reserve.client import Client
from reserve.demo.parties import Parties
from reserve.operate.deployment import Deployment
from reserve.operate.serving import serving
from shared.engines.private_files import private_folder

PATH = "/ledger/v1/webhooks"
STORM_S = 5.0
MANY = 100
DELIVERIES = 3_000  # to one
DELIVERIES_TO_MANY = 10_000
_TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


async def webhooks(options: Options) -> AsyncGenerator[Figure]:
    """Raises what `served` raises."""
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        deployment = Deployment(private_folder(Path(folder)))
        async with serving(deployment) as endpoints, Parties(endpoints) as parties, _receiving() as (url, arrived):
            [release] = await release_stock(parties, Path(folder), deployment.verifier_key, ["bench-oxide"])
            draws = Draws(deployment, parties, endpoints, [f"/v1/releases/{release}/draws"], options)
            drawn = max(1, (await draws.storm("webhooks", seconds=min(STORM_S, options.seconds))).answered)  # each has so many to come
            await drain(parties.auditor)
            partner = parties.partners[PARTNER]
            one = await _delivered(partner, url, arrived, 1, min(drawn, options.some(DELIVERIES)))
            yield figure("webhook_deliveries_to_one", one, "1/s", at_least=300)
            many = await _delivered(partner, url, arrived, MANY, min(MANY * drawn, options.some(DELIVERIES_TO_MANY)))
            yield figure(f"webhook_deliveries_to_{MANY}", many, "1/s", at_least=1_000)


async def _delivered(partner: Client, url: str, arrived: list[float], receivers: int, count: int) -> float:
    """Deliveries a second of the partner's events from its first one on, to so many, from the first that arrived to the last."""
    registered = [(await partner.post(PATH, {"url": url}))["webhook"] for _ in range(receivers)]
    arrived.clear()
    for webhook in registered:
        await partner.post(f"{PATH}/{webhook}/replay", {})
    while len(arrived) < count:  # noqa: ASYNC110  # what arrives is counted where it is timed
        await asyncio.sleep(0.05)
    took_s = arrived[count - 1] - arrived[0]
    for webhook in registered:
        await partner.post(f"{PATH}/{webhook}/remove", {})
    return (count - 1) / took_s if took_s else float(count)


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[str, list[float]]]:
    """(the URL of a receiver on the loopback, when each event arrived)"""
    arrived: list[float] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Receiver(arrived), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", arrived
    finally:
        server.close()  # and waits for no connection: the ledger keeps some until it calls another


class _Receiver(asyncio.Protocol):
    """Answers as fast as Python does."""

    def __init__(self, arrived: list[float]) -> None:
        self._arrived = arrived
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, ended, body = self._buffer.partition(b"\r\n\r\n")
        if not ended:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._buffer = body[length:]
            self._arrived.append(time.perf_counter())
            self._transport.write(_TAKEN)
