"""A second process of a service of a running deployment, on a port of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import httpx
import msgspec
import psutil

from reserve.client import Client
from reserve.operate.deployment import Deployment
from shared.delivery.tokens import TokenSource
from tests.e2e.world import World
from tests.kernel.stage import free_port
from tests.waiting import HANGS_AFTER_S, until


class Second(msgspec.Struct, frozen=True):
    pid: int
    url: str


@asynccontextmanager
async def second_of(world: World, name: str, log_folder: Path) -> AsyncIterator[Second]:
    environment = psutil.Process(world.running.endpoints.pids[name]).environ()
    port = free_port()
    with (log_folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reserve", "serve", name, "--port", str(port)), env=environment, stdout=log, stderr=log
        )
    try:
        await answers(url := f"http://127.0.0.1:{port}")
        yield Second(process.pid, url)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def client_at(world: World, url: str, client_id: str, patience_s: float = HANGS_AFTER_S) -> Client:
    """A caller of one process, past the edge. To be entered."""
    endpoints = world.running.endpoints
    known = endpoints.client(client_id)
    return Client(url, TokenSource(f"{endpoints.issuer}/oauth/token", known.client_id, known.client_secret), patience_s=patience_s)


async def answers(url: str) -> None:
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:

        async def ready() -> bool:
            try:
                return (await http.get(f"{url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready)


class Sessions:
    """What PostgreSQL knows of a process: its sessions, and the leads that they hold."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def leads(self, pid: int) -> int:
        """How many advisory locks a process holds. By its sockets to PostgreSQL: a port of another socket of its may be that of another
        process's session."""
        server = await self._connection.fetchval("SELECT inet_server_port()")
        held: int = await self._connection.fetchval(
            """SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE locktype = 'advisory' AND granted AND client_port = ANY($1::int[])""",
            ports_of(pid, server),
        )
        return held


@asynccontextmanager
async def sessions_of(world: World) -> AsyncIterator[Sessions]:
    connection = await asyncpg.connect(Deployment(world.running.folder).engines.database_url)
    try:
        yield Sessions(connection)
    finally:
        await connection.close()


def ports_of(pid: int, server: int) -> list[int]:
    return [each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.raddr and each.raddr.port == server]


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
