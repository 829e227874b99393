"""One operating-system process at a time under one name: started, waited for, ended; and never confused with a stranger's."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import msgspec
import psutil

LOG_LIMIT_BYTES = 32 * 1024 * 1024
SHOWN_LINES, SHOWN_BYTES = 5, 2_000  # of the log of a program that died
POLL_EVERY_S = 0.05


class Identity(msgspec.Struct, frozen=True):
    """A process for certain: a pid alone may be given to another after its owner's death."""

    pid: int
    started: float  # seconds since 1970, as the kernel has it
    made_of: str = ""  # SHA-256 of how it was started: arguments, environment, build
    orphan_signal: int = signal.SIGTERM  # what ends it soonest without harm, when nobody needs its answers any more


class Died(RuntimeError):
    """A program ended before it was ready. What is printed ends with the last lines of its log."""

    def __init__(self, name: str, reason: str, log: Path | None) -> None:
        super().__init__(f"{name} {reason}" + (f"; see {log}{_last_lines(log)}" if log else ""))
        self.name = name


class Program(Protocol):
    """What the supervisor keeps alive. `start` returns when the program answers, or raises `Died`.

    `alive` asks a program that was ready whether it still does anything at all. It never raises, but may wait for ever where it hangs.
    """

    @property
    def process(self) -> "OwnProcess": ...
    async def start(self) -> None: ...
    async def alive(self) -> bool: ...
    async def stop(self) -> None: ...


