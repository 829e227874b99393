"""Keeps a set of programs alive in one folder: starts them, waits until they are ready, restarts what dies, and ends them all together.

A folder (mode 0700) belongs to one supervisor at a time and holds

- `lock`: held for as long as the supervisor lives;
- `pids.json`: every process that it has started, with its start time, and with a hash of how: the next supervisor goes on with what this
  one left behind, if it would start the same and it gives a sign of life, and else ends it;
- `ports.json`: the ports that were free at the first start, kept ever after;
- `logs/NAME.log`: what each program prints; past 32 MiB it begins anew, and what it had is in `NAME.log.1`.

Engines start first and stop last. A program that takes long to start is waited for, and every so often that is said on standard error: how
long it takes depends on the machine. One that dies is started again: at once, then less and less often while it keeps dying. One that hangs
(it was ready, and now gives no sign of life) is killed first.

To hang is not to be slow. A program has its time to answer only while it need not wait for a processor, and while we need not: the time in
which it stands in the system's queue, beside others that are as busy, does not count, nor does time in which we stood still ourselves.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
import msgspec
import structlog

from shared.engines.private_files import private_folder, write_private
from shared.engines.processes import Died, Identity, OwnProcess, Program, Scheduled, cut, end_orphans, scheduled
from shared.observe.waiting import saying
from shared.tls import trusted

STOP_WITHIN_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
LIVED_WELL_S = 10.0  # after so long a life the next pause is the first one again
GIVE_UP_AFTER = 3  # failures of a program that has never been ready: it will not be
PROBE_TIMEOUT_S = 5.0  # of time that counts
STEPS = 5  # in which that time is measured
WATCH_EVERY_S = 5.0  # how often a program that was ready is asked for a sign of life
MISSES = 3  # so many times in a row without one, and it is taken to hang: after 15 to 20 s that count, far beyond a pause of Java's

log = structlog.get_logger(__name__)


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A program of ours. It is ready when `health_url` answers 200; without one, as soon as it runs.

    It hangs when `live_url` no longer answers; without one, never.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]  # all of its environment
    health_url: str | None = None
    live_url: str | None = None
    build: str = ""  # of its code: a program of another build is not gone on with
    carries_answers: bool = False  # of the others, which end first: what they are asked already is answered


class _Health(msgspec.Struct, frozen=True):
    reasons: list[str] = []


class FolderInUse(RuntimeError):
    """Another supervisor holds the folder."""


class Supervisor:
    """`engines` are started in their order before `prepare` runs, which may migrate what they hold, and `children` after it."""

    def __init__(
        self,
        folder: Path,
        engines: Sequence[Program],
        children: Sequence[Child],
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.prepare = prepare
        self._engines = [_Kept(engine) for engine in engines]
        self._children = [_Kept(ChildProgram(child)) for child in children]
        self._carriers = {child.name for child in children if child.carries_answers}
        self._kept = {kept.name: kept for kept in (*self._engines, *self._children)}
        assert len(self._kept) == len(self._engines) + len(self._children), "names are unique"
        self._started: dict[str, Identity] = {}
        self._on_restart: Callable[[dict[str, int]], None] | None = None
        self._preparing_since: float | None = None
        self._stop_asked = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {name: pid for name, kept in self._kept.items() if (pid := kept.program.process.pid) is not None}

    def log_of(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    async def run(self, on_ready: Callable[[dict[str, int]], None], on_restart: Callable[[dict[str, int]], None] | None = None) -> None:
        """Serve until SIGINT, SIGTERM, `stop` or cancellation, then end everything.

        `on_ready` is called once, with the pid of each program, when all are ready; `on_restart` each time that a program which ended after
        that is ready again. Raises `FolderInUse`, and `Died` when a program cannot be brought up at all.
        """
        private_folder(self.folder)
        private_folder(self.folder / "logs")
        with exclusive(self.folder / "lock"), self._signals():
            await asyncio.to_thread(self._look_at_what_is_left)
            try:
                async with saying(self._starting), asyncio.TaskGroup() as tasks:
                    serving = tasks.create_task(self._serve(tasks, on_ready, on_restart))
                    await self._stop_asked.wait()
                    for task in (serving, *(kept.keeper for kept in self._kept.values() if kept.keeper is not None)):
                        task.cancel()
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            finally:
                await self._end_all()

    def stop(self) -> None:
        """Let `run` end everything and return."""
        self._stop_asked.set()

    async def restart(self, name: str) -> None:
        """End one program gently and wait until it is ready again."""
        kept = self._kept[name]
        kept.ready.clear()
        kept.end_expected = True
        await kept.program.stop()
        await kept.ready.wait()

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """These stand still meanwhile, and are not taken to hang: what do the others do without them?"""
        frozen = [self._kept[name] for name in names]
        for kept in frozen:
            kept.frozen = True
            kept.program.process.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for kept in frozen:
                kept.program.process.send(signal.SIGCONT)
                kept.frozen = False

    async def ready(self, name: str) -> None:
        """Wait until a program is ready, for one that was killed: ready again."""
        await self._kept[name].ready.wait()

    async def _serve(
        self, tasks: asyncio.TaskGroup, on_ready: Callable[[dict[str, int]], None], on_restart: Callable[[dict[str, int]], None] | None
    ) -> None:
        await self._bring_up(tasks, self._engines)
        if self.prepare is not None:
            self._preparing_since = time.monotonic()
            await self.prepare()
            self._preparing_since = None
        await self._bring_up(tasks, self._children)
        on_ready(self.pids)
        self._on_restart = on_restart

    async def _bring_up(self, tasks: asyncio.TaskGroup, group: "Sequence[_Kept]") -> None:
        for kept in group:
            process = kept.program.process
            process.log = self.log_of(kept.name)
            process.on_spawn = partial(self._record, kept.name)
            kept.keeper = tasks.create_task(self._keep(kept), name=f"keep {kept.name}")
        for kept in group:
            await kept.ready.wait()

    def _starting(self) -> str:
        """What is not ready yet, and for how long: "still starting: kafka, 70 s; ledger, 12 s (ended with status 1)"."""
        now = time.monotonic()
        late = [
            f"{name}, {now - kept.late_since:.0f} s" + (f" ({why})" if (why := kept.ended or kept.program.process.waits_for) else "")
            for name, kept in self._kept.items()
            if kept.late_since is not None
        ]
        if self._preparing_since is not None:
            late.append(f"databases and topics, {now - self._preparing_since:.0f} s")
        return f"still starting: {'; '.join(late)}" if late else ""

    async def _keep(self, kept: "_Kept") -> None:
        """Start it whenever it does not run. Raises `Died` when it fails `GIVE_UP_AFTER` times without ever having been ready."""
        pause_s, failures, came_up = FIRST_PAUSE_S, 0, False
        while True:
            began = time.monotonic()
            if kept.late_since is None:
                kept.late_since = began
            try:
                if kept.program.process.left_pid is not None and not await _gives_a_sign_of_life(kept.program):
                    await kept.program.process.end_left()
                await kept.program.start()
                kept.ready.set()
                kept.late_since, kept.ended = None, ""
                if came_up and self._on_restart is not None:
                    self._on_restart(self.pids)
                came_up = True
                reason = await self._end_of(kept)
            except (Died, OSError) as error:  # OSError: what it needs cannot be laid out, on a full disk for instance
                await kept.program.stop()
                reason, failures = str(error), failures + 1
                if failures >= GIVE_UP_AFTER and not came_up:
                    raise
            kept.ready.clear()
            if kept.end_expected:
                kept.end_expected = False
                continue
            if time.monotonic() - began > LIVED_WELL_S:
                pause_s = FIRST_PAUSE_S
            kept.ended = reason.partition("\n")[0]
            log.warning("program_ended", program=kept.name, reason=reason, starts_again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _end_of(self, kept: "_Kept") -> str:
        """Waits until a program that was ready ends, or kills it when it hangs, and says which."""
        program, misses, looked_at = kept.program, 0, time.monotonic()
        while misses < MISSES:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, looked_at + WATCH_EVERY_S - time.monotonic())):
                    return f"ended with status {await program.process.wait()}"
            looked_at = time.monotonic()
            await asyncio.to_thread(cut, self.log_of(kept.name))
            misses = 0 if await _gives_a_sign_of_life(program) or kept.frozen else misses + 1
        await program.process.end(signal.SIGKILL, grace_s=STOP_WITHIN_S)
        return f"hung: it gave no sign of life {MISSES} times, and was killed"

    def _look_at_what_is_left(self) -> None:
        """Ends what a supervisor that was killed has left running, but for what may go on."""
        record = self.folder / "pids.json"
        left = msgspec.json.decode(record.read_bytes(), type=dict[str, Identity]) if record.exists() else {}
        end_orphans(identity for name, identity in left.items() if name not in self._kept)
        for name, identity in left.items():
            if (kept := self._kept.get(name)) is not None:
                kept.program.process.left = self._started[name] = identity

    def _record(self, name: str, identity: Identity) -> None:
        self._started[name] = identity
        write_private(self.folder / "pids.json", msgspec.json.encode(self._started))

    async def _end_all(self) -> None:
        asked, carriers = ([kept for kept in self._children if (kept.name in self._carriers) is carries] for carries in (False, True))
        for group in (asked, carriers, self._engines):
            await asyncio.gather(*(kept.program.stop() for kept in group), *(kept.program.process.end_left() for kept in group))
        (self.folder / "pids.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask us to stop. Only a main thread can listen to signals; elsewhere somebody calls `stop`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


class ChildProgram:
    """A `Child` as a program."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process = OwnProcess(child.name)
        self.process.build = child.build
        # No connection outlives its question, so there is none to close at the end; and each new one asks whether it still accepts.
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(None), limits=httpx.Limits(max_keepalive_connections=0), verify=trusted(), trust_env=False
        )

    async def start(self) -> None:
        await self.process.spawn(list(self.child.argv), env=self.child.env)
        if (url := self.child.health_url) is not None:
            await self.process.until(lambda: self._is_ready(url))

    async def _is_ready(self, url: str) -> bool:
        """Keeps why it is not, if it says so."""
        try:
            answer = await self._http.get(url)
        except httpx.TransportError:
            return False
        ready = answer.status_code == httpx.codes.OK
        self.process.waits_for = "" if ready else _reasons_in(answer)
        return ready

    async def alive(self) -> bool:
        return self.child.live_url is None or await _answers(self._http, self.child.live_url)

    async def stop(self) -> None:
        await self.process.end(signal.SIGTERM, STOP_WITHIN_S)


