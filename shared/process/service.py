"""Service: one process from its parts. `create_app` gives the ASGI application that `reserve serve NAME` runs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.clock import Clock, ShiftedClock, SystemClock
from shared.delivery.broker import BrokerUnreachable
from shared.delivery.inbox import Inbox, Needs, React, Subscription
from shared.delivery.kafka_broker import KafkaBroker
from shared.delivery.relay import Relay
from shared.delivery.sources import Sources, Unanswered
from shared.delivery.timers import Timers
from shared.delivery.tokens import TokenSource
from shared.http import handlers as http
from shared.http import problems
from shared.http.auth import Keys, TokenVerifier
from shared.http.problems import ProblemType
from shared.journal.codec import Codec, Upcaster
from shared.journal.connection import Project, briefly, open_pool, reachable
from shared.journal.decider import Decider
from shared.journal.fingerprint import rules_of
from shared.journal.messages import NotAnEvent, from_message, topic_of
from shared.journal.postgres import PostgresJournal, previous_hash
from shared.journal.postgres_snapshots import PostgresSnapshots
from shared.journal.protocol import InboxLead, Unreachable
from shared.journal.record import Record
from shared.observe import telemetry
from shared.process import kernel_api
from shared.process.watch import watch
from shared.settings import Settings
from shared.writer.commands import Refusal
from shared.writer.writer import Writer

log = structlog.get_logger()

KAFKA_PATIENCE_SECONDS = 5.0  # how long a service that starts waits for what Kafka has of its journal
ELSEWHERE_SECONDS = 0.1  # how often a reader looks for what another process's inbox has taken


def no_documents(_event: Any) -> Sequence[str]:
    return ()


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a service itself. `sources` says what it takes of others: {service: what}."""

    name: str
    deciders: tuple[Decider, ...]
    event_type: Any  # the union of its events
    upcasters: Mapping[str, Upcaster] = {}
    project: Project  # own events into its read tables
    tables: sa.MetaData  # its read tables
    subscriptions: tuple[Subscription, ...] = ()
    router: APIRouter
    problems: Mapping[str, tuple[int, str]] = {}  # refusal code -> (HTTP status, title)
    epoch: int = 1
    tasks: tuple[Callable[["Kernel"], Awaitable[None]], ...] = ()  # work of its own that goes on while it serves
    imports: tuple[str, ...] = ()  # paths of routes whose bodies may be larger: they read them by `shared.http.handlers.import_body`
    append_only: tuple[str, ...] = ()  # tables of its own that are append-only by privilege
    kept: tuple[str, ...] = ()  # tables of its own that no journal can rebuild: left alone by a rebuild
    documents: Callable[[Any], Sequence[str]] = no_documents  # those that an event of its own stands on, by SHA-256
    before_taking: Callable[["Kernel", InboxLead], Awaitable[None]] | None = None  # done whenever a process begins to lead the inbox

    @property
    def codec(self) -> Codec:
        return Codec(self.event_type, self.upcasters)

    def rules(self, kind: str) -> bytes:
        """What makes the states of this kind of stream out of stored events, as one hash."""
        decider = next(each for each in self.deciders if each.kind == kind)
        return rules_of(decider, *self.codec.classes.values(), *self.upcasters.values())


