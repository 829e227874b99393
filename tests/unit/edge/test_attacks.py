"""Hostile callers, done again on loopback, bounded in count and in time: meanwhile an honest one is answered."""

import asyncio
import contextlib
import re
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reserve.operate.edge.configuration import CONNECTIONS, HEADER_WITHIN_S, IDLE_S, QUIET_S, REQUEST_WITHIN_S
from reserve.operate.edge.limits import BURST_S, LARGE_PER_S
from reserve.operate.edge.routes import BUFFERED_BYTES
from tests.unit.edge.attackers import an_honest_caller_is_answered, attacked
from tests.unit.edge.setting import Setting, edge, raw
from tests.waiting import HANGS_AFTER_S, until


@pytest.fixture(scope="module")
async def setting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with edge(tmp_path_factory.mktemp("edge")) as setting:
        yield setting


async def held(setting: Setting) -> int:
    """Connections to the service that are open."""
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
        metrics = (await http.get(f"{setting.internal}/metrics")).text
    found = re.search(r'^envoy_cluster_upstream_cx_active{envoy_cluster_name="inventory"} (\d+)$', metrics, re.MULTILINE)
    assert found is not None
    return int(found[1])


async def test_a_header_without_end_is_given_up(setting: Setting) -> None:
    async with attacked(setting, 50, b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\nx-long: a") as attackers:
        await an_honest_caller_is_answered(setting)
        began = time.monotonic()
        for reader in attackers.readers:
            await asyncio.wait_for(reader.read(), HANGS_AFTER_S)
        assert time.monotonic() - began < 3 * HEADER_WITHIN_S


async def test_forty_megabytes_of_headers_are_refused_at_their_beginning(setting: Setting) -> None:
    small = b"".join(b"x-%06d: 1\r\n" % number for number in range(4000))
    for headers in (b"x-large: " + b"a" * (1 << 20) + b"\r\n", small):
        head = b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\n"
        async with attacked(setting, 50, head + headers):
            await an_honest_caller_is_answered(setting)
    answer = await raw(setting.url, b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\n" + small[: 200 * 13] + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code": "headers_too_large"' in answer


async def test_twelve_hundred_half_open_connections_shut_nobody_out(setting: Setting) -> None:
    async with attacked(setting, 1200, b"GET /inventory"):
        await an_honest_caller_is_answered(setting)


async def test_who_takes_all_connections_and_is_silent_is_given_up_for_others(tmp_path: Path) -> None:
    async with edge(tmp_path, callers=200) as setting:

        async def is_answered() -> bool:
            with contextlib.suppress(httpx.TransportError):  # there is none left
                async with httpx.AsyncClient(base_url=setting.url, timeout=HANGS_AFTER_S) as http:
                    return (await http.get("/inventory/v1/echo/")).status_code == 200
            return False

        began = time.monotonic()
        async with attacked(setting, 250, b""):
            await until(is_answered)
            assert time.monotonic() - began < IDLE_S / 2


@pytest.mark.parametrize("first", [b"POST %s", b"GET %s", b"GET %s\r\nconnection: content-length"], ids=["POST", "GET", "GET, hidden"])
async def test_who_is_slow_to_send_a_small_body_holds_no_connection_of_a_service(setting: Setting, first: bytes) -> None:
    head = first % b"/inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\ncontent-length: %d" % BUFFERED_BYTES + b"\r\n\r\n"
    async with attacked(setting, 600, head + b"a" * (BUFFERED_BYTES // 2)):
        await an_honest_caller_is_answered(setting)
        assert await held(setting) < 10


async def test_an_edge_that_is_short_of_memory_says_so_and_gives_up_who_is_silent(tmp_path: Path) -> None:
    head = b"POST /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % BUFFERED_BYTES
    async with edge(tmp_path, heap_bytes=30 << 20) as setting:

        async def answer() -> bytes:
            return await raw(setting.url, b"GET /inventory/v1/echo/ HTTP/1.1\r\n" + HOST + b"\r\n")

        async def is_overloaded() -> bytes | None:
            return said if (said := await answer()).startswith(b"HTTP/1.1 503 ") else None

        async def is_well() -> bool:
            return (await answer()).startswith(b"HTTP/1.1 200 ")

        async with attacked(setting, 1200, head + b"a" * (BUFFERED_BYTES - 1)):
            said = await until(is_overloaded)
            assert isinstance(said, bytes)
            assert b'"code": "edge_overloaded"' in said
            assert b"retry-after: 1" in said
            began = time.monotonic()
            await until(is_well)
            assert time.monotonic() - began < QUIET_S / 2


@pytest.mark.parametrize(
    "length",
    [
        b"content-length: 1000000",
        b"transfer-encoding: chunked",
        b"content-length: 1000000\r\nconnection: content-length",
        b"content-length: 1000\r\nconnection: content-length",
        b"transfer-encoding: chunked\r\nconnection: transfer-encoding",
    ],
)
async def test_who_is_slow_to_send_large_bodies_holds_few_connections_of_a_service(tmp_path: Path, length: bytes) -> None:
    async with edge(tmp_path) as setting:
        head = b"POST /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n" % length
        began = time.monotonic()
        async with attacked(setting, 600, head):
            await an_honest_caller_is_answered(setting)
            most = LARGE_PER_S * (BURST_S + time.monotonic() - began) + 10
            assert await held(setting) <= most
    assert LARGE_PER_S * (BURST_S + REQUEST_WITHIN_S) < CONNECTIONS / 3, "whatever time it takes"


async def test_descriptions_of_the_api_are_few_for_one_address(tmp_path: Path) -> None:
    """They are the only large answers for which nobody needs a token: who does not read them holds a connection each."""
    async with edge(tmp_path) as setting:
        paths = ["/inventory/openapi.json", "/inventory/%6fpenapi.json", "/inventory/%6Fpenapi.json", "/inventory//openap%69.json"]
        statuses = [(await setting.http.get(path)).status_code for _ in range(LARGE_PER_S * BURST_S) for path in paths]
        assert 429 in statuses
        assert (await setting.http.get("/inventory/v1/echo/")).status_code == 200


HOST = b"host: x\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /inventory/v1/echo/ HTTP/1.1\r\nconnection: close\r\n",
        b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: a\r\n" + HOST,
        b"GET /inventory/v1/echo/\r\n",
        b"GET /inventory/v1/echo/ HTTP/1.0\r\n" + HOST,
        b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST,
        b"POST /inventory/v1/echo/ HTTP/1.1\r\ntransfer-encoding: gzip\r\n" + HOST,
        b"GET /inventory/v1/echo/ HTTP/1.1\r\nupgrade: websocket\r\nhost: x\r\nconnection: upgrade\r\n",
        b"PRI * HTTP/2.0\r\n",
    ],
    ids=["no host", "two hosts", "HTTP/0.9", "HTTP/1.0", "CONNECT", "a coding", "an upgrade", "HTTP/2"],
)
async def test_what_is_no_request_of_ours_is_a_problem(setting: Setting, request_head: bytes) -> None:
    answer = await raw(setting.url, request_head + b"\r\n")
    assert re.match(rb"HTTP/1.1 40[04] ", answer), answer[:200]
    assert b"application/problem+json" in answer
    assert b'"code": "' in answer


async def test_head_has_no_body(setting: Setting) -> None:
    answer = await raw(setting.url, b"HEAD /nowhere HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\n")
