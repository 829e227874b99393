"""`reserve up` as a process of its own, as a person would start it: on a folder, until it is interrupted."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from reserve.operate.endpoints import Endpoints, read_endpoints
from shared.settings import Rates
from tests.waiting import HANGS_AFTER_S, until


class Running:
    """A supervisor's process. `folder` holds everything that the deployment has."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, output: Path, before: int) -> None:
        """`output`: what it prints goes there, from byte `before` on."""
        self.folder = folder
        self._process = process
        self._output = output
        self._before = before

    def printed(self) -> str:
        return self._output.read_bytes()[self._before :].decode(errors="replace")

    async def ready_or_ended(self) -> bool:
        return "Reserve is ready at" in self.printed() or self.ended

    @property
    def endpoints(self) -> Endpoints:
        """As they are now: pids change when something is restarted."""
        return read_endpoints(self.folder)

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def kill(self) -> None:
        """The supervisor alone, with no chance to end what it has started."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        """As Ctrl-C does. Gives the exit status."""
        if not self.ended:
            self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(HANGS_AFTER_S):
            return await self._process.wait()


async def start(
    folder: Path, clock_file: Path | None = None, servers: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Running:
    """Gives it once it says that it is ready. Fails with the end of what it printed, if it does not.

    `servers`: the addresses of those that exist already, as in the environment.
    """
    running = await started(folder, clock_file, servers, options)
    try:
        await until(running.ready_or_ended)
        assert not running.ended, "it ended before it was ready"
    except BaseException as error:
        await running.stop()
        error.add_note(running.printed()[-4000:])
        raise
    return running


async def started(
    folder: Path, clock_file: Path | None = None, servers: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Running:
    """One that may not become ready by itself."""
    output = folder.with_name(f"{folder.name}.log")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RESERVE_", "DATABASE_", "KAFKA_"))}
    plenty = {f"RESERVE_{name}".upper(): "10000" for name in Rates.model_fields}  # a test asks more than people do
    environment |= plenty | dict(servers or {})
    if clock_file is not None:
        environment["RESERVE_CLOCK_FILE"] = str(clock_file)
    with output.open("ab") as log:
        before = log.tell()
        command = (sys.executable, "-m", "reserve", "up", "--data", str(folder), *options)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=environment, start_new_session=True)
    return Running(folder, process, output, before)


@asynccontextmanager
async def up(folder: Path, clock_file: Path | None = None, servers: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """A deployment that serves until the block ends, and ends well."""
    running = await start(folder, clock_file, servers)
    try:
        yield running
    finally:
        status = await running.stop()
    assert status == 0, f"`reserve up` ended with status {status}"
