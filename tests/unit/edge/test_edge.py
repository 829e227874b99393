"""The edge between real servers on loopback: routing, streaming, header hygiene, and what happens when a service is not well."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from reserve.operate.edge.configuration import QUIET_S, REQUEST_WITHIN_S, Edge, configuration, encoded
from reserve.operate.edge.program import command
from tests.waiting import HANGS_AFTER_S, until


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """A real uvicorn server on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, **options))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


class Service:
    """A service behind the edge: it tells what reached it, and streams when the test says so."""

    def __init__(self) -> None:
        self.forget()
        self.app = FastAPI()
        self.app.api_route("/v1/echo/{rest:path}", methods=["GET", "POST", "PUT", "DELETE"])(self.echo)
        self.app.get("/v1/stream")(self.stream)
        self.app.post("/v1/import")(self.take)
        self.app.get("/v1/moved")(self.moved)
        self.app.get("/v1/silent")(self.silent)
        self.app.get("/v1/broken")(self.broken)
        self.app.get("/metrics")(self.internal)
        self.app.get("/readyz")(self.readyz)
        self.app.get("/.well-known/jwks.json")(self.internal)

    def forget(self) -> None:
        self.next_chunk = asyncio.Event()
        self.stream_cancelled = asyncio.Event()
        self.first_piece = asyncio.Event()
        self.healthy = True

    async def echo(self, request: Request) -> Response:
        content = {
            "method": request.method,
            "target": (request.scope["raw_path"] + b"?" + request.scope["query_string"]).decode("latin-1"),
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in request.scope["headers"]],
            "body": (await request.body()).decode("latin-1"),
        }
        answer = JSONResponse(content)
        for name, value in [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("keep-alive", "timeout=5"), ("x-gone", "1"), ("x-kept", "1")]:
            answer.raw_headers.append((name.encode(), value.encode()))
        answer.raw_headers.append((b"connection", b"x-gone"))
        return answer

    async def stream(self) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await self.next_chunk.wait()
                yield b"second"
            finally:
                self.stream_cancelled.set()

        return StreamingResponse(chunks())

    async def take(self, request: Request) -> Response:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if chunk:
                self.first_piece.set()
        return JSONResponse({"size": size})

    async def moved(self, request: Request) -> Response:
        own = str(request.base_url)
        return RedirectResponse(f"{own}v1/echo/there", headers={"link": f'<{own}v1/moved?cursor=2>; rel="next", <?cursor=3>; rel="last"'})

    async def silent(self) -> Response:
        await self.next_chunk.wait()
        return PlainTextResponse("late")

    async def broken(self) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionAbortedError("the service dies in the middle")

        return StreamingResponse(chunks())

    async def internal(self) -> Response:
        return PlainTextResponse("internal")

    async def readyz(self) -> Response:
        return PlainTextResponse("ready", status_code=200 if self.healthy else 503)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Setting:
    def __init__(self, service: Service, http: httpx.AsyncClient, url: str, internal: str) -> None:
        self.service, self.http, self.url, self.internal = service, http, url, internal


@contextlib.asynccontextmanager
async def edge(folder: Path, *, quiet_s: float = QUIET_S, request_s: float = REQUEST_WITHIN_S, **upstreams: str) -> AsyncIterator[Setting]:
    service = Service()
    async with serving(service.app, http="h11", timeout_keep_alive=round(HANGS_AFTER_S)) as service_url:
        port, internal = free_port(), free_port()
        told = Edge(
            host="127.0.0.1",
            port=port,
            internal_host="127.0.0.1",
            internal_port=internal,
            admin_socket=str(folder / "admin.sock"),
            upstreams={"inventory": service_url, "identity": service_url} | upstreams,
            quiet_s=quiet_s,
            request_s=request_s,
        )
        async with running(told, folder), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=HANGS_AFTER_S) as http:
            yield Setting(service, http, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal}")
            service.next_chunk.set()


@contextlib.asynccontextmanager
async def running(told: Edge, folder: Path) -> AsyncIterator[None]:
    (file := folder / "edge.json").write_bytes(encoded(configuration(told)))
    with (folder / "edge.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command(file, workers=1), stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{told.port}") as http:

            async def answers() -> bool:
                assert process.returncode is None, (folder / "edge.log").read_text()
                with contextlib.suppress(httpx.TransportError):
                    return (await http.get("/livez")).status_code == 200
                return False

            await until(answers)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    async with edge(tmp_path_factory.mktemp("edge")) as setting:
        yield setting


@pytest.fixture
def setting(shared: Setting) -> Setting:
    shared.service.forget()
    return shared


@pytest.fixture(scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """An edge that waits for half a second: for tests of time-outs alone."""
    async with edge(tmp_path_factory.mktemp("edge"), quiet_s=0.5, request_s=2) as setting:
        yield setting


async def raw(url: str, request: bytes) -> bytes:
    """What the edge answers to these bytes, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(request)
    await writer.drain()
    try:
        async with asyncio.timeout(HANGS_AFTER_S):
            return await reader.read()
    finally:
        writer.close()


def received(answer: httpx.Response) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


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
    assert (await setting.http.get("/.well-known/jwks.json")).text == "internal"
    assert (await setting.http.get("/identity/.well-known/jwks.json")).text == "internal"


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
