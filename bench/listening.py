"""Programs of a bench's own, each on a free port of this machine for as long as it is measured."""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.processors import family, memory_bytes
from shared.engines.processes import OwnProcess

ENDS_WITHIN_S = 20.0  # then it is killed


class Listening(msgspec.Struct, frozen=True):
    """A program that answers at `port`."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """Of it and its children, since they began."""
        return sum(each.user + each.system for each in (process.cpu_times() for process in family(self.pid)))

    def memory_bytes(self) -> int:
        return sum(map(memory_bytes, family(self.pid)))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def module(name: str, *arguments: str) -> Callable[[int], Sequence[str]]:
    """`python -m NAME PORT ARGUMENTS`."""
    return lambda port: (sys.executable, "-m", name, str(port), *arguments)


@asynccontextmanager
async def listening(
    command: Callable[[int], Sequence[str]], environment: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Listening]:
    """Once it listens at the port that `command` is given: it, and not whoever was given the port meanwhile. What it prints goes to `log`.
    Raises Died where it ends before."""
    port = free_port()
    arguments = list(command(port))
    process = OwnProcess(" ".join(arguments), log)

    async def listens() -> bool:
        return process.listens(port)

    await process.spawn(arguments, env=dict(os.environ) | dict(environment or {}), cwd=Path(__file__).parents[1])
    try:
        await process.until(listens)
        pid = process.pid
        assert pid is not None, "it listened just now"
        yield Listening(port, pid)
    finally:
        await process.end(signal.SIGTERM, ENDS_WITHIN_S)
