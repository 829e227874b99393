"""A stage for the kernel's tests: services with schemas, roles, topics and tokens of their own, served by uvicorn on the loopback."""

import asyncio
import secrets
import shutil
import socket
import string
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import sqlalchemy as sa
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.types import ASGIApp

from reserve.operate.migrate import close_locks, grant, role_of
from reserve.operate.serve import Server
from services.identity.clients import LocalClient, seed
from services.identity.main import create_app as identity_app
from shared.clock import Clock, SystemClock
from shared.delivery.tokens import TokenSource
from shared.delivery.topics import ensure_topics
from shared.engines.engines import Engines
from shared.journal.connection import Connection, open_pool
from shared.journal.messages import topic_of
from shared.journal.postgres import PostgresJournal, read_heads, read_records
from shared.journal.record import Record
from shared.journal.tables import all_tables
from shared.process.app import create_app
from shared.process.service import Kernel, Service
from shared.settings import Settings
from shared.tls import trusted
from shared.writer.commands import Context
from shared.writer.writer import Writer
from tests.documented import listed
from tests.stories.log import LOG_KEY
from tests.waiting import HANGS_AFTER_S, until


class Renewed(httpx.Auth):
    """A token lives for 15 minutes, and a stage for as long as its tests take."""

    def __init__(self, tokens: TokenSource, own: str) -> None:
        """`own`: what a client sends of itself, which is renewed; another person's token is sent as a test gives it."""
        self._tokens = tokens
        self._own = own

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if request.headers["authorization"] == self._own:
            request.headers.update(await self._tokens.authorization())
        yield request


@asynccontextmanager
async def calling(url: str, issuer: str, who: LocalClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service, with its own token of this issuer."""
    asking = httpx.AsyncClient(timeout=HANGS_AFTER_S, verify=trusted())
    tokens = TokenSource(f"{issuer}/oauth/token", who.client_id, who.client_secret, http=asking)
    first = await tokens.authorization()
    renewed = Renewed(tokens, first["authorization"])
    hooks = {"response": [listed]}
    async with httpx.AsyncClient(
        base_url=url, headers=first, auth=renewed, timeout=HANGS_AFTER_S, verify=trusted(), event_hooks=hooks
    ) as http:
        yield http
    await tokens.aclose()


class Running:
    """A service that serves: its kernel, and a client with an operator's token."""

    def __init__(self, app: Any, http: httpx.AsyncClient, settings: Settings) -> None:
        self.kernel: Kernel = app.state.kernel
        self.http = http
        self.settings = settings

    async def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key or secrets.token_hex(8), **headers})

    async def get_at(self, path: str, position: str) -> httpx.Response:
        """As a caller reads what must have arrived: a service that has not got so far in its own time is asked again."""

        async def arrived() -> httpx.Response | None:
            answer = await self.http.get(path, params={"at_least": position})
            return None if answer.status_code == 503 else answer

        answer = await until(arrived)
        assert answer is not None
        return answer

    def look_every(self, seconds: float) -> None:
        """How often idle lines compare themselves with their sources; each does so now."""
        self.kernel.inbox.idle_seconds = seconds
        for line in self.kernel.inbox.lines.values():
            line.look()

    async def metric(self, name: str, **labels: Any) -> float:
        """The sum over all series of this service that have these labels."""
        wanted = {"service": self.kernel.service.name, **{label: str(value) for label, value in labels.items()}}
        families = text_string_to_metric_families((await self.http.get("/metrics")).text)
        samples = (sample for family in families for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name and wanted.items() <= sample.labels.items())

    async def tells(self, value: float, name: str, **labels: Any) -> None:
        """Waits until a metric has this value."""

        async def has_it() -> bool:
            return await self.metric(name, **labels) == value

        await until(has_it)

    async def ready(self) -> list[str]:
        answer = await self.http.get("/readyz")
        reasons: list[str] = answer.json()["reasons"]
        assert (answer.status_code == 200) == (not reasons)
        return reasons


@cache
def _seeded() -> "tempfile.TemporaryDirectory[str]":
    """The clients of all stages: to hash their secrets takes a second and a half."""
    folder = tempfile.TemporaryDirectory(prefix="reserve-seeded-")
    seed(Path(folder.name))
    return folder