def subscription(
    source: str,
    events: Any,
    types: set[str] | frozenset[str] | None,
    *,
    react: React | None = None,
    needs: Needs | None = None,
    take: Project | None = None,
    upcasters: Mapping[str, Upcaster] | None = None,
) -> Subscription:
    """`events` is the source's `Event` union; `types` the type names that are taken, or None for all."""
    codec = Codec(events, upcasters)
    kept = None if types is None else frozenset(types)
    assert kept is None or kept <= codec.classes.keys(), f"{source} has no {sorted(kept - codec.classes.keys())}"
    return Subscription(source=source, codec=codec, types=kept, react=react, needs=needs, take=take)


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
        self.broker = KafkaBroker(settings.kafka_bootstrap_servers)
        self.writer = Writer(
            self.journal,
            service.deciders,
            clock,
            epoch=service.epoch,
            queue_limit=settings.queue_limit,
            batch_limit=settings.batch_limit,
            snapshots=PostgresSnapshots(pool, service.deciders, service.rules),
        )
        self.sources = Sources(settings.service_urls, TokenSource(settings.token_url, settings.client_id, settings.client_secret))
        self.relay = Relay(self.journal, self.broker)
        first = None if service.before_taking is None else partial(service.before_taking, self)
        self.inbox = Inbox(self.journal, self.broker, self.writer, self.sources, service.subscriptions, first)
        self.timers = Timers(self.journal, self.writer, clock, settings.zone)

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

    async def compare_and_carry(self) -> None:
        """The relay waits: were it to repeat old events first, what is last in Kafka would say nothing any more."""
        await self.compare_with_copies()
        await self.relay.run()

    async def compare_with_copies(self) -> None:
        """Refuses writes until the ledger's record, and what is last in Kafka, are no further than the own journal: else it was restored
        to the past."""
        if not self.settings.require_ledger_at_start:
            return
        self.writer.refuse(Refusal.WAITING_FOR_LEDGER, "waiting for what others hold of this journal")
        while self.writer.refusing_for in (Refusal.WAITING_FOR_LEDGER, Refusal.BEHIND_LEDGER):
            try:
                behind = await (self._behind_kafka() if self.service.name == "ledger" else self._behind_ledger())
            except (Unanswered, BrokerUnreachable, Unreachable) as error:
                log.info("copies_not_asked_yet", error=repr(error))
                await asyncio.sleep(0.2)
                continue
            if self.writer.refusing_for not in (Refusal.WAITING_FOR_LEDGER, Refusal.BEHIND_LEDGER):
                return  # it refuses for another reason by now
            if not behind:
                self.writer.accept()
                return
            self.writer.refuse(Refusal.BEHIND_LEDGER, f"recover before writing: {'; '.join(behind)}")
            log.error("journal_behind_its_copies", lines=behind)
            await asyncio.sleep(5)

    async def _behind_ledger(self) -> list[str]:
        """The ledger's record counts; Kafka's besides, if it can be asked: writes go on without it."""
        answer = await self.sources.get("ledger", "/v1/sources")
        recorded = msgspec.json.decode(answer or b"{}", type=dict[str, _Recorded])
        try:
            async with asyncio.timeout(KAFKA_PATIENCE_SECONDS):
                behind = await self._behind_kafka()
        except (BrokerUnreachable, TimeoutError) as error:
            log.warning("written_without_a_look_at_kafka", error=repr(error))
            behind = []
        for shard, (head, _) in (await self.journal.heads()).items():
            if (theirs := recorded.get(f"{self.service.name}/{shard}")) is not None:
                behind += await self._lacks(shard, head.position, theirs.position, theirs.chain_hash, "the ledger")
        return behind

    async def _behind_kafka(self) -> list[str]:
        topic = topic_of(self.service.name)
        found = await asyncio.gather(*(self._last_in_kafka(topic, shard) for shard in range(self.settings.shards)))
        behind = []
        for shard, (head, _) in (await self.journal.heads()).items():  # read after Kafka: the relay sends what is committed
            if (last := found[shard]) is not None:
                behind += await self._lacks(shard, head.position, last.position, last.chain_hash.hex(), "Kafka")
        return behind

    async def _last_in_kafka(self, topic: str, shard: int) -> Record | None:
        message = await self.broker.last((topic, shard))
        try:
            return None if message is None else from_message(message.headers, message.value, source=self.service.name, shard=shard).record
        except NotAnEvent:
            return None

    async def _lacks(self, shard: int, end: int, position: int, chain_hash: str, who: str) -> list[str]:
        """What to say where the own journal lacks, or has otherwise, what others hold."""
        line = f"{self.service.name}/{shard}"
        if position > end:
            return [f"{line} ends at {end}, and {who} has it up to {position}"]
        async with self.pool.acquire() as connection:
            own = (await previous_hash(connection, shard, position)).hex()
        return [] if own == chain_hash else [f"{line}/{position} has another hash than in the copy of {who}: {own}, not {chain_hash}"]


class _Recorded(msgspec.Struct, frozen=True):
    position: int
    chain_hash: str


def read_engine(url: str, schema: str) -> AsyncEngine:
    """SQLModel's engine, on the service's schema. `url` is a plain postgresql:// one."""
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=8,
        max_overflow=8,
        pool_timeout=5,
        isolation_level="AUTOCOMMIT",  # reads alone go this way: BEGIN and ROLLBACK would be two more round trips
        connect_args={"server_settings": {"search_path": schema, "jit": "off"}, "command_timeout": 30},
    )


def create_app(service: Service, settings: Settings, clock: Clock | None = None) -> FastAPI:
    problems.register({code: ProblemType(status, title) for code, (status, title) in service.problems.items()})
    telemetry.configure(service.name, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await _pool(settings, service.name)
        engine = read_engine(settings.database_url, service.name)
        kernel = Kernel(service, settings, clock or _clock(settings), pool, engine)
        app.state.kernel = kernel
        app.state.verifier = TokenVerifier(issuer=settings.issuer, audience=settings.audience, keys=Keys(settings.jwks_url))
        await kernel.writer.start()
        work = [kernel.compare_and_carry(), kernel.inbox.run(), kernel.timers.run(), watch(kernel)]
        tasks = [asyncio.create_task(_reported(each)) for each in (*work, *(task(kernel) for task in service.tasks))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await kernel.writer.stop()
            await kernel.sources.close()
            await app.state.verifier.aclose()
            await engine.dispose()
            await pool.close()

    app = FastAPI(
        title=f"Reserve {service.name}",
        version="1",
        lifespan=lifespan,
        responses=problems.RESPONSES,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # ours is in shared.observe.telemetry; to ask for FastAPI's costs as much
    )
    app.include_router(service.router)
    app.include_router(kernel_api.router)
    problems.install(app)
    http.install(app)
    app.add_middleware(problems.BodyGuard, streaming=service.imports)
    telemetry.instrument(app, service.name, settings)
    return app


def _clock(settings: Settings) -> Clock:
    if settings.clock_file is None:
        return SystemClock()
    if settings.environment == "production":
        raise RuntimeError("RESERVE_CLOCK_FILE shifts the time, which production does not do")
    return ShiftedClock(settings.clock_file)


async def _pool(settings: Settings, schema: str) -> "asyncpg.Pool[asyncpg.Record]":
    """Waits for PostgreSQL: nobody's hands are needed after a restart."""
    while True:
        try:
            with reachable():
                return await open_pool(settings.database_url, schema)
        except Unreachable as error:
            log.warning("database_not_there_yet", error=repr(error))
            await asyncio.sleep(0.2)


async def _reported(work: Awaitable[None]) -> None:
    """The process's last resort: a part that breaks in an unforeseen way ends the process, and the supervisor starts it again."""
    try:
        await work
    except BaseException as error:
        us = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and us is not None and us.cancelling():
            raise  # the service ends; a cancellation that nobody has asked for is a break like any other
        log.critical("a part of the service broke", exc_info=True)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
