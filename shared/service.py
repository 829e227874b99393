"""Service: one process from its parts. `create_app` gives the ASGI application that `reserve serve NAME` runs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared import http, kernel_api, problems, telemetry
from shared.auth import Keys, TokenSource, TokenVerifier
from shared.clock import Clock, ShiftedClock, SystemClock
from shared.codec import Codec, Upcaster
from shared.decider import Decider
from shared.inbox import Inbox, Needs, React, Subscription
from shared.journal import Unreachable
from shared.kafka_broker import KafkaBroker
from shared.postgres import Project, open_pool, reachable
from shared.postgres_journal import PostgresJournal, previous_hash
from shared.problems import Entry
from shared.relay import Relay
from shared.settings import Settings
from shared.sources import Sources, Unanswered
from shared.timers import Timers
from shared.writer import Refusal, Writer

log = structlog.get_logger()

ELSEWHERE_SECONDS = 0.1  # how often a reader looks for what another process's inbox has taken


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
    append_only: tuple[str, ...] = ()  # tables of its own that are append-only by privilege
    kept: tuple[str, ...] = ()  # tables of its own that no journal can rebuild: left alone by a rebuild

    @property
    def codec(self) -> Codec:
        return Codec(self.event_type, self.upcasters)


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
        )
        self.sources = Sources(settings.service_urls, TokenSource(settings.token_url, settings.client_id, settings.client_secret))
        self.relay = Relay(self.journal, self.broker)
        self.inbox = Inbox(self.journal, self.broker, self.writer, self.sources, service.subscriptions)
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
        reasons += [f"the line {line} stands still: {why}" for line, why in self.inbox.stopped.items()]
        try:
            with reachable():
                async with asyncio.timeout(2):
                    await self.pool.fetchval("SELECT 1")
        except Unreachable as error:
            reasons.append(f"the database does not answer: {error!r}")
        return reasons

    async def compare_with_ledger(self) -> None:
        """Refuses writes until the ledger's record is no further than the own journal: else it was restored to the past."""
        if self.service.name == "ledger" or not self.settings.require_ledger_at_start:
            return
        self.writer.refuse(Refusal.WAITING_FOR_LEDGER, "waiting for the ledger's record of this journal")
        while True:
            try:
                answer = await self.sources.get("ledger", "/v1/sources")
                recorded = msgspec.json.decode(answer or b"{}", type=dict[str, _Recorded])
                with reachable():
                    behind = await self._behind(recorded)
            except (Unanswered, Unreachable) as error:
                log.info("ledger_not_asked_yet", error=repr(error))
                await asyncio.sleep(0.2)
                continue
            if not behind:
                self.writer.accept()
                return
            words = f"shards {behind} are not the journal that the ledger recorded: recover before writing"
            self.writer.refuse(Refusal.BEHIND_LEDGER, words)
            log.error("journal_behind_ledger", shards=behind)
            await asyncio.sleep(5)

    async def _behind(self, recorded: Mapping[str, "_Recorded"]) -> list[int]:
        """The shards that lack, or have otherwise, what the ledger recorded of them."""
        behind = []
        async with self.pool.acquire() as connection:
            for shard, (head, _) in (await self.journal.heads()).items():
                if (theirs := recorded.get(f"{self.service.name}/{shard}")) is None:
                    continue
                if theirs.position > head.position or (await previous_hash(connection, shard, theirs.position)).hex() != theirs.chain_hash:
                    behind.append(shard)
        return behind


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
    problems.register({code: Entry(status, title) for code, (status, title) in service.problems.items()})
    telemetry.configure(service.name, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await _pool(settings, service.name)
        engine = read_engine(settings.database_url, service.name)
        kernel = Kernel(service, settings, clock or _clock(settings), pool, engine)
        app.state.kernel = kernel
        app.state.verifier = TokenVerifier(issuer=settings.issuer, audience=settings.audience, keys=Keys(settings.jwks_url))
        await kernel.writer.start()
        work = [kernel.compare_with_ledger(), kernel.relay.run(), kernel.inbox.run(), kernel.timers.run()]
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

    app = FastAPI(title=f"Reserve {service.name}", version="1", lifespan=lifespan, responses=problems.RESPONSES)
    app.include_router(service.router)
    app.include_router(kernel_api.router)
    problems.install(app)
    http.install(app)
    app.add_middleware(problems.BodyGuard)
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
    except asyncio.CancelledError:
        raise
    except BaseException:
        log.critical("a part of the service broke", exc_info=True)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
