"""The edge is told to end, as a platform of containers tells it: by SIGTERM, and nothing before."""

import asyncio
import contextlib
import signal
from pathlib import Path

import httpx
import psutil

from tests.unit.edge.setting import PAGE, edge, raw
from tests.waiting import HANGS_AFTER_S, until


async def refused(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_who_is_answered_when_the_edge_is_told_to_end_is_answered_whole_and_nobody_new_is_let_in(tmp_path: Path) -> None:
    async with edge(tmp_path) as setting, httpx.AsyncClient(base_url=setting.url, timeout=HANGS_AFTER_S) as idle:
        assert (await idle.get("/inventory/v1/page", params={"kind": "text/plain"})).content == PAGE  # a connection that is kept
        waits = asyncio.create_task(raw(setting.url, b"GET /inventory/v1/silent HTTP/1.1\r\nhost: x\r\n\r\n"))
        async with setting.http.stream("GET", "/inventory/v1/stream") as streamed:
            pieces = streamed.aiter_raw()
            assert await anext(pieces) == b"first"
            setting.process.send_signal(signal.SIGTERM)
            await until(lambda: refused(setting.url))
            assert not waits.done()
            setting.service.next_chunk.set()
            assert [piece async for piece in pieces] == [b"second"]
        answer = await waits  # to the end of the connection
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b"late")
        assert await setting.process.wait() == 0


async def test_told_twice_the_edge_ends_at_once(tmp_path: Path) -> None:
    async with edge(tmp_path) as setting, setting.http.stream("GET", "/inventory/v1/stream") as streamed:
        assert await anext(streamed.aiter_raw()) == b"first"
        setting.process.send_signal(signal.SIGTERM)
        await until(lambda: refused(setting.url))
        setting.process.send_signal(signal.SIGTERM)
        assert await setting.process.wait() == 0


async def test_envoy_does_not_outlive_a_program_that_is_killed(tmp_path: Path) -> None:
    async with edge(tmp_path) as setting:
        [envoy] = psutil.Process(setting.process.pid).children()
        setting.process.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            await until(lambda: envoy.status() == psutil.STATUS_ZOMBIE)
