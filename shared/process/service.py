"""Service: what makes a service itself, as one value; and the kernel, its moving parts while it serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, cast

import asyncpg
import msgspec
import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock
from shared.delivery.inbox import Inbox, Needs, React, Subscription
from shared.delivery.kafka_broker import KafkaBroker
from shared.delivery.relay import Relay
from shared.delivery.sources import Sources
from shared.delivery.timers import Timers
from shared.delivery.tokens import TokenSource
from shared.journal.codec import Codec, Upcaster, type_of
from shared.journal.connection import Connection, Project, briefly
from shared.journal.decider import Decider, Reasons
from shared.journal.fingerprint import rules_of
from shared.journal.postgres import PostgresJournal
from shared.journal.postgres_snapshots import PostgresSnapshots
from shared.journal.protocol import InboxLead, Unreachable
from shared.journal.record import Fact
from shared.kafka import kafka_of
from shared.settings import Settings
from shared.terms.acting import Tells
from shared.terms.authority_tables import UnderAuthority, taking
from shared.terms.countersigning import Controls
from shared.writer.writer import Writer

ELSEWHERE_SECONDS = 0.1  # how often a reader looks for what another process's inbox has taken


# (a connection that reads its schema, the number of what comes next, how far each line was taken, at most so many) -> the lines of the next
# events in the order in which they were taken, the number of what comes after them, and the numbers of which that is a guess.
type Order = Callable[[Connection, int, Mapping[tuple[str, int], int], int], Awaitable[tuple[list[tuple[str, int]], int, Sequence[int]]]]


def no_documents(_event: Any) -> Sequence[str]:
    return ()


class Part:
    """What lives as long as a process of its service, such as a memo of its API: made with its kernel, closed before it."""

    def __init__(self, kernel: "Kernel") -> None:
        self.kernel = kernel

    async def close(self) -> None:
        """Nobody asks it any more."""


def routed_in(module: str) -> Callable[[], APIRouter]:
    """The `router` of a service's API, for `Service.router`."""
    return lambda: cast(APIRouter, import_module(module).router)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a service itself. `sources` says what it takes of others: {service: what}."""

    name: str
    deciders: tuple[Decider, ...]
    event_type: Any  # the union of its events
    upcasters: Mapping[str, Upcaster] = {}
    project: Project  # own events into its read tables
    tables: sa.MetaData  # its read tables
    subscriptions: tuple[Subscription, ...] = ()
    router: Callable[[], APIRouter]  # imports its API: most of that is building routes, and who migrates or rebuilds serves none
    of_one_party: frozenset[str] = frozenset()  # kinds of streams of which each is of one partner or borrower, who may know its version
    controls: Controls = {}  # what each command does to what people hold, and so who gives it
    reasons: type[Reasons] | None = None  # why its API refuses by itself, besides what its deciders refuse
    acting: UnderAuthority | None = None  # that people act under authority in it
    epoch: int = 1
    parts: tuple[type[Part], ...] = ()  # what is its own and lives as long as a process: reached by `kernel.part(kind)`
    tasks: tuple[Callable[["Kernel"], Awaitable[None]], ...] = ()  # work of its own that goes on while it serves
    imports: tuple[str, ...] = ()  # paths of routes whose bodies may be larger: they read them by `shared.http.handlers.import_body`
    append_only: tuple[str, ...] = ()  # tables of its own that are append-only by privilege
    kept: tuple[str, ...] = ()  # tables of its own that no journal can rebuild: left alone by a rebuild
    first_rows: tuple[str, ...] = ()  # statements that write what its read tables hold before there is any event
    order: Order | None = None  # in which it has taken what others recorded, where its read tables follow from that
    recorded_by: str | None = None  # the service that records all events of this one, and says how far at its `/v1/sources`
    documents: Callable[[Any], Sequence[str]] = no_documents  # those that an event of its own stands on, by SHA-256
    before_taking: Callable[["Kernel", InboxLead], Awaitable[None]] | None = None  # done whenever a process begins to lead the inbox

    @property
    def read_tables(self) -> tuple[sa.Table, ...]:
        return (*self.tables.sorted_tables, *(() if self.acting is None else self.acting.tables))

    @property
    def codec(self) -> Codec:
        return Codec(self.event_type, self.upcasters)

    def rules(self, kind: str) -> bytes:
        """What makes the states of this kind of stream out of stored events, as one hash."""
        decider = next(each for each in self.deciders if each.kind == kind)
        return rules_of(decider, *self.codec.classes.values(), *self.upcasters.values())

    @property
    def refusals(self) -> list[Reasons]:
        """All that it may refuse for. Several streams may share a code."""
        own = () if self.reasons is None else (self.reasons,)
        return [reason for reasons in (*own, *(each for decider in self.deciders for each in decider.reasons)) for reason in reasons]


def subscription(
    source: str,
    events: Any,
    types: set[str] | frozenset[str] | None,
    *,
    react: React | None = None,
    needs: Needs | None = None,
    take: Project | None = None,
    acting: Tells | None = None,
    upcasters: Mapping[str, Upcaster] | None = None,
) -> Subscription:
    """`events` is the source's `Event` union; `types` the type names that are taken, or None for all. `acting`: what its events tell of who
    may act, which are taken besides."""
    codec = Codec(events, upcasters)
    kept = None if types is None else frozenset(types)
    if acting is not None:
        kept = None if kept is None else kept | {type_of(event) for event in acting}
        take = taking(acting) if take is None else _both(take, taking(acting))
    assert kept is None or kept <= codec.classes.keys(), f"{source} has no {sorted(kept - codec.classes.keys())}"
    return Subscription(source=source, codec=codec, types=kept, react=react, needs=needs, take=take)


def _both(first: Project, second: Project) -> Project:
    async def take(connection: Connection, facts: Sequence[Fact]) -> None:
        await first(connection, facts)
        await second(connection, facts)

    return take


class Kernel:
    """A running service's moving parts, as handlers reach them: `request.app.state.kernel`."""

    def __init__(
        self, service: Service, settings: Settings, clock: Clock, pool: "asyncpg.Pool[asyncpg.Record]", engine: AsyncEngine
    ) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self.pool = pool
        self.engine = engine
        takes = {each.source: each.take for each in service.subscriptions if each.take is not None}
        self.journal = PostgresJournal(service.name, service.codec, pool, service.project, takes)
        self.broker = KafkaBroker(kafka_of(settings))
        self.writer = Writer(
            self.journal,
            service.deciders,
            clock,
            epoch=service.epoch,
            queue_limit=settings.queue_limit,
            batch_limit=settings.batch_limit,
            snapshots=PostgresSnapshots(pool, service.deciders, service.rules),
        )
        tokens = TokenSource(settings.token_url, settings.client_id, settings.client_secret).kept_in(settings.kept("token"))
        self.sources = Sources(settings.service_urls, tokens)
        self.relay = Relay(self.journal, self.broker)
        first = None if service.before_taking is None else partial(service.before_taking, self)
        self.inbox = Inbox(self.journal, self.broker, self.writer, self.sources, service.subscriptions, first)
        self.timers = Timers(self.journal, self.writer, clock, settings.zone)
        self.ending = False
        self._waits: set[asyncio.Timeout] = set()
        self._parts: dict[type[Part], Part] = {}
        for kind in service.parts:  # each may reach those before it
            self._parts[kind] = kind(self)

    def part[Kind: Part](self, kind: type[Kind]) -> Kind:
        """The one of this process. Raises KeyError if the service does not list it."""
        found = self._parts[kind]
        assert isinstance(found, kind)
        return found

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """As `asyncio.timeout`, for what waits for something to happen: over at once when the process ends."""
        async with asyncio.timeout(0 if self.ending else seconds) as timeout:
            self._waits.add(timeout)
            try:
                yield
            finally:
                self._waits.discard(timeout)

    def end_waits(self) -> None:
        """The process ends, and would have to wait for whoever waits here."""
        self.ending = True
        for timeout in self._waits:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """To be called when nothing of it is at work any more, in the reverse order of its making."""
        for part in reversed(self._parts.values()):
            await part.close()
        await self.writer.stop()
        await self.sources.close()

    async def reached(self, source: str, shard: int, position: int) -> None:
        """Waits until this position of a source has been taken, by whichever process of the service leads."""
        query = "SELECT position >= $3 FROM inbox_cursors WHERE source = $1 AND shard = $2"
        while position > 0 and not await self.pool.fetchval(query, source, shard, position):
            with suppress(TimeoutError):
                async with asyncio.timeout(ELSEWHERE_SECONDS), self.inbox.moved:
                    await self.inbox.moved.wait()

    async def reasons_not_ready(self) -> list[str]:
        """Empty when it may serve."""
        reasons = []
        if self.writer.refusing is not None:
            reasons.append(self.writer.refusing)
        if self.inbox.waits is not None:
            reasons.append(self.inbox.waits)
        reasons += [f"the line {line} stands still: {why}" for line, why in self.inbox.stopped.items()]
        try:
            async with briefly(self.pool, 2) as connection:
                await connection.fetchval("SELECT 1")
        except Unreachable as error:
            reasons.append(f"the database does not answer: {error!r}")
        return reasons
