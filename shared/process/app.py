"""App: one process of a service. `create_app` gives the ASGI application that `reserve serve NAME` runs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import asyncpg
import structlog
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.clock import Clock, ShiftedClock, SystemClock
from shared.http import application, openapi, problems
from shared.http.auth import Keys, TokenVerifier
from shared.journal.connection import UNREACHABLE, open_pool, reachable
from shared.journal.protocol import Unreachable
from shared.observe import telemetry
from shared.process import kernel_api
from shared.process.copies import compare_and_carry, refuse_altered_heads
from shared.process.parking import try_again_what_lapsed
from shared.process.service import Kernel, Service
from shared.process.watch import watch
from shared.settings import Settings

log = structlog.get_logger()


def read_engine(url: str, schema: str) -> AsyncEngine:
    """SQLModel's engine, on the service's schema. `url` is a plain postgresql:// one. It says `Unreachable` where the database is away."""
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=8,
        max_overflow=8,
        pool_timeout=30,
        isolation_level="AUTOCOMMIT",  # reads alone go this way: BEGIN and ROLLBACK would be two more round trips
        connect_args={"server_settings": {"search_path": schema, "jit": "off"}, "command_timeout": 30},
    )
    event.listen(engine.sync_engine, "handle_error", _unreachable)
    return engine


def _unreachable(context: ExceptionContext) -> Unreachable | None:
    """SQLAlchemy knows an error of the driver by its class alone, and of most of these it makes one that might be anything."""
    cause = context.original_exception.__cause__
    return Unreachable(repr(cause)) if isinstance(cause, (asyncpg.InterfaceError, *UNREACHABLE)) else None


def create_app(service: Service, settings: Settings, clock: Clock | None = None) -> FastAPI:
    problems.register(service.refusals)
    telemetry.configure(service.name, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await _pool(settings, service.name)
        engine = read_engine(settings.database_url, service.name)
        kernel = Kernel(service, settings, clock or _clock(settings), pool, engine)
        app.state.kernel = kernel
        app.state.verifier = TokenVerifier(
            issuer=settings.issuer, audience=settings.audience, keys=Keys(settings.jwks_url, kept=settings.kept("jwks"))
        )
        await kernel.writer.start()
        await refuse_altered_heads(kernel)
        work = [compare_and_carry(kernel), kernel.inbox.run(), kernel.timers.run(), watch(kernel), try_again_what_lapsed(kernel)]
        tasks = [asyncio.create_task(_reported(each)) for each in (*work, *(task(kernel) for task in service.tasks))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await kernel.close()
            await app.state.verifier.aclose()
            await engine.dispose()
            await pool.close()

    app = FastAPI(
        title=f"Reserve {service.name}",
        version="1",
        docs_url=None,  # pages of scripts from elsewhere, which our own answers forbid
        redoc_url=None,
        lifespan=lifespan,
        servers=[{"url": f"/{service.name}", "description": "where callers reach it"}],
        responses=problems.RESPONSES,
        generate_unique_id_function=openapi.operation_id,
        # Ours is in shared.observe.telemetry; to ask for FastAPI's costs as much.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.include_router(service.router())
    app.include_router(kernel_api.router)
    problems.install(app)
    application.install(app)
    app.add_middleware(problems.BodyGuard, streaming=service.imports)
    telemetry.instrument(app, service.name, settings)
    return app


def _clock(settings: Settings) -> Clock:
    if settings.clock_file is None:
        return SystemClock()
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
