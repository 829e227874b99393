"""A setting for tests of the edge: Envoy between real servers on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from joserfc.jwk import ECKey, KeySet
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from reserve.operate.edge.configuration import CALLERS, HEAP_BYTES, QUIET_S, REQUEST_WITHIN_S, Edge, configuration, encoded
from reserve.operate.edge.limits import Issuer
from reserve.operate.edge.program import command
from services.identity.tokens import Claims, TokenSigner
from shared.settings import Rates
from tests.kernel.stage import free_port
from tests.waiting import HANGS_AFTER_S, until

ISSUER = "https://issuer.example"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
PAGE = b"[%s]" % b",".join(b'{"position": %d}' % position for position in range(1000))
MANY = Rates(client_calls_per_s=1000, official_calls_per_s=1000, stranger_calls_per_s=1000, guesses_per_s=1000)


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
        self.app.get("/v1/page")(self.page)
        self.app.post("/v1/import")(self.take)
        self.app.get("/v1/moved")(self.moved)
        self.app.get("/v1/silent")(self.silent)
        self.app.get("/v1/broken")(self.broken)
        self.app.get("/metrics")(self.internal)
        self.app.get("/readyz")(self.readyz)
        self.app.get("/.well-known/jwks.json")(self.jwks)
        self.app.post("/oauth/token")(self.internal)

    def forget(self) -> None:
        self.next_chunk = asyncio.Event()
        self.stream_cancelled = asyncio.Event()
        self.first_piece = asyncio.Event()
        self.healthy = True
        self.reached: list[str] = []  # targets of requests to echo
        self.keys_asked_for = 0

    async def echo(self, request: Request) -> Response:
        target = (request.scope["raw_path"] + b"?" + request.scope["query_string"]).decode("latin-1")
        self.reached.append(target)
        content = {
            "method": request.method,
            "target": target,
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in request.scope["headers"]],
            "body": (await request.body()).decode("latin-1"),
        }
        answer = JSONResponse(content)
        for name, value in [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("keep-alive", "timeout=5"), ("x-gone", "1"), ("x-kept", "1")]:
            answer.raw_headers.append((name.encode(), value.encode()))
        answer.raw_headers.append((b"connection", b"x-gone"))
        return answer

    async def stream(self, kind: str = "application/octet-stream") -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await self.next_chunk.wait()
                yield b"second"
            finally:
                self.stream_cancelled.set()

        return StreamingResponse(chunks(), media_type=kind)

    async def page(self, kind: str, etag: str | None = None) -> Response:
        return Response(PAGE, media_type=kind, headers={} if etag is None else {"etag": etag})

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

    async def jwks(self) -> Response:
        self.keys_asked_for += 1
        return JSONResponse(KeySet([KEY]).as_dict(private=False))

    async def readyz(self) -> Response:
        return PlainTextResponse("ready", status_code=200 if self.healthy else 503)


class Setting:
    def __init__(self, service: Service, http: httpx.AsyncClient, url: str, internal: str, process: asyncio.subprocess.Process) -> None:
        self.service, self.http, self.url, self.internal, self.process = service, http, url, internal, process


@contextlib.asynccontextmanager
async def edge(
    folder: Path,
    *,
    quiet_s: float = QUIET_S,
    request_s: float = REQUEST_WITHIN_S,
    rates: Rates = MANY,
    heap_bytes: int = HEAP_BYTES,
    callers: int = CALLERS,
    **upstreams: str,
) -> AsyncIterator[Setting]:
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
            issuer=Issuer(ISSUER, "reserve", f"{service_url}/.well-known/jwks.json"),
            rates=rates,
            heap_bytes=heap_bytes,
            callers=callers,
            quiet_s=quiet_s,
            request_s=request_s,
        )
        async with running(told, folder) as process, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=HANGS_AFTER_S) as http:
            yield Setting(service, http, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal}", process)
            service.next_chunk.set()


@contextlib.asynccontextmanager
async def running(told: Edge, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    (file := folder / "edge.json").write_bytes(encoded(configuration(told)))
    with (folder / "edge.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command(file, told.admin_socket, workers=1), stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{told.port}") as http:

            async def answers() -> bool:
                assert process.returncode is None, (folder / "edge.log").read_text()
                with contextlib.suppress(httpx.TransportError):
                    return (await http.get("/livez")).status_code == 200
                return False

            await until(answers)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


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


def token(subject: str, partner: str | None, *, client: str | None = None, key: ECKey = KEY, borrower: str | None = None) -> str:
    signer = TokenSigner(key, issuer=ISSUER, audience="reserve")
    return signer.sign(Claims(subject=subject, client_id=client or subject, roles=["partner"], partner=partner, borrower=borrower))


async def get(setting: Setting, bearer: str | None = None, path: str = "/inventory/v1/echo/") -> httpx.Response:
    return await setting.http.get(path, headers={} if bearer is None else {"authorization": f"Bearer {bearer}"})