class _Kept:
    """What the supervisor knows of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.name = program.process.name
        self.ready = asyncio.Event()
        self.end_expected = False  # somebody asked for a restart
        self.frozen = False  # somebody has it stand still
        self.keeper: asyncio.Task[None] | None = None
        self.late_since: float | None = None  # not ready, though it should be
        self.ended = ""  # why it did, the last time


async def _gives_a_sign_of_life(program: Program) -> bool:
    """Asks until `PROBE_TIMEOUT_S` is over that counts: processor time that a thread of the program's has had; or, while none of them
    wants a processor, all time in which none of them, or of ours, waited for one."""
    asked = asyncio.ensure_future(program.alive())
    asked_at, before, own_before = time.monotonic(), dict[int, Scheduled](), scheduled(os.getpid())
    try:
        while (pid := program.process.pid or program.process.left_pid) is not None:
            before = before or scheduled(pid, with_children=True)  # the edge is kept by a program of its own
            await asyncio.wait({asked}, timeout=PROBE_TIMEOUT_S / STEPS)
            if asked.done():
                return asked.result()
            now = scheduled(pid, with_children=True)
            ran_s, waited_s = _since(before, now)
            waited_s = max(waited_s, _since(own_before, scheduled(os.getpid()))[1])
            idle_s = 0.0 if any(each.wants for each in now.values()) else time.monotonic() - asked_at - waited_s
            if max(ran_s, idle_s) >= PROBE_TIMEOUT_S:
                break
        return False
    finally:
        asked.cancel()


def _since(before: dict[int, Scheduled], now: dict[int, Scheduled]) -> tuple[float, float]:
    """The most that a thread ran, and the most that one waited for a processor."""
    nothing = Scheduled(0.0, 0.0, wants=False)
    pairs = [(before.get(thread, nothing), each) for thread, each in now.items()]
    return (
        max((each.ran_s - earlier.ran_s for earlier, each in pairs), default=0.0),
        max((each.queued_s - earlier.queued_s for earlier, each in pairs), default=0.0),
    )


def _reasons_in(answer: httpx.Response) -> str:
    """What a health check says that it waits for."""
    with contextlib.suppress(msgspec.DecodeError):
        return "; ".join(msgspec.json.decode(answer.content, type=_Health).reasons)
    return ""


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go of when we die, however we die. Raises `FolderInUse`."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"another supervisor runs in {lock.parent}") from None
        yield
    finally:
        os.close(descriptor)