class Stage:
    """`database_url` is the superuser's: what an operator with psql would see and do."""

    def __init__(self, servers: Engines, folder: Path, issuer: str) -> None:
        self.servers = servers
        self.folder = folder
        self.issuer = issuer
        self.urls: dict[str, str] = {}  # of all services that run
        shutil.copytree(_seeded().name, folder, dirs_exist_ok=True)
        self.clients = {client.client_id: client for client in seed(folder)}
        self.passwords: dict[str, str] = {}

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    def name(self, word: str) -> str:
        """A service's name that no other test has, and a port for it: others may be told of it before it serves."""
        name = word + "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))
        self.move(name)
        return name

    def move(self, name: str) -> None:
        """Its next process serves at another port."""
        self.urls[name] = f"http://127.0.0.1:{free_port()}"

    async def prepare(self, service: Service) -> None:
        """Schema, tables and role, as `reserve.operate.migrate` makes them."""
        engine = create_async_engine(self.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
        async with engine.begin() as connection:
            await connection.execute(sa.text(f"CREATE SCHEMA {service.name}"))
            await connection.execute(sa.text(f"SET LOCAL search_path = {service.name}"))
            for statement in all_tables():
                await connection.exec_driver_sql(statement)
            for table in service.read_tables:
                await connection.run_sync(table.create)
        await engine.dispose()
        self.passwords[service.name] = secrets.token_urlsafe(24)
        async with self.sql() as superuser:
            await grant(superuser, service.name, self.passwords[service.name], service.append_only)
            await close_locks(superuser)

    @asynccontextmanager
    async def sql(self, service: str = "public", *, as_service: bool = False) -> AsyncIterator[Connection]:
        """A connection whose search path is a service's schema, as the superuser or as the service's own role."""
        url = self.service_database_url(service) if as_service else self.database_url
        connection = await asyncpg.connect(url, server_settings={"search_path": service})
        try:
            yield connection
        finally:
            await connection.close()

    def service_database_url(self, name: str) -> str:
        return f"postgresql://{role_of(name)}:{self.passwords[name]}@{self.database_url.rpartition('@')[2]}"

    def settings(self, name: str, **changed: Any) -> Settings:
        client = self.clients["auditor-1"]  # stands for the services' own clients: it may read journals
        values = {
            "database_url": self.service_database_url(name),
            "database_owner_url": self.database_url,
            **self.servers.kafka_settings(),
            "data_dir": self.folder,
            "service_urls": self.urls,
            "issuer": self.issuer,
            "jwks_url": f"{self.issuer}/.well-known/jwks.json",
            "token_url": f"{self.issuer}/oauth/token",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "ledger_public_key": str(LOG_KEY),
            "require_ledger_at_start": False,
            "log_level": "WARNING",
        }
        return Settings(**(values | changed))

    @asynccontextmanager
    async def serving(self, service: Service, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Running]:
        """Serves until the block ends, at the port where others look for it; prepares the service the first time."""
        if service.name not in self.passwords:
            await self.prepare(service)
            await ensure_topics(self.servers.kafka, {topic_of(service.name): 4})
        port = int(self.urls[service.name].rpartition(":")[2])
        chosen = self.settings(service.name, **settings)
        async with serve(create_app(service, chosen, clock), port) as app, self.client(self.urls[service.name]) as http:
            yield Running(app, http, chosen)

    @asynccontextmanager
    async def writing(
        self, service: Service, clock: Clock | None = None, *, database_url: str | None = None, **options: Any
    ) -> AsyncIterator[Writer]:
        """The writer alone, with a pool of its own; prepares the service the first time."""
        if service.name not in self.passwords:
            await self.prepare(service)
        pool = await open_pool(database_url or self.service_database_url(service.name), service.name, size=8)
        journal = PostgresJournal(service.name, service.codec, pool, service.project)
        writer = Writer(journal, service.deciders, clock or SystemClock(), epoch=service.epoch, **options)
        await writer.start()
        try:
            yield writer
        finally:
            await writer.stop()
            await pool.close()

    async def records(self, service: Service) -> list[Record]:
        """Every event of a service, shard by shard, in order."""
        async with self.sql(service.name) as sql:
            return [record for shard in await read_heads(sql) for record in await read_records(sql, shard, after=0, limit=1_000_000)]

    async def heard(self, source: str, by: str) -> dict[int, int]:
        """Where the shards of a service's journal end, once `by` has taken all of them."""

        async def all_of_it() -> dict[int, int] | None:
            async with self.sql(source) as said, self.sql(by) as taken:
                heads = dict(await said.fetch("SELECT shard, position FROM heads WHERE position > 0"))
                query = "SELECT shard, position FROM inbox_cursors WHERE source = $1 AND position > 0"
                return heads if heads == dict(await taken.fetch(query, source)) else None

        found = await until(all_of_it)
        assert found is not None
        return found

    @asynccontextmanager
    async def client(self, url: str, client_id: str = "operator-1") -> AsyncIterator[httpx.AsyncClient]:
        async with calling(url, self.issuer, self.clients[client_id]) as http:
            yield http


@asynccontextmanager
async def a_stage(servers: Engines, folder: Path) -> AsyncIterator[Stage]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    stage = Stage(servers, folder, issuer)
    async with serve(identity_app(Settings(issuer=issuer, data_dir=folder)), port):
        yield stage


@asynccontextmanager
async def serve(app: ASGIApp, port: int) -> AsyncIterator[ASGIApp]:
    # Were idle connections closed from here, a client that is slow would send its next request just then.
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=round(HANGS_AFTER_S),
        log_level="warning",
        access_log=False,
    )
    server = Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started or task.done())
    assert not task.done(), task.exception()
    try:
        yield app
    finally:
        server.should_exit = True
        await task


def context(command_id: str | None = None, **changed: Any) -> Context:
    """Of a command with this id (or a new one), sent by nobody in particular."""
    values = {
        "command_id": sha256((command_id or secrets.token_hex(8)).encode()).digest(),
        "actor": "tester",
        "correlation_id": secrets.token_hex(16),
        "causation_id": "request:test",
        "effective_on": "2026-01-06",
    }
    return Context(**(values | changed))


class Day:
    """A clock that stands where a test puts it."""

    def __init__(self, instant: str) -> None:
        self.instant = datetime.fromisoformat(instant)

    def now(self) -> datetime:
        return self.instant


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