class OwnProcess:
    """The process behind a program; it has a session of its own, so that a Ctrl-C meant for us does not reach it."""

    def __init__(self, name: str, log: Path | None = None, orphan_signal: signal.Signals = signal.SIGKILL) -> None:
        self.name = name
        self.log = log  # stdout and stderr go here; None: nowhere
        self.orphan_signal = orphan_signal
        self.on_spawn: Callable[[Identity], None] = lambda identity: None  # may raise OSError: then it does not run
        self.waits_for = ""  # why it is not ready yet, as it says itself
        self.build = ""  # of its code, if that may change while its arguments do not
        self.left: Identity | None = None  # what a supervisor that was killed has left of it
        self._process: asyncio.subprocess.Process | None = None
        self._adopted: psutil.Process | None = None  # in its place: no child of ours

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        if self._adopted is not None:
            return self._adopted.pid if _runs(self._adopted) else None
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def listens(self, port: int) -> bool:
        """Whether it is this process that has a TCP port open, or one that it has started, and no stranger."""
        if self.pid is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return any(_listens(each, port) for each in (process, *_children(process)))
        return False

    async def spawn(
        self, argv: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, user: str | None = None
    ) -> None:
        """`user`: the process runs as this user and its group; only root can ask for that. One that is left, and was started in the same
        way, goes on; another one is ended first. Raises `Died`."""
        assert self.pid is None, f"{self.name} runs already"
        made_of = sha256(repr((argv, sorted((env or {}).items()), cwd, user, self.build)).encode()).hexdigest()
        self._adopted = await self._take_over(made_of)
        if self._adopted is not None:
            return
        become: dict[str, Any] = {} if user is None else {"user": user, "group": group_of(user), "extra_groups": []}
        try:
            with appending(self.log) as log:
                self._process = await asyncio.create_subprocess_exec(
                    *argv,
                    env=env,
                    cwd=cwd,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                    **become,
                )
        except OSError as error:
            raise Died(self.name, f"could not be started: {error}", self.log) from error
        try:
            with contextlib.suppress(psutil.NoSuchProcess):  # dead already: whoever waits for it will see
                self.on_spawn(msgspec.structs.replace(identify(self._process.pid, self.orphan_signal), made_of=made_of))
        except OSError as error:
            await self.end(signal.SIGKILL, grace_s=1)
            raise Died(self.name, f"could not be recorded: {error}", self.log) from error

    @property
    def left_pid(self) -> int | None:
        """Of what is left and runs."""
        return self.left.pid if self.left is not None and _still_that(self.left) is not None else None

    async def end_left(self) -> None:
        """What is left does not serve."""
        if self.left is not None:
            await asyncio.to_thread(end_orphans, [self.left])
            self.left = None

    async def _take_over(self, made_of: str) -> psutil.Process | None:
        process = None if self.left is None else _still_that(self.left)
        if self.left is None or process is None or self.left.made_of != made_of:
            await self.end_left()
            return None
        self.left = None
        return process

    async def wait(self) -> int | None:
        """Until it ends. Its exit status, negative for a signal; None: only the supervisor that started it would know."""
        if self._adopted is not None:
            await _gone(self._adopted)
            return None
        assert self._process is not None, f"{self.name} was never started"
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """To it alone, if it still runs."""
        running = self._adopted or self._process
        if running is not None and self.pid is not None:
            running.send_signal(number)

    async def end(self, gently: signal.Signals, grace_s: float) -> None:
        """Ask, wait, and at the end of the grace kill it and whatever it has started."""
        if (pid := self.pid) is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self.send(gently)
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            await self.wait()

    async def until(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition for as long as the process lives, however long one look at it takes. Raises `Died`."""
        ended = asyncio.create_task(self.wait())
        looking = {ended}
        try:
            while True:
                look = asyncio.ensure_future(ready())
                looking = {ended, look}
                await asyncio.wait(looking, return_when=asyncio.FIRST_COMPLETED)
                if look.done() and look.result():
                    return
                if ended.done():
                    raise Died(self.name, f"ended with status {ended.result()} before it was ready", self.log)
                await asyncio.wait({ended}, timeout=POLL_EVERY_S)
        finally:
            for each in looking:
                each.cancel()


class Scheduled(msgspec.Struct, frozen=True):
    """What a thread has had of the processors since it began."""

    ran_s: float
    queued_s: float  # it waited for one; told when the wait ends. A container that has used up its share makes its threads wait, too
    wants: bool  # it runs, or waits for a processor, now


def scheduled(pid: int, *, with_children: bool = False) -> dict[int, Scheduled]:
    """Each thread of that process, and of those that it has started, by its id: none of one that is gone, nor where the system does not
    say. Only Linux does."""
    found = {}
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError, IndexError):  # it ended in between
                ran, queued, _ = (thread / "schedstat").read_text().split()
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
                found[int(thread.name)] = Scheduled(int(ran) / 1e9, int(queued) / 1e9, state == "R")
                for child in (thread / "children").read_text().split() if with_children else ():
                    found |= scheduled(int(child), with_children=True)
    return found


async def said_back(port: int, said: bytes, count: int) -> bytes:
    """The first `count` bytes that a server on the loopback answers; fewer when it hangs up, none when it is not there."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(said)
            return await reader.readexactly(count)
        finally:
            writer.close()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except OSError:
        return b""


def _last_lines(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - SHOWN_BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-SHOWN_LINES:]
    except OSError:  # a folder, or nothing has been written
        return ""
    return "".join(f"\n    {line}" for line in lines)


@contextlib.contextmanager
def appending(log: Path | None) -> Iterator[int]:
    """A file descriptor to append to; a log that has grown past its limit is moved aside first."""
    if log is not None and log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    descriptor = os.open(log or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def cut(log: Path) -> None:
    """The same for one that is being written to: what it has is copied, and it goes on from its beginning. A line between the two
    is lost. Where there is no room for the copy, nothing is cut."""
    copy = log.with_name(log.name + ".1")
    with contextlib.suppress(OSError):
        if log.stat().st_size <= LOG_LIMIT_BYTES:
            return
        try:
            shutil.copyfile(log, copy)
        except OSError:
            copy.unlink(missing_ok=True)
            return
        os.truncate(log, 0)


def group_of(user: str) -> int:
    """The id of a user's own group. Raises KeyError for an unknown user."""
    return pwd.getpwnam(user).pw_gid


def identify(pid: int, orphan_signal: signal.Signals = signal.SIGTERM) -> Identity:
    """Raises psutil.NoSuchProcess."""
    return Identity(pid=pid, started=psutil.Process(pid).create_time(), orphan_signal=orphan_signal)


def end_orphans(identities: Iterable[Identity], grace_s: float = 10) -> list[int]:
    """End processes that a supervisor before us has left, with their children.

    The answer has the pids that were ours: one that is gone, or is a stranger's by now, is left alone and left out.
    """
    orphans = {process: identity.orphan_signal for identity in identities if (process := _still_that(identity)) is not None}
    children = {child for orphan in orphans for child in _children(orphan)}
    for orphan, orphan_signal in orphans.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.send_signal(orphan_signal)
    _, alive = psutil.wait_procs([*orphans, *children], timeout=grace_s)
    for survivor in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()
    psutil.wait_procs(alive, timeout=grace_s)
    return [orphan.pid for orphan in orphans]


def _still_that(identity: Identity) -> psutil.Process | None:
    try:
        process = psutil.Process(identity.pid)
        return process if process.create_time() == identity.started and _runs(process) else None
    except psutil.NoSuchProcess:
        return None


def _listens(process: psutil.Process, port: int) -> bool:
    """Raises psutil.NoSuchProcess."""
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections("tcp"))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _gone(process: psutil.Process) -> None:
    """Until a process ends that is no child of ours. Only Linux says so; elsewhere it is looked at now and then."""
    while _runs(process):
        if not hasattr(os, "pidfd_open"):
            await asyncio.sleep(POLL_EVERY_S)
            continue
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            loop.add_reader(descriptor, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
