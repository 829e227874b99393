"""The reverse proxy: streams both ways, byte for byte, with a time limit on every wait.

It stands on aiohttp's client, which carries 64 callers at once some tens of times faster than httpx's pool does, with all that a browser
would want turned off: no cookies kept, no redirects followed, no encodings undone, the target as it came.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import SimpleNamespace

import aiohttp
import structlog
from starlette.types import Receive, Scope, Send
from yarl import URL

from services.gateway.headers import Headers, header, public_origin, to_caller, to_service, with_security
from services.gateway.routing import Destination, destination
from shared.http.problems import REQUEST_ID_HEADER, Problem, ProblemResponse, ProblemType, body_too_large, register, request_id

CONNECT_TIMEOUT_S = 2.0
QUIET_TIMEOUT_S = 30.0  # between two pieces of a request or an answer
POOL_TIMEOUT_S = 5.0
CONNECTIONS = 512  # to each service
DISCARDED_BYTES = 8 << 20  # of a body that is over the limit
KEEP_ALIVE_S = 4.0  # far below the services' 30, so that it is we who close an idle connection

log = structlog.get_logger(__name__)

register(
    {
        "service_unavailable": ProblemType(503, "The service cannot be reached at the moment"),
        "upstream_timeout": ProblemType(504, "The service did not answer in time"),
        "request_timeout": ProblemType(408, "The request did not arrive in time"),
    }
)


class _CallerLeft(Exception):
    """The connection closed before the request's body was whole."""


class _TooLarge(Exception):
    """The request's body goes on beyond the limit."""


class _Body:
    """The request's body as the caller sends it; afterwards, word of the caller's leaving.

    The limit is the services' own. It is kept here too, since a service that refuses in the midst of a body closes the connection on us,
    and whether its answer is still read is a matter of luck.
    """

    def __init__(self, receive: Receive, *, present: bool, limit_bytes: int, quiet_timeout_s: float) -> None:
        self.present = present
        self.limit_bytes = limit_bytes
        self.broken_off = False
        self.stalled = False
        self.too_large = False
        self._receive = receive
        self._quiet_timeout_s = quiet_timeout_s
        self._whole = asyncio.Event()
        if not present:
            self._whole.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        size = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(self._quiet_timeout_s):
                    message = await self._receive()
            except TimeoutError:
                self.stalled = True
                raise
            if message["type"] == "http.disconnect":
                self.broken_off = True
                raise _CallerLeft
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                size += len(chunk)
                if size > self.limit_bytes:
                    self.too_large = True
                    raise _TooLarge
                yield chunk
        self._whole.set()

    async def discard(self) -> None:
        """Reads on for a while: a connection that is closed on a caller who still sends is reset, and the answer lost with it."""
        left = DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(self._quiet_timeout_s):
                while left > 0 and (message := await self._receive()).get("more_body", False):
                    left -= len(message.get("body", b""))

    async def caller_left(self) -> None:
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Proxy:
    """An ASGI application that hands each request to its service, between `start` and `aclose`.

    `upstreams` has each service's base URL, without a path. Refuses with the problems route_not_found, service_unavailable (503, with
    Retry-After), upstream_timeout (504), request_timeout (408), body_too_large and malformed_request.
    """

    def __init__(self, upstreams: Mapping[str, str], *, quiet_timeout_s: float = QUIET_TIMEOUT_S) -> None:
        self._bases = {name: url.rstrip("/") for name, url in upstreams.items()}
        self._services = frozenset(upstreams)
        self._routes = {name: SimpleNamespace(path=f"/{name}") for name in upstreams}  # what metrics call a request by
        self._timeout = aiohttp.ClientTimeout(total=None, connect=POOL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=quiet_timeout_s)
        self._quiet_timeout_s = quiet_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # The limit is a service's own: one that hangs uses up its own connections only.
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent", "content-type"),
        )

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
        scope["route"] = None if where is None else self._routes[where.service]
        if where is None:
            raise Problem("route_not_found", "Nothing is served at this path")
        limit_bytes = where.body_limit_bytes
        body = _Body(receive, present=_has_body(scope["headers"]), limit_bytes=limit_bytes, quiet_timeout_s=self._quiet_timeout_s)
        if (length := header(scope["headers"], b"content-length") or b"0").isdigit() and int(length) > limit_bytes:
            await body.discard()
            raise body_too_large(limit_bytes)
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
        address = base.partition("://")[2].encode()
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
        target = where.path + b"?" + query if query else where.path
        headers = to_service(scope["headers"], host=address, own=own)
        response = await self._ask(scope["method"], base + target.decode("latin-1"), headers, body, where.service)
        try:
            answered = to_caller(response.raw_headers, internal=base.encode(), public=origin + where.prefix.encode(), own=[id_header])
            await send({"type": "http.response.start", "status": response.status, "headers": answered})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (aiohttp.ClientError, TimeoutError) as error:
            # Too late for a problem. Left unfinished, the server in front breaks the connection, and the caller knows that it is not whole.
            log.warning("a service broke off its answer", service=where.service, error=repr(error))
        finally:
            response.release()

    async def _ask(self, method: str, url: str, headers: Headers, body: _Body, service: str) -> aiohttp.ClientResponse:
        assert self._session is not None, "start() comes first"
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        try:
            return await self._session.request(
                method,
                URL(url, encoded=True),
                headers=texts,
                data=body.pieces() if body.present else None,
                allow_redirects=False,
            )
        except TimeoutError as error:  # aiohttp's own are of this kind too
            if body.stalled:
                raise _stalled() from error
            log.warning("a service did not answer in time", service=service, error=repr(error))
            raise Problem("upstream_timeout", f"{service} did not answer in time") from error
        except ValueError as error:  # what came in cannot be said in HTTP/1.1
            raise Problem("malformed_request", "The request's target or headers are not valid HTTP") from error
        except aiohttp.ClientError as error:
            if body.broken_off:
                raise _CallerLeft from error
            if body.stalled:
                raise _stalled() from error
            if body.too_large:
                await body.discard()
                raise body_too_large(body.limit_bytes) from error
            log.warning("a service cannot be reached", service=service, error=repr(error))
            raise Problem("service_unavailable", f"{service} cannot be reached", headers={"retry-after": "1"}) from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


def _stalled() -> Problem:
    return Problem("request_timeout", "The request's body stopped coming", headers={"connection": "close"})


def _has_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)
