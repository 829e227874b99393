"""The reverse proxy: streams both ways, byte for byte, with a time limit on every wait.

It stands on httpx's transport, below its client: no cookies kept, no redirects followed, no encodings undone, the target as it came.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import structlog
from starlette.types import Receive, Scope, Send

from services.gateway.headers import Headers, header, public_origin, to_caller, to_service, with_security
from services.gateway.routing import Destination, destination
from shared.problems import REQUEST_ID_HEADER, Entry, Problem, ProblemResponse, register, request_id

CONNECT_TIMEOUT_S = 2.0
QUIET_TIMEOUT_S = 30.0  # between two pieces of a request or an answer
POOL_TIMEOUT_S = 5.0
CONNECTIONS = 512  # to each service
KEEP_ALIVE_S = 4.0  # below uvicorn's 5, so that it is we who close an idle connection

log = structlog.get_logger(__name__)

register(
    {
        "service_unavailable": Entry(503, "The service cannot be reached at the moment"),
        "upstream_timeout": Entry(504, "The service did not answer in time"),
    }
)


class _CallerLeft(Exception):
    """The connection closed before the request's body was whole."""


class _Body(httpx.AsyncByteStream):
    """The request's body as the caller sends it; afterwards, word of the caller's leaving."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _CallerLeft
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self._whole.set()

    async def caller_left(self) -> None:
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Proxy:
    """An ASGI application that hands each request to its service.

    `upstreams` has each service's base URL, without a path. Refuses with the problems route_not_found, service_unavailable (503, with
    Retry-After), upstream_timeout (504) and malformed_request.
    """

    def __init__(self, upstreams: Mapping[str, str], *, quiet_timeout_s: float = QUIET_TIMEOUT_S) -> None:
        self._bases = {name: httpx.URL(url) for name, url in upstreams.items()}
        self._services = frozenset(upstreams)
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S)
        # A pool each: a service that hangs uses up its own connections only.
        self._transports = {name: httpx.AsyncHTTPTransport(limits=limits, trust_env=False) for name in upstreams}
        self._timeout = {"connect": CONNECT_TIMEOUT_S, "read": quiet_timeout_s, "write": quiet_timeout_s, "pool": POOL_TIMEOUT_S}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        correlation = request_id(scope)
        try:
            await self._hand_on(scope, receive, send, correlation)
        except Problem as problem:
            response = ProblemResponse(problem, instance=f"urn:reserve:request:{correlation}")
            own = [(REQUEST_ID_HEADER.encode(), correlation.encode())]
            response.raw_headers = with_security(response.raw_headers + own, https=scope["scheme"] == "https")
            await response(scope, receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send, correlation: str) -> None:
        where = destination(scope["raw_path"], self._services)
        if where is None:
            raise Problem("route_not_found", "Nothing is served at this path")
        body = _Body(receive)
        exchange = asyncio.create_task(self._exchange(scope, where, body, send, correlation))
        leaving = asyncio.create_task(body.caller_left())
        try:
            await asyncio.wait({exchange, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever waits for an answer that nobody will read is stopped, and so is the service's work on it.
            unfinished = [task for task in (exchange, leaving) if task.cancel()]
            await asyncio.gather(*unfinished, return_exceptions=True)
        if not exchange.cancelled() and (error := exchange.exception()) is not None and not isinstance(error, _CallerLeft):
            raise error

    async def _exchange(self, scope: Scope, where: Destination, body: _Body, send: Send, correlation: str) -> None:
        base = self._bases[where.service]
        origin = public_origin(scope["scheme"], host := header(scope["headers"], b"host"))
        id_header = (REQUEST_ID_HEADER.encode(), correlation.encode())
        caller = scope["client"][0] if scope.get("client") else "unknown"
        own: Headers = [
            (b"x-forwarded-for", caller.encode()),
            (b"x-forwarded-proto", scope["scheme"].encode()),
            (b"x-forwarded-prefix", where.prefix.encode()),
            id_header,
        ]
        if host is not None and origin:
            own.append((b"x-forwarded-host", host))
        query = scope["query_string"]
        request = httpx.Request(
            scope["method"],
            base,
            headers=to_service(scope["headers"], host=base.netloc, own=own),
            stream=body,
            extensions={"timeout": self._timeout, "target": where.path + b"?" + query if query else where.path},
        )
        response = await self._ask(request, where.service)
        try:
            internal = f"{base.scheme}://".encode() + base.netloc
            headers = to_caller(response.headers.raw, internal=internal, public=origin + where.prefix.encode(), own=[id_header])
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async for chunk in response.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except httpx.TransportError as error:
            # Too late for a problem. Left unfinished, the server in front breaks the connection, and the caller knows that it is not whole.
            log.warning("a service broke off its answer", service=where.service, error=repr(error))
        finally:
            await response.aclose()

    async def _ask(self, request: httpx.Request, service: str) -> httpx.Response:
        try:
            return await self._transports[service].handle_async_request(request)
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ConnectTimeout) as error:
            log.warning("a service did not answer in time", service=service, error=repr(error))
            raise Problem("upstream_timeout", f"{service} did not answer in time") from error
        except httpx.LocalProtocolError as error:  # what came in cannot be said in HTTP/1.1
            raise Problem("malformed_request", "The request's target or headers are not valid HTTP") from error
        except httpx.TransportError as error:
            log.warning("a service cannot be reached", service=service, error=repr(error))
            raise Problem("service_unavailable", f"{service} cannot be reached", headers={"retry-after": "1"}) from error

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
