"""Hostile callers of the edge, each kind at a steady pace, whatever it is answered; and a sink, which takes all of it and answers nothing.

`python -m bench.attackers PORT sink`, or `... PORT ATTACK TARGET_PORT CONNECTIONS TOKEN`, which attacks until it is ended.
"""

import asyncio
import contextlib
import resource
import sys

import msgspec

_VERSION = b" HTTP/1.1\r\nhost: x\r\n"
_ENTRIES = b'{"entries": [' + b",".join([b'{"a": 1}'] * 98_000) + b"]}"  # 868 KiB of what no route takes


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """So many connections that each send `first`, and then a `piece` every `every_s`; who is shut out comes again."""

    connections: int
    first: bytes = b""
    piece: bytes = b""
    every_s: float
    reads: bool = True


def _post(path: bytes, body: bytes, token: bytes = b"") -> bytes:
    bearer = b"authorization: Bearer " + token + b"\r\n" if token else b""
    return b"POST " + path + _VERSION + bearer + b"content-length: %d\r\n\r\n" % len(body) + body


def attacks(token: bytes) -> dict[str, Attack]:
    """By what they do. `token`: of a partner, for the one that has a limit of its own, a hundred a second, and sends ten times as much."""
    headers = b"GET /inventory/v1/x" + _VERSION
    return {
        "a_header_without_end": Attack(connections=50, first=headers + b"x-long: ", piece=b"a" * 4096, every_s=0.1),
        "many_small_headers": Attack(connections=50, first=headers, piece=b"x-small: 1\r\n" * 100, every_s=0.1),
        "half_open_connections": Attack(connections=1200, first=b"GET /inventory", every_s=1),
        "readers_that_do_not_read": Attack(connections=100, first=b"GET /inventory/v1/large" + _VERSION + b"\r\n", every_s=1, reads=False),
        "large_bodies": Attack(connections=4, piece=_post(b"/inventory/v1/x", _ENTRIES), every_s=0.5),
        "guesses_at_the_issuer": Attack(connections=60, piece=_post(b"/oauth/token", b"client_secret=guess"), every_s=0.2),
        "a_partner_at_ten_times_its_limit": Attack(connections=20, piece=_post(b"/inventory/v1/x", b"{}", token), every_s=0.02),
    }


async def attack(port: int, what: Attack, connections: int) -> None:
    """Until it is cancelled."""
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        await asyncio.sleep(what.every_s * number / connections)
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                reading = loop.create_task(_read(reader)) if what.reads else None
                if not what.reads:
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                writer.write(what.first)
                while not writer.is_closing() and not (reading is not None and reading.done()):
                    if writer.transport.get_write_buffer_size() < len(what.piece) + 1:  # who is not read from sends no more
                        writer.write(what.piece)
                    await asyncio.sleep(what.every_s)
                writer.close()
            await asyncio.sleep(what.every_s)

    await asyncio.gather(*(one(number) for number in range(connections)))


async def _read(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


async def sink(port: int) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read(reader)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", port, backlog=1024) as server:
        await server.serve_forever()


def main(port: int, what: str, *rest: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if what == "sink":
        asyncio.run(sink(port))
    target, connections, token = rest
    asyncio.run(_attack_and_listen(port, int(target), attacks(token.encode())[what], int(connections)))


async def _attack_and_listen(port: int, target: int, what: Attack, connections: int) -> None:
    """It listens, too, so that it is seen to have begun."""
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port):
        await attack(target, what, connections)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
