"""A small HTTP/1.1 load generator: kept-alive connections of its own, so that the client costs as little as it can."""

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What a run measured. Latencies are seconds, sorted."""

    accepted: int
    refused: dict[int, int]  # by HTTP status
    seconds: float
    latencies_s: list[float]

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds


def percentile_ms(sorted_s: Sequence[float], share: float) -> float:
    return 1000 * sorted_s[min(len(sorted_s) - 1, int(share * len(sorted_s)))]


class Connection:
    """One kept-alive connection to a service of this machine. One request at a time."""

    def __init__(self, base_url: str, token: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None and parts.port is not None, "the address of a service of this machine"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """(status, body)."""
        return await self._request(f"GET {self._prefix}{path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def post(self, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        """(status, body), under that Idempotency-Key."""
        head = (
            f"POST {self._prefix}{path} HTTP/1.1\r\n{self._head}"
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


async def post_many(base_url: str, path: str, token: str, body: bytes, *, clients: int, seconds: float, key_prefix: str) -> Load:
    """`clients` connections for `seconds`, each sending its next POST when the last is answered."""
    latencies: list[float] = []
    refused: dict[int, int] = {}
    began = time.perf_counter()
    ends = began + seconds

    async def client(number: int) -> None:
        connection = Connection(base_url, token)
        count = 0
        while (start := time.perf_counter()) < ends:
            status, _ = await connection.post(path, body, f"{key_prefix}-{number}-{count}")
            count += 1
            if 200 <= status < 300:
                latencies.append(time.perf_counter() - start)
            else:
                refused[status] = refused.get(status, 0) + 1
        connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return Load(len(latencies), refused, time.perf_counter() - began, sorted(latencies))
