"""Hostile requests: what two readers may read otherwise, what leads inwards, what has no end. Envoy and the service are real."""

import asyncio
import contextlib
import re
from pathlib import Path

import psutil
import pytest
from joserfc.jwk import ECKey

from shared.settings import Rates
from tests.unit.edge.attackers import an_honest_caller_is_answered, attacked
from tests.unit.edge.setting import Setting, edge, get, raw, received, token
from tests.waiting import HANGS_AFTER_S

HEAD = b"host: x\r\nconnection: close\r\n"
POST = b"POST /inventory/v1/echo/ HTTP/1.1\r\n" + HEAD
GET = b"GET /inventory/v1/echo/ HTTP/1.1\r\n" + HEAD
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
INNER = b"GET /inventory/v1/echo/inner HTTP/1.1\r\nhost: x\r\n\r\n"

REFUSED = {
    "a length beside chunks": POST + b"content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nX",
    "a space before the colon": POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + INNER,
    "a coding after a control character": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked, and then identity": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "chunked twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "no coding": POST + b"transfer-encoding: \r\ncontent-length: 3\r\n\r\nabc" + INNER,
    "chunks in HTTP/1.0": b"POST /inventory/v1/echo/ HTTP/1.0\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": POST + b"content-length: 3\r\ncontent-length: 56\r\n\r\nabc" + INNER,
    "one length twice": POST + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc" + INNER,
    "a list of lengths": POST + b"content-length: 3, 3\r\n\r\nabc" + INNER,
    "a length with a sign": POST + b"content-length: +3\r\n\r\nabc" + INNER,
    "a length in base 16": POST + b"content-length: 0x3\r\n\r\nabc" + INNER,
    "a length beyond all": POST + b"content-length: 99999999999999999999999\r\n\r\nabc" + INNER,
    "a fold before all headers": b"GET /inventory/v1/echo/ HTTP/1.1\r\n x: y\r\n" + HEAD + b"\r\n",
    "a header without a colon": GET + b"x\r\n\r\n",
    "a header without a name": GET + b": x\r\n\r\n",
    "a chunk's extension that ends a line by itself": CHUNKED + b"5;a=b\nhello\r\n0\r\n\r\n" + INNER,
    "a chunk's extension with half a line's end": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n" + INNER,
    "a chunk's length with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n" + INNER,
    "a chunk's length with a sign": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n" + INNER,
    "a chunk longer than it says": CHUNKED + b"5\r\nhelloXX0\r\n\r\n" + INNER,
    "lines of a chunk that end in LF": CHUNKED + b"5\nhello\n0\n\n" + INNER,
    "a target with a fragment": b"GET /inventory/v1/echo/#x HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a target with a space": b"GET /inventory/v1/echo/ x HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a target with a NUL": b"GET /inventory/v1/echo/\x00 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a target of another scheme": b"GET ftp://x/inventory/v1/echo/ HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a method that is none": b"get /inventory/v1/echo/ HTTP/1.1\r\n" + HEAD + b"\r\n",
    "h2c, asked for": b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    "headers of a whole connection": GET.replace(b"close", b"close, host, x-forwarded-for, x-forwarded-host") + b"\r\n",
}
READ_IN_ONE_WAY = {  # and their bodies
    "a fold": (GET + b"x-fold: a\r\n b\r\n\r\n", b""),
    "lines that end in LF": (GET.replace(b"\r\n", b"\n") + b"\n", b""),
    "a chunk's extension": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-forwarded-for: 10.9.9.9\r\nauthorization: Bearer x\r\n\r\n", b"hello"),
    "a request as a body of none": (POST + b"\r\n" + INNER, b""),
    "a request as the body of a GET": (GET + b"content-length: %d\r\n\r\n" % len(INNER) + INNER, INNER),
    "a length that is hidden": (
        POST.replace(b"close", b"close, content-length") + b"content-length: %d\r\n\r\n" % len(INNER) + INNER,
        INNER,
    ),
    "a length under another name": (POST + b"content_length: 0\r\ncontent-length: 3\r\n\r\nabc", b"abc"),
    "its address in the target": (b"GET http://elsewhere.example/inventory/v1/echo/ HTTP/1.1\r\n" + HEAD + b"\r\n", b""),
}


async def test_what_two_readers_may_read_otherwise_reaches_no_service(setting: Setting) -> None:
    answers = await asyncio.gather(*(raw(setting.url, request) for request in REFUSED.values()))
    for name, answer in zip(REFUSED, answers, strict=True):
        assert re.match(rb"HTTP/1.1 40[03] ", answer), (name, answer[:80])
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b'"code": "malformed_request"' in answer, name
    assert setting.service.reached == []


@pytest.mark.parametrize("name", READ_IN_ONE_WAY)
async def test_what_is_taken_is_one_request_with_the_truth_about_its_caller(setting: Setting, name: str) -> None:
    request, body = READ_IN_ONE_WAY[name]
    answer = await raw(setting.url, request)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert setting.service.reached == ["/v1/echo/?"]
    assert b"10.9.9.9" not in answer
    assert b'["x-forwarded-for","127.0.0.1"]' in answer
    assert b'"body":"%s"' % body.replace(b"\r\n", b"\\r\\n") in answer


