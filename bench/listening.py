"""Programs of a bench's own, each on a free port of this machine for as long as it is measured."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from bench.processors import family, memory_bytes


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
    """Once somebody answers at the port that `command` is given. What it prints goes to `log`. Raises RuntimeError where it ends before."""
    port = free_port()
    all_of_it = dict(os.environ) | dict(environment or {})
    with (log or Path(os.devnull)).open("ab") as output:
        process = psutil.Popen(
            command(port),
            cwd=Path(__file__).parents[1],
            env=all_of_it,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not await _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"{command(port)} ended with status {process.returncode}")
            await asyncio.sleep(0.05)
        yield Listening(port, process.pid)
    finally:
        process.terminate()
        process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
