"""The edge between real servers on loopback: routing, streaming, header hygiene, and what happens when a service is not well."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from tests.unit.edge.setting import Setting, edge, raw, received
from tests.waiting import HANGS_AFTER_S


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """An edge that waits for half a second: for tests of time-outs alone."""
    async with edge(tmp_path_factory.mktemp("edge"), quiet_s=0.5, request_s=2) as setting:
        yield setting


async def test_a_request_reaches_its_service_with_method_target_and_body_as_they_were(setting: Setting) -> None:
    answer = await setting.http.put("/inventory/v1/echo/a%2Fb%20c?x=1&x=%26&y=+", content=b"the body")
    told = answer.json()
    assert told["method"] == "PUT"
    assert told["target"] == "/v1/echo/a%2Fb%20c?x=1&x=%26&y=+"
    assert told["body"] == "the body"


async def test_what_callers_claim_about_themselves_is_dropped_and_the_truth_is_added(setting: Setting) -> None:
    claims = {
        "x-forwarded-for": "10.9.9.9",
        "x-forwarded-host": "evil.example",
        "forwarded": "for=10.9.9.9",
        "x-real-ip": "10.9.9.9",
        "x-reserve-partner": "JP",
        "authorization": "Bearer token",
    }
    headers = received(await setting.http.get("/inventory/v1/echo/", headers=claims))
    public_host = setting.url.removeprefix("http://")
    assert headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-forwarded-host"] == [public_host]
    assert headers["x-forwarded-proto"] == ["http"]
    assert headers["x-forwarded-prefix"] == ["/inventory"]
    assert headers["host"] != [public_host]
    assert headers["authorization"] == ["Bearer token"]
    assert not {"forwarded", "x-real-ip", "x-reserve-partner"} & headers.keys()


async def test_hop_by_hop_headers_end_at_the_gateway_in_both_directions(setting: Setting) -> None:
    hop = {"connection": "x-mine, keep-alive", "x-mine": "1", "te": "trailers", "proxy-authorization": "Basic eA==", "upgrade": "h2c"}
    answer = await setting.http.get("/inventory/v1/echo/", headers=hop)
    assert not {"x-mine", "te", "proxy-authorization", "upgrade", "keep-alive"} & received(answer).keys()
    for connection in ("X-Mine", "close, x-mine", "x-other,,\tx-mine"):
        again = await setting.http.get("/inventory/v1/echo/", headers={"connection": connection, "x-mine": "1"})
        assert not {"x-mine", "connection"} & received(again).keys(), connection
    assert answer.headers["x-kept"] == "1"
    assert not {"x-gone", "keep-alive"} & answer.headers.keys()
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(answer.headers.get_list("server")) == len(answer.headers.get_list("date")) == 1


async def test_every_request_has_one_well_formed_id(setting: Setting) -> None:
    given = await setting.http.get("/inventory/v1/echo/", headers={"x-request-id": "demo-0001"})
    malformed = await setting.http.get("/inventory/v1/echo/", headers={"x-request-id": "a b;<c>"})
    absent = await setting.http.get("/inventory/v1/echo/")
    assert received(given)["x-request-id"] == ["demo-0001"] == given.headers.get_list("x-request-id")
    for answer in (malformed, absent):
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert received(answer)["x-request-id"] == [answer.headers["x-request-id"]]


TRACE = "ab" * 16


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-request-id": "demo-0001"}, {"traceparent": "malformed"}, {"traceparent": f"00-{TRACE.upper()}-{'1' * 16}-01"}],
    ids=["none", "an id that is no trace's", "malformed", "in capitals"],
)
async def test_a_request_without_a_trace_is_given_one(setting: Setting, headers: dict[str, str]) -> None:
    reached = received(await setting.http.get("/inventory/v1/echo/", headers=headers | {"tracestate": "vendor=1"}))
    [parent] = reached["traceparent"]
    found = re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-00", parent)
    assert found is not None
    assert found[1] != TRACE
    assert "tracestate" not in reached, "it is another trace's"
    if "x-request-id" not in headers:
        assert [found[1]] == reached["x-request-id"]


async def test_a_trace_that_a_caller_has_begun_goes_on(setting: Setting) -> None:
    begun = {"traceparent": f"00-{TRACE}-{'1' * 16}-01", "tracestate": "vendor=1"}
    reached = received(await setting.http.get("/inventory/v1/echo/", headers=begun))
    assert {name: reached[name] for name in begun} == {name: [value] for name, value in begun.items()}
    named = received(await setting.http.get("/inventory/v1/echo/", headers={"x-request-id": TRACE}))
    assert named["traceparent"][0].startswith(f"00-{TRACE}-")
    twice = ("traceparent: " + begun["traceparent"] + "\r\n") * 2
    answer = await raw(setting.url, f"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\n{twice}connection: close\r\n\r\n".encode())
    assert TRACE.encode() not in answer


async def test_of_the_traces_that_the_edge_begins_a_share_is_kept(setting: Setting) -> None:
    """By the sampler's own word, of half of them. It would be none, or all, of ids that are a UUID's digits in their order."""
    sampler = TraceIdRatioBased(0.5)
    ids = [(await setting.http.get("/inventory/v1/echo/")).headers["x-request-id"] for _ in range(50)]
    kept = [sampler.should_sample(None, int(each, 16), "a request").decision is Decision.RECORD_AND_SAMPLE for each in ids]
    assert len(set(kept)) == 2


async def test_answers_carry_security_headers(setting: Setting) -> None:
    for path in ("/inventory/v1/echo/", "/nowhere", "/livez"):
        headers = (await setting.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_an_answer_streams_before_it_ends(setting: Setting) -> None:
    async with setting.http.stream("GET", "/inventory/v1/stream") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks) == b"first"
        setting.service.next_chunk.set()
        assert b"".join([chunk async for chunk in chunks]) == b"second"


async def test_a_request_streams_before_it_ends(setting: Setting) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10
        async with asyncio.timeout(HANGS_AFTER_S):
            await setting.service.first_piece.wait()
        for _ in range(10):
            yield b"x" * 65536

    answer = await setting.http.post("/inventory/v1/import", content=pieces())
    assert answer.json() == {"size": 10 + 10 * 65536}


async def test_a_caller_that_leaves_stops_the_work_for_it(setting: Setting) -> None:
    async with setting.http.stream("GET", "/inventory/v1/stream") as answer:
        assert await anext(answer.aiter_raw()) == b"first"
    async with asyncio.timeout(HANGS_AFTER_S):
        await setting.service.stream_cancelled.wait()


async def test_a_services_own_address_becomes_the_public_one_and_relative_ones_stay(setting: Setting) -> None:
    answer = await setting.http.get("/inventory/v1/moved")
    assert str(answer.url.join(answer.headers["location"])) == f"{setting.url}/inventory/v1/echo/there"
    assert answer.headers["link"] == '</inventory/v1/moved?cursor=2>; rel="next", <?cursor=3>; rel="last"'
    for host in (b"evil.example/x?", b"evil.example@x", b"a b", b""):
        forged = await raw(setting.url, b"GET /inventory/v1/moved HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n" % host)
        assert forged.startswith(b"HTTP/1.1 400 ") or b"location: /inventory/v1/echo/there\r\n" in forged, host


async def test_internal_routes_and_unknown_services_are_not_there(setting: Setting) -> None:
    paths = [
        "/inventory/metrics",
        "/inventory/%6Detrics",
        "/inventory//metrics",
        "/inventory/metrics/",
        "/inventory/%2Fmetrics",
        "/inventory/Metrics",
        "/inventory/livez",
        "/inventory/readyz",
        "/inventory/x/../metrics",
        "/inventory/%2e%2e/metrics",
        "/inventory/metrics%0a",
        "/inventory/readyz%0A",
        "/inventory/livez%7f",
        "/inventory/v1/echo/%1f",
        "/nowhere/v1/echo/",
        "/",
    ]
    asked = [f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode() for path in paths]
    answers = await asyncio.gather(*(raw(setting.url, each) for each in asked))
    for path, answer in zip(paths, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 404 "), path
        assert b'"code": "route_not_found"' in answer, path


async def test_oauth_and_well_known_paths_belong_to_identity(setting: Setting) -> None:
    assert (await setting.http.get("/.well-known/jwks.json")).json()["keys"]
    assert (await setting.http.get("/identity/.well-known/jwks.json")).json()["keys"]


async def test_a_dead_service_is_unavailable_and_the_others_go_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    async with edge(tmp_path, ledger=f"http://127.0.0.1:{free_port}") as setting:
        answer = await setting.http.get("/ledger/v1/entries")
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["instance"].endswith(answer.headers["x-request-id"])
        assert str(free_port) not in answer.text
        assert (await setting.http.get("/inventory/v1/echo/")).status_code == 200
        ready = await setting.http.get("/readyz")
        assert (ready.status_code, ready.json()["services"]["ledger"]) == (503, "unreachable")


async def test_a_silent_service_is_a_time_out(impatient: Setting) -> None:
    answer = await impatient.http.get("/inventory/v1/silent")
    assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")


async def test_a_caller_whose_body_stops_coming_is_not_waited_for(impatient: Setting) -> None:
    answer = await raw(impatient.url, b"POST /inventory/v1/import HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in answer


async def test_a_caller_that_sends_a_byte_at_a_time_is_not_waited_for(impatient: Setting) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(impatient.url.rsplit(":", 1)[1]))
    writer.write(b"POST /inventory/v1/import HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
    answer = asyncio.create_task(reader.readline())
    async with asyncio.timeout(HANGS_AFTER_S):
        while not answer.done():
            writer.write(b"x")
            await asyncio.wait({answer}, timeout=0.1)  # as slow as it likes to be
    assert (await answer).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_target_or_header_that_cannot_be_passed_on_is_refused(setting: Setting) -> None:
    for request in (
        b"GET /inventory/v1/echo/\xff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\nx-odd: a\x00b\r\nconnection: close\r\n\r\n",
    ):
        assert (await raw(setting.url, request)).startswith(b"HTTP/1.1 400 ")


async def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(setting: Setting) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await setting.http.get("/inventory/v1/broken")


async def test_the_gateway_is_ready_when_every_service_is(setting: Setting) -> None:
    assert (await setting.http.get("/livez")).status_code == 200
    assert (await setting.http.get("/readyz")).json() == {"status": "ready", "services": {"inventory": "ready", "identity": "ready"}}
    setting.service.healthy = False
    answer = await setting.http.get("/readyz")
    assert (answer.status_code, answer.json()["services"]["inventory"]) == (503, "not ready (503)")


async def test_requests_are_counted_by_the_service_that_they_are_for(setting: Setting) -> None:
    await setting.http.get("/inventory/v1/echo/a-path-of-its-own")
    await setting.http.get("/.well-known/jwks.json")
    await setting.http.get("/a-stranger/v1/echo/")
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
        metrics = (await http.get(f"{setting.internal}/metrics")).text
    for service in ("inventory", "identity"):
        assert re.search(rf'envoy_cluster_external_upstream_rq_xx{{[^}}]*envoy_cluster_name="{service}"[^}}]*}} [1-9]', metrics)
    assert "a-path-of-its-own" not in metrics
    assert "a-stranger" not in metrics


async def test_metrics_and_what_else_is_internal_have_a_port_of_their_own(setting: Setting) -> None:
    assert (await setting.http.get("/metrics")).status_code == 404
    async with httpx.AsyncClient(base_url=setting.internal, timeout=HANGS_AFTER_S) as http:
        assert (await http.get("/readyz")).status_code == 200
        for path in ("/quitquitquit", "/config_dump", "/stats", "/", "/inventory/v1/echo/", "/metrics/../config_dump"):
            assert (await http.get(path)).status_code == 404, path
            assert (await http.post(path)).status_code == 404, path


async def test_many_callers_at_once_get_each_their_own_answer(setting: Setting) -> None:
    bodies = [f"body {number}" for number in range(100)]
    answers = await asyncio.gather(*(setting.http.post("/inventory/v1/echo/", content=body) for body in bodies))
    assert [answer.json()["body"] for answer in answers] == bodies


async def test_a_length_beside_chunks_is_refused(setting: Setting) -> None:
    head = b"POST /inventory/v1/echo/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    smuggled = await raw(setting.url, head + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
    assert smuggled.startswith(b"HTTP/1.1 400 ")
