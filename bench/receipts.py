"""Receipts: how long after a draw's answer its ledger receipt is in hand, while draws come at a steady rate."""

import asyncio
import time
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from reserve.client import Client, ProblemAnswer
from reserve.demo.parties import until
from shared.http.crowd import MOST_OF_ONE

WAIT_S = 10


async def receipts(
    inventory: str, ledger: str, path: str, token: str, body: bytes, *, count: int, a_second: int, grade: str
) -> list[float]:
    """Seconds from each draw's answer to its receipt, sorted. `inventory` and `ledger`: base URLs."""
    idle: list[tuple[Connection, Connection]] = []
    room = asyncio.Semaphore(MOST_OF_ONE)

    async def one(number: int) -> float:
        await asyncio.sleep(number / a_second)  # the rate is the measurement's own
        async with room:
            drawing, asking = idle.pop() if idle else (Connection(inventory, token), Connection(ledger, token))
            status, answer = await drawing.post(path, body, f"receipt-{number}")
            answered = time.perf_counter()
            assert status == HTTPStatus.CREATED, answer
            place = msgspec.json.decode(answer)["place"]
            while (got := await asking.get(f"/v1/receipts/{place}?wait={WAIT_S}&grade={grade}"))[0] != HTTPStatus.OK:
                assert b"receipt_not_ready" in got[1], got
            took = time.perf_counter() - answered
            idle.append((drawing, asking))
        return took

    took_s = sorted(await asyncio.gather(*(one(number) for number in range(count))))
    for pair in idle:
        for connection in pair:
            connection.close()
    return took_s


async def drain(auditor: Client, source: str = "inventory") -> float:
    """Seconds until the ledger has signed for all that a service has recorded."""
    began = time.perf_counter()
    heads = await auditor.get(f"/{source}/v1/journal/heads")
    for shard, head in heads.items():
        if head["position"]:
            place = f"{source}/{shard}/{head['position']}"
            await until(f"the receipt of {place}", partial(_receipt, auditor, place))
    return time.perf_counter() - began


async def _receipt(auditor: Client, place: str) -> bool | None:
    try:
        await auditor.request("GET", f"/ledger/v1/receipts/{place}", query={"wait": WAIT_S})
    except ProblemAnswer as problem:
        if problem.code != "receipt_not_ready":
            raise
        return None
    return True


class Connection:
    """One kept-alive connection to a service of this machine, one request at a time: a client that costs little beside what it asks."""

    def __init__(self, base_url: str, token: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None and parts.port is not None, "the address of a service of this machine"
        self._host, self._port = parts.hostname, parts.port
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """(status, body)."""
        return await self._request(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def post(self, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        """(status, body), under that Idempotency-Key."""
        head = (
            f"POST {path} HTTP/1.1\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {key}\r\n\r\n"
        )
        return await self._request(head.encode() + body)

    async def _request(self, sent: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        start = lowered.index(b"content-length:") + len(b"content-length:")
        return int(head[9:12]), await reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