async def test_what_steers_envoy_is_not_taken_from_callers(setting: Setting) -> None:
    steering = {
        "x-envoy-original-path": "/metrics",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
        "x-envoy-force-trace": "true",
        "x-envoy-internal": "true",
        "x-envoy-decorator-operation": "other",
    }
    answer = await setting.http.get("/inventory/v1/echo/", headers=steering)
    assert not steering.keys() & received(answer).keys()
    assert not [name for name in answer.headers if name.startswith("x-envoy-")]


async def test_no_spelling_of_a_target_leads_inwards(setting: Setting) -> None:
    targets = [
        "http://x/inventory/metrics",
        "http://x?/inventory/metrics",
        "http://x",
        "*",
        "/inventory/metrics;x",
        "/inventory/metrics%23x",
        "/inventory\\metrics",
        "/inventory/v1/..\\metrics",
        "/inventory/%252e%252e/metrics",
        "/inventory/v1/%c0%ae%c0%ae/metrics",
        "/inventory/metrics%00",
        "/inventory//elsewhere.example/metrics",
        "//inventory/metrics",
        "/oauth/%2e%2e/metrics",
        "/.well-known/..%2fmetrics",
        "/.well-known%2f..%2fmetrics",
        "/admin.sock/config_dump",
        "/config_dump",
        "/stats",
    ]
    asked = [f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode() for target in targets]
    for target, answer in zip(targets, await asyncio.gather(*(raw(setting.url, each) for each in asked)), strict=True):
        assert re.match(rb"HTTP/1.1 40[04] ", answer), target
        assert b"internal" not in answer, target


async def test_trace_and_other_origins_get_nothing(setting: Setting) -> None:
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": "POST", "cookie": "a-session"}
    for method in ("TRACE", "OPTIONS", "PROPFIND"):
        answer = await setting.http.request(method, "/inventory/v1/echo/", headers=headers)
        assert answer.status_code in (400, 405), method
        assert "a-session" not in answer.text
        assert not [name for name in answer.headers if name.startswith("access-control-")]


ENDLESS = {
    "a chunk's extension": (CHUNKED.replace(b"close", b"keep-alive") + b"5;", b"a" * 65536),
    "chunks of a byte": (CHUNKED.replace(b"close", b"keep-alive"), b"1;a\r\nx\r\n" * 8000),
    "zeros of a chunk's length": (CHUNKED.replace(b"close", b"keep-alive"), b"0" * 65536),
    "trailers": (CHUNKED.replace(b"close", b"keep-alive") + b"0\r\n", b"x-a: %s\r\n" % (b"b" * 60) * 900),
    "empty lines": (b"", b"\r\n" * 32768),
    "a method": (b"", b"A" * 65536),
    "a header of a request after others": (INNER * 20, b"x-a: %s\r\n" % (b"b" * 60) * 900),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_has_no_end_costs_no_memory_and_keeps_nobody_waiting(setting: Setting, name: str) -> None:
    """Of 20 callers at once 2 MB each, or as much as is taken."""
    head, piece = ENDLESS[name]
    before = memory(setting)

    async def sent() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(setting.url.rsplit(":", 1)[1]))
        with contextlib.suppress(ConnectionError):
            writer.write(head)
            for _ in range(2_000_000 // len(piece)):
                writer.write(piece)
                await writer.drain()
        writers.append(writer)
        readers.append(reader)

    writers: list[asyncio.StreamWriter] = []
    readers: list[asyncio.StreamReader] = []
    async with asyncio.timeout(HANGS_AFTER_S):
        await asyncio.gather(*(sent() for _ in range(20)))
    await an_honest_caller_is_answered(setting)
    assert memory(setting) - before < 20 << 20
    for writer in writers:
        writer.close()


def memory(setting: Setting) -> int:
    process = psutil.Process(setting.process.pid)
    return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))


async def test_who_waits_to_be_told_to_go_on_is_told_and_holds_no_connection_of_a_service(setting: Setting) -> None:
    waits = POST.replace(b"close", b"keep-alive") + b"expect: 100-continue\r\ncontent-length: 10\r\n\r\n"
    async with attacked(setting, 200, waits) as attackers:
        await an_honest_caller_is_answered(setting)
        for reader in attackers.readers:
            assert await asyncio.wait_for(reader.readline(), HANGS_AFTER_S) == b"HTTP/1.1 100 Continue\r\n"
    assert setting.service.reached.count("/v1/echo/?") == 10, "the honest one's"


async def test_requests_one_after_the_other_in_one_piece_are_counted_each(tmp_path: Path) -> None:
    async with edge(
        tmp_path, rates=Rates(client_calls_per_s=1, official_calls_per_s=1, stranger_calls_per_s=1, guesses_per_s=1)
    ) as setting:
        answer = await raw(setting.url, INNER * 100 + GET + b"\r\n")
        assert b"HTTP/1.1 429 " in answer
        assert answer.count(b"HTTP/1.1 200 ") == len(setting.service.reached) < 50


async def test_tokens_of_unknown_keys_ask_the_issuer_nothing(setting: Setting) -> None:
    for _ in range(30):
        await get(setting, token("somebody", None, key=ECKey.generate_key("P-256", auto_kid=True)))
    assert setting.service.keys_asked_for <= 2, "once a minute, whoever comes"
