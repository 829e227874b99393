"""A small HTTP/1.1 load generator: many kept-alive connections, each sending its next POST when the last is answered."""

import asyncio
import time
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

    def percentile_ms(self, share: float) -> float:
        return 1000 * self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


async def post_many(url: str, token: str, body: bytes, *, clients: int, seconds: float, key_prefix: str) -> Load:
    """`clients` connections for `seconds`, each request with an Idempotency-Key of its own."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None, "the address of a service of this machine"
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    ).encode()
    latencies: list[float] = []
    refused: dict[int, int] = {}
    began = time.perf_counter()
    ends = began + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        count = 0
        while (start := time.perf_counter()) < ends:
            writer.write(head + f"{key_prefix}-{number}-{count}\r\n\r\n".encode() + body)
            status = await _status_of_answer(reader)
            count += 1
            if 200 <= status < 300:
                latencies.append(time.perf_counter() - start)
            else:
                refused[status] = refused.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return Load(len(latencies), refused, time.perf_counter() - began, sorted(latencies))


async def _status_of_answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    start = lowered.index(b"content-length:") + len(b"content-length:")
    await reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))
    return int(head[9:12])
