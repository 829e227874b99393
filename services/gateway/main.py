"""The gateway as an ASGI application: its own health and metrics, and everything else handed on."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from services.gateway.headers import SECURITY
from services.gateway.proxy import QUIET_TIMEOUT_S, Proxy
from shared.http import problems
from shared.http.problems import Problem
from shared.observe import telemetry
from shared.settings import Settings

READY_TIMEOUT_S = 2.0


def create_app(settings: Settings, upstreams: Mapping[str, str], *, quiet_timeout_s: float = QUIET_TIMEOUT_S) -> Starlette:
    """`upstreams`: {"inventory": "http://127.0.0.1:8101", ...}. `/inventory/...` goes there; `/oauth` and `/.well-known` go to identity."""
    telemetry.configure("gateway", settings)
    proxy = Proxy(upstreams, quiet_timeout_s=quiet_timeout_s)
    http = httpx.AsyncClient(timeout=READY_TIMEOUT_S, trust_env=False)

    async def livez(request: Request) -> JSONResponse:
        return _health({"status": "live"}, 200)

    async def readyz(request: Request) -> JSONResponse:
        """Ready when every service is; else 503 and what each one says."""
        states = dict(zip(upstreams, await asyncio.gather(*(_state(http, url) for url in upstreams.values())), strict=True))
        ready = all(state == "ready" for state in states.values())
        return _health({"status": "ready" if ready else "not_ready", "services": states}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        """For whoever scrapes from within the deployment; to others nothing is there."""
        if not _from_within(request):
            raise Problem("route_not_found", "Nothing is served at this path")
        return await telemetry.metrics_answer(request)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await proxy.start()
        yield
        await proxy.aclose()
        await http.aclose()

    own = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    app = Starlette(routes=[*own, Mount("/", proxy)], lifespan=lifespan)
    problems.install(app)
    app.add_middleware(telemetry.RequestMetrics, service="gateway")
    return app


def _from_within(request: Request) -> bool:
    """Whether the caller is on a private network and nobody asks for it: our port is the one that the world may reach."""
    forwarded = "forwarded" in request.headers or "x-forwarded-for" in request.headers
    return not forwarded and request.client is not None and ipaddress.ip_address(request.client.host).is_private


async def _state(http: httpx.AsyncClient, base_url: str) -> str:
    try:
        answer = await http.get(f"{base_url.rstrip('/')}/readyz")
    except httpx.TransportError:
        return "unreachable"
    return "ready" if answer.status_code == 200 else f"not ready ({answer.status_code})"


def _health(body: dict[str, object], status: int) -> JSONResponse:
    headers = {name.decode(): value.decode() for name, value in SECURITY} | {"cache-control": "no-store"}
    return JSONResponse(body, status_code=status, headers=headers)
