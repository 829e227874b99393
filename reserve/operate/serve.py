"""Serve: one process of one service, under uvicorn; or the edge, which is Envoy's."""

import gc
import os
import signal
import socket
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from reserve.operate.production import refuse_in_production
from reserve.settings import unknown
from services.identity.clients import seed
from services.ledger.keys import pinned_keys, seed_key
from services.registry import JOURNALED, service
from shared.http.whole_answers import WholeAnswers
from shared.process.app import create_app
from shared.process.niceness import stand_back
from shared.process.service import Kernel
from shared.settings import Settings

log = structlog.get_logger()

BEHIND = frozenset({"ledger"})  # nobody waits for it who would not wait longer for a draw: where processors are short, draws go first
BEHIND_BY = 3


def application(name: str, settings: Settings) -> ASGIApp:
    """Raises LookupError for a name that is no service's."""
    match name:
        case "identity":
            from services.identity.main import create_app as identity

            return identity(settings)
        case "console":
            from services.console.main import create_app as console

            return console(settings)
        case _ if name in JOURNALED:
            return create_app(service(name), settings)
        case _:
            raise LookupError(f"no service is called {name}")


def with_local_secrets(settings: Settings) -> Settings:
    """What the environment leaves out is taken from the data folder that `reserve migrate` prepared, outside production only."""
    if settings.environment == "production":
        return settings
    found = {}
    if settings.client_id and not settings.client_secret:
        found["client_secret"] = next(
            client.client_secret for client in seed(settings.data_dir, JOURNALED) if client.client_id == settings.client_id
        )
    if not settings.ledger_public_key:
        seed_key(settings.data_dir, settings.log_domain)
        found["ledger_public_key"] = pinned_keys(settings.data_dir)
    return settings.model_copy(update=found)


def serve(name: str, port: int | None) -> None:
    """Serves until SIGTERM; requests under way are finished first, without what they wait for. Raises `production.Refused`."""
    settings = Settings()
    refuse_in_production(name, settings)
    if name == "edge":
        from reserve.operate.edge.program import become_envoy

        become_envoy(settings, port)
    settings = with_local_secrets(settings)
    for variable in unknown(os.environ):
        log.error("no_such_setting", variable=variable)  # of an earlier build, or misspelt: somebody thinks that it counts
    config = uvicorn.Config(
        application(name, settings),
        host=settings.host,
        port=settings.port if port is None else port,
        loop="uvloop",
        http=WholeAnswers,
        log_level="warning",
        access_log=False,
        backlog=1024,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        server_header=False,
        proxy_headers=False,
    )
    if name in BEHIND:
        stand_back(BEHIND_BY)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: it need not be looked through again and again
    gc.enable()
    listening = socket.create_server((settings.host, config.port), backlog=config.backlog)
    Server(config).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn's own waits for the application to have started before it heeds a signal, and that may wait for PostgreSQL; and for all
    answers under way, of which some wait for news."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.started:  # nothing was begun that would have to be finished
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        kernel: Kernel | None = getattr(getattr(self.config.app, "state", None), "kernel", None)
        if kernel is not None:
            kernel.end_waits()
        await super().shutdown(sockets)
