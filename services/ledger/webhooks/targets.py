"""Targets: where webhooks are sent. Only to addresses of the public internet, looked up anew for each connection, over TLS.

A partner chooses the address, and the ledger calls it from within: so a name is resolved once, each of its addresses is looked at, and the
connection goes to one of these, whatever the name says meanwhile. TLS and the Host header still go by the name. A redirect is an answer
like any other, and is not followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore
import msgspec
import structlog

from shared.tls import trusted

log = structlog.get_logger()

type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # (a host, a port) -> addresses; raises OSError

URL_LIMIT = 500
CONNECT_S, ANSWER_S = 5.0, 15.0
ANSWER_BYTES = 4096  # of an answer's body that are read: its status is all that counts
ALL_BYTES = 16 * 1024  # of an answer with its headers, and all that says 1xx before it
IDLE_S = 5.0  # for which a connection is kept
RESOLVERS, RESOLVING_OF_ONE = 16, 2  # names that are looked up at once: of all, and of a partner
# Addresses of the public internet that lead into another network (NAT64, 6to4, Teredo), or are a cloud's own in each of its networks.
_INTO_OTHERS: tuple[IPv4Network | IPv6Network, ...] = (
    *(IPv6Network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")),
    *(IPv4Network(each) for each in ("192.88.99.0/24", "168.63.129.16/32")),
)


class TargetRefused(Exception):
    """The address is none that webhooks are sent to. Says why."""


class Outcome(StrEnum):
    DELIVERED = "delivered"  # the answer was 2xx
    ANSWERED = "answered"  # with another status
    UNREACHABLE = "unreachable"  # no connection, or it broke
    TIMED_OUT = "timed_out"
    REFUSED = "refused"  # the address is none that webhooks are sent to


class Answer(msgspec.Struct, frozen=True):
    """`status`: None where there was no answer."""

    outcome: Outcome
    status: int | None = None


_for_partner: ContextVar[str] = ContextVar("_for_partner", default="")  # httpcore hands nothing on to where names are looked up


class Resolver:
    """Looks names up as the machine does, in threads of its own: what writes tiles must not wait for anybody's name servers.

    A look-up that hangs cannot be ended, and keeps its thread until it ends by itself: so a partner has few at once, counted to their
    real end. `look_up`: a test's.
    """

    def __init__(self, look_up: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook-names")
        self._free: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError, UnicodeError."""
        loop, free = asyncio.get_running_loop(), self._free.setdefault(_for_partner.get(), asyncio.Semaphore(RESOLVING_OF_ONE))

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the process has ended meanwhile
                loop.call_soon_threadsafe(free.release)

        await free.acquire()
        looking = self._threads.submit(self._look_up, host, port, type=socket.SOCK_STREAM)
        looking.add_done_callback(ended)
        return [str(address[0]) for *_, address in await asyncio.wrap_future(looking)]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is an address of the public internet, and of no other network behind it."""
    if isinstance(address, IPv6Address):
        if (mapped := address.ipv4_mapped) is not None:
            return is_public(mapped)
        if address.scope_id is not None or address.is_site_local:
            return False
    if any(address in network for network in _INTO_OTHERS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return address.is_loopback


class _AnswerTooLong(httpcore.ReadError):
    """More came than an answer may have."""


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection on which no answer is longer than ALL_BYTES. Each request that is written begins a new one."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = ALL_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's
        if self._left <= 0:
            raise _AnswerTooLong(f"an answer of more than {ALL_BYTES} bytes")
        read = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(read)
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore's
        self._left = ALL_BYTES
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's
    ) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that are `allowed`, and to no others."""

    def __init__(self, targets: "Targets", allowed: Callable[[IPv4Address | IPv6Address], bool]) -> None:
        self._targets = targets
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def address_of(self, host: str, port: int) -> str:
        """The first one. Raises TargetRefused if any of them is not allowed, OSError."""
        try:
            found = [ip_address(each) for each in await self._targets.resolve(host, port)]
        except UnicodeError as error:
            raise TargetRefused(f"{host} is no name of a host") from error
        if not found:
            raise OSError(f"{host} has no address")
        if not all(self._allowed(each) for each in found):
            raise TargetRefused(_no_public_address(host))
        return str(found[0])

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(CONNECT_S):
                address = await self.address_of(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectError(f"the name servers of {host} do not answer") from error
        return _Bounded(await self._network.connect_tcp(address, port, timeout, local_address, socket_options))


def _no_public_address(host: str) -> str:
    """The same for one that has none and for one that has others: which names there are inside, and where, is nobody's business."""
    return f"{host} has no public address"


class Targets:
    """Calls them. `local`: a machine for trying, where http and https to the loopback are allowed as well. `resolve`, `trust`: a test's."""

    def __init__(self, *, local: bool, resolve: Resolve | None = None, trust: ssl.SSLContext | None = None) -> None:
        self._resolver = Resolver()
        self.resolve = resolve or self._resolver
        guards = {"https": _Guarded(self, lambda address: is_public(address) or (local and _is_loopback(address)))}
        if local:
            guards["http"] = _Guarded(self, _is_loopback)
        self._guards = guards
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=trust or trusted(), max_connections=None, keepalive_expiry=IDLE_S, network_backend=guard
            )
            for scheme, guard in guards.items()
        }

    async def look(self, url: str, partner: str = "") -> None:
        """`partner`: for whom. Raises TargetRefused, with what would be accepted."""
        _for_partner.set(partner)
        if len(url) > URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url:
            raise TargetRefused(f"a URL has at most {URL_LIMIT} visible ASCII characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
            httpcore.URL(url)
        except ValueError as error:
            raise TargetRefused("it is no URL") from error
        if (guard := self._guards.get(parts.scheme)) is None:
            raise TargetRefused("only https is called")
        if not host or parts.username is not None or parts.password is not None or parts.fragment:
            raise TargetRefused("a URL has a host, and neither a user nor a fragment")
        try:
            async with asyncio.timeout(CONNECT_S):
                await guard.address_of(host, port)
        except OSError as error:  # a time-out is one, too
            raise TargetRefused(_no_public_address(host)) from error

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, partner: str = "") -> Answer:
        """One attempt, to its end: at most ANSWER_S. `partner`: for whom. Raises nothing: whatever an address makes of it is its answer."""
        _for_partner.set(partner)
        if (pool := self._pools.get(url.partition(":")[0].lower())) is None:
            return Answer(Outcome.REFUSED)  # registered where more was allowed
        sent = [("content-type", "application/cloudevents+json"), ("user-agent", "reserve-webhooks/1"), *headers.items()]
        timeout = {"connect": CONNECT_S, "read": ANSWER_S, "write": ANSWER_S, "pool": ANSWER_S}
        try:
            async with asyncio.timeout(ANSWER_S):
                async with pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeout}) as answer:
                    read = 0
                    with suppress(_AnswerTooLong):  # the status is there
                        async for piece in answer.aiter_stream():
                            read += len(piece)
                            if read > ANSWER_BYTES:
                                break  # the connection is closed with what is left
                    return Answer(Outcome.DELIVERED if 200 <= answer.status < 300 else Outcome.ANSWERED, answer.status)
        except TargetRefused:
            return Answer(Outcome.REFUSED)
        except (TimeoutError, httpcore.TimeoutException):
            return Answer(Outcome.TIMED_OUT)
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return Answer(Outcome.UNREACHABLE)
        except Exception:  # what a stranger sends, and what libraries make of it, must not end the sender
            log.exception("webhook_attempt_broke", url=url)
            return Answer(Outcome.UNREACHABLE)

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._resolver.close()
