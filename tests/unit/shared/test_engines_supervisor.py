"""The supervisor: what dies is started again, what was left behind is ended, and a stranger is never touched."""

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import httpx
import msgspec
import psutil
import pytest

from shared.engines.engines import engines, remembered_ports
from shared.engines.processes import Died, Identity, OwnProcess, end_orphans, identify, scheduled
from shared.engines.supervisor import Child, ChildProgram, FolderInUse, Supervisor
from shared.kafka import Kafka
from tests.waiting import HANGS_AFTER_S, until

SUPERVISED = """
import asyncio, os, sys
from pathlib import Path
from shared.engines.engines import engines
from shared.engines.supervisor import Child, Supervisor
from shared.kafka import Kafka
folder = Path(sys.argv[1])
programs = engines(folder, kafka=Kafka("none")).programs
child = Child(name="ledger", argv=("sleep", "600"), env={"PATH": os.defpath})
asyncio.run(Supervisor(folder, programs, [child]).run(lambda pids: (folder / "ready").touch()))
"""
# It does not start where there is a file `broken`, is not ready where there is one `not-yet`, and answers only when it has used as much
# of a processor's time as one `work` says, in seconds.
SERVER = """
import http.server, pathlib, sys, time
folder = pathlib.Path(sys.argv[2])
if (folder / "broken").exists():
    raise SystemExit("no key")
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if (folder / "work").exists():
            done_at = time.process_time() + float((folder / "work").read_text())
            (folder / "work").unlink()
            while time.process_time() < done_at:
                pass
        self.send_response(503 if (folder / "not-yet").exists() else 200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
"""
# It has something under way when it is told to end, and ends when that is done.
WORKER = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: (folder / "told").touch())
(folder / "works").touch()
while not (folder / "done").exists():
    time.sleep(0.01)
"""


def server(folder: Path, name: str) -> Child:
    port = remembered_ports(folder, [name])[name]
    url = f"http://127.0.0.1:{port}"
    argv = (sys.executable, "-c", SERVER, str(port), str(folder))
    return Child(name=name, argv=argv, env=dict(os.environ), health_url=f"{url}/readyz", live_url=f"{url}/livez")


def sleeper(name: str) -> Child:
    return Child(name=name, argv=("sleep", "600"), env={"PATH": os.defpath})


def start_sleeping() -> int:
    return os.posix_spawnp("sleep", ["sleep", "600"], os.environ)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    ready = asyncio.Event()
    task = asyncio.create_task(supervisor.run(lambda pids: ready.set()))
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED, timeout=HANGS_AFTER_S)
    waiter.cancel()
    try:
        if not task.done():
            yield supervisor
    finally:
        supervisor.stop()
        await task


async def test_who_carries_the_others_answers_ends_after_them(tmp_path: Path) -> None:
    edge = msgspec.structs.replace(server(tmp_path, "edge"), carries_answers=True)
    worker = Child(name="ledger", argv=(sys.executable, "-c", WORKER, str(tmp_path)), env=dict(os.environ))
    assert edge.live_url is not None
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http, running(Supervisor(tmp_path, [], [edge, worker])) as supervisor:
        await until((tmp_path / "works").exists)
        supervisor.stop()
        await until((tmp_path / "told").exists)
        assert (await http.get(edge.live_url)).status_code == 200
        (tmp_path / "done").touch()


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge")])) as supervisor:
        first = supervisor.pids["edge"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("edge", first) != first)
        await supervisor.ready("edge")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.engines.supervisor.WATCH_EVERY_S", 0.2)
    monkeypatch.setattr("shared.engines.supervisor.PROBE_TIMEOUT_S", 0.5)


async def test_a_child_that_hangs_is_killed_and_started_again(tmp_path: Path, impatient: None) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge"), sleeper("silent")])) as supervisor:
        before = supervisor.pids
        os.kill(before["edge"], signal.SIGSTOP)
        await until(lambda: supervisor.pids.get("edge", before["edge"]) != before["edge"])
        await supervisor.ready("edge")
        assert not psutil.pid_exists(before["edge"])
        assert supervisor.pids["silent"] == before["silent"], "what gives no sign of life by design is left alone"


async def test_a_child_that_works_for_ever_and_answers_nobody_is_killed_and_started_again(tmp_path: Path, impatient: None) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge")])) as supervisor:
        before = supervisor.pids["edge"]
        give_work(tmp_path, HANGS_AFTER_S)
        await until(lambda: supervisor.pids.get("edge", before) != before)
        await supervisor.ready("edge")


async def test_a_child_that_waits_for_a_processor_is_not_taken_to_hang(tmp_path: Path, impatient: None) -> None:
    """Of its own processor it needs a fifth of what a hanging one is given; beside twenty others that are busy, that takes far longer."""
    child = server(tmp_path, "edge")
    assert child.live_url is not None
    async with running(Supervisor(tmp_path, [], [child])) as supervisor, httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
        before = supervisor.pids["edge"]
        with busy_beside(before, others=20):
            give_work(tmp_path, 0.3)
            await until(lambda: not (tmp_path / "work").exists())
            assert (await http.get(child.live_url)).status_code == 200, "it answers one after the other: by now its work is done"
        assert supervisor.pids["edge"] == before


async def test_what_a_thread_has_had_of_the_processors_is_told() -> None:
    own = threading.get_native_id()
    before = scheduled(os.getpid())[own]
    with busy_beside(own, others=2):
        hangs_at, now = time.monotonic() + HANGS_AFTER_S, before
        while min(now.ran_s - before.ran_s, now.queued_s - before.queued_s) < 0.1 and time.monotonic() < hangs_at:
            now = scheduled(os.getpid())[own]
    assert now.wants, "it runs"
    assert now.ran_s - before.ran_s >= 0.1 <= now.queued_s - before.queued_s, "of three that want one processor two wait"
    sleeping = start_sleeping()
    try:
        await until(lambda: not any(each.wants for each in scheduled(sleeping).values()))
        assert sleeping not in scheduled(os.getpid())
        assert sleeping in scheduled(os.getpid(), with_children=True)
    finally:
        os.kill(sleeping, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, sleeping, 0)
    assert scheduled(sleeping) == {}


def give_work(folder: Path, seconds: float) -> None:
    (folder / "work.new").write_text(str(seconds))
    (folder / "work.new").rename(folder / "work")


@contextmanager
def busy_beside(pid: int, others: int) -> Iterator[None]:
    """The process shares one processor with so many others, each in a session of its own, as a system that is fair to sessions wants it."""
    before = os.sched_getaffinity(pid)
    processor = {min(before)}
    os.sched_setaffinity(pid, processor)
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True) for _ in range(others)]
    try:
        for each in busy:
            os.sched_setaffinity(each.pid, processor)
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, before)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], bool]:
    """Whether words like these have been said on standard error, where what takes long is said all the time."""
    monkeypatch.setattr("shared.observe.waiting.SAY_EVERY_S", 0.05)
    said: list[str] = []

    def heard(words: str) -> bool:
        said.append(capsys.readouterr().err)
        return re.search(words, "".join(said)) is not None

    return heard


async def test_what_takes_long_to_start_is_said_and_waited_for(tmp_path: Path, heard: Callable[[str], bool]) -> None:
    prepared = asyncio.Event()
    (tmp_path / "not-yet").touch()
    supervisor = Supervisor(tmp_path, [], [server(tmp_path, "edge"), sleeper("silent")], lambda: prepared.wait())  # type: ignore[arg-type]

    async def listen() -> None:
        await until(lambda: heard(r"reserve: still starting: databases and topics, \d+ s\n"))
        prepared.set()
        await until(lambda: heard(r"reserve: still starting: edge, \d+ s\n"))
        (tmp_path / "not-yet").unlink()

    listening = asyncio.create_task(listen())
    async with running(supervisor):
        await listening
        assert supervisor._starting() == ""


async def test_why_a_child_does_not_come_back_is_said(tmp_path: Path, heard: Callable[[str], bool]) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge")])) as supervisor:
        (tmp_path / "broken").touch()
        os.kill(supervisor.pids["edge"], signal.SIGKILL)
        await until(lambda: heard(r"s \(edge ended with status 1 before it was ready"))
        (tmp_path / "broken").unlink()
        await supervisor.ready("edge")


async def test_a_child_that_is_frozen_on_purpose_is_not_taken_to_hang(tmp_path: Path, impatient: None) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "ledger"), server(tmp_path, "edge")])) as supervisor:
        before = supervisor.pids["ledger"]
        with supervisor.frozen("ledger"):
            for _ in range(2):  # longer than it takes until what hangs is killed
                hangs = supervisor.pids["edge"]
                os.kill(hangs, signal.SIGSTOP)
                await until(lambda: supervisor.pids.get("edge", hangs) != hangs)  # noqa: B023
                await supervisor.ready("edge")
            assert psutil.Process(before).status() == psutil.STATUS_STOPPED
        assert supervisor.pids["ledger"] == before
        os.kill(before, signal.SIGSTOP)
        await until(lambda: supervisor.pids.get("ledger", before) != before)


async def test_a_log_past_its_limit_begins_anew_while_its_program_writes_on(
    tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.engines.processes.LOG_LIMIT_BYTES", 2_000)
    writes = "seq 1000; touch written; until test -e more; do sleep 0.1; done; echo the last; sleep 600"
    child = Child(name="edge", argv=("sh", "-c", f"cd {tmp_path}; {writes}"), env={"PATH": os.defpath})
    async with running(Supervisor(tmp_path, [], [child])) as supervisor:
        log = supervisor.log_of("edge")
        await until((tmp_path / "written").exists)
        await until(lambda: log.stat().st_size == 0)
        assert log.with_name("edge.log.1").read_text().splitlines()[-1] == "1000"
        (tmp_path / "more").touch()
        await until(lambda: log.read_text() == "the last\n")


async def test_a_restarted_child_is_ready_again_under_another_pid(tmp_path: Path) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge")])) as supervisor:
        first = supervisor.pids["edge"]
        await supervisor.restart("edge")
        assert supervisor.pids["edge"] != first


async def test_on_a_full_disk_nothing_is_started_unrecorded_and_when_there_is_room_all_goes_on(tmp_path: Path) -> None:
    async with running(Supervisor(tmp_path, [], [server(tmp_path, "edge"), sleeper("other")])) as supervisor:
        before = supervisor.pids
        (tmp_path / "pids.json.new").symlink_to("/dev/full")  # where the record is written first
        os.kill(before["edge"], signal.SIGKILL)
        await until(lambda: supervisor._started["edge"].pid != before["edge"])  # tried, at least once
        assert supervisor.pids["other"] == before["other"]
        (tmp_path / "pids.json.new").unlink()
        await until(lambda: "edge" in supervisor.pids)
        await supervisor.ready("edge")


async def test_children_start_when_the_preparation_is_done(tmp_path: Path) -> None:
    running_at_preparation: list[dict[str, int]] = []

    async def prepare() -> None:
        running_at_preparation.append(supervisor.pids)

    supervisor = Supervisor(tmp_path, [], [sleeper("ledger")], prepare)
    async with running(supervisor):
        assert running_at_preparation == [{}]
        assert set(supervisor.pids) == {"ledger"}


async def test_a_preparation_that_fails_ends_everything_and_is_reported(tmp_path: Path) -> None:
    async def prepare() -> None:
        raise LookupError("no such migration")

    with pytest.raises(LookupError, match="no such migration"):
        await Supervisor(tmp_path, [], [sleeper("ledger")], prepare).run(lambda pids: None)


async def test_everything_ends_with_the_supervisor(tmp_path: Path) -> None:
    async with running(Supervisor(tmp_path, [], [sleeper("one"), sleeper("two")])) as supervisor:
        pids = supervisor.pids
        assert set(pids) == {"one", "two"}
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert not (tmp_path / "pids.json").exists()


async def test_orphans_recorded_in_the_folder_are_ended_at_the_next_start(tmp_path: Path) -> None:
    orphan = start_sleeping()
    (tmp_path / "pids.json").write_bytes(msgspec.json.encode({"ledger": identify(orphan)}))
    async with running(Supervisor(tmp_path, [], [])):
        assert not psutil.pid_exists(orphan)


@pytest.fixture
async def supervisor_process(tmp_path: Path) -> AsyncIterator[OwnProcess]:
    process = OwnProcess("supervisor", tmp_path / "supervisor.log")
    await process.spawn([sys.executable, "-c", SUPERVISED, str(tmp_path)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})

    async def ready() -> bool:
        return (tmp_path / "ready").exists()

    await process.until(ready)
    yield process
    await process.end(signal.SIGKILL, grace_s=5)


async def test_what_a_killed_supervisor_left_running_is_gone_on_with_where_the_next_would_start_the_same(
    tmp_path: Path, supervisor_process: OwnProcess
) -> None:
    left = msgspec.json.decode((tmp_path / "pids.json").read_bytes(), type=dict[str, Identity])
    await supervisor_process.end(signal.SIGKILL, grace_s=5)
    assert all(psutil.pid_exists(identity.pid) for identity in left.values())
    embedded = engines(tmp_path, kafka=Kafka("none"))
    async with running(Supervisor(tmp_path, embedded.programs, [])) as supervisor:
        assert supervisor.pids == {"postgres": left["postgres"].pid}
        assert not psutil.pid_exists(left["ledger"].pid), "it is none of the next one's"
        await (await asyncpg.connect(embedded.database_url)).close()
        os.kill(left["postgres"].pid, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("postgres") not in (None, left["postgres"].pid))
        await supervisor.ready("postgres")
        await (await asyncpg.connect(embedded.database_url)).close()


async def left_by_a_killed_supervisor(folder: Path, child: Child) -> int:
    """A process that serves, as one would find it that was started by a supervisor which has been killed."""
    program = ChildProgram(child)
    recorded: list[Identity] = []
    program.process.on_spawn = recorded.append
    await program.start()
    (folder / "pids.json").write_bytes(msgspec.json.encode({child.name: recorded[0]}))
    return recorded[0].pid


async def test_a_program_that_serves_is_gone_on_with_and_ended_with_the_others(tmp_path: Path) -> None:
    left = await left_by_a_killed_supervisor(tmp_path, child := server(tmp_path, "ledger"))
    async with running(Supervisor(tmp_path, [], [child])) as supervisor:
        assert supervisor.pids == {"ledger": left}
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


async def test_a_program_of_another_build_is_started_anew(tmp_path: Path) -> None:
    left = await left_by_a_killed_supervisor(tmp_path, child := server(tmp_path, "ledger"))
    newer = msgspec.structs.replace(child, build="newer")
    async with running(Supervisor(tmp_path, [], [newer])) as supervisor:
        assert supervisor.pids["ledger"] != left


async def test_a_program_that_gives_no_sign_of_life_is_started_anew(tmp_path: Path) -> None:
    left = await left_by_a_killed_supervisor(tmp_path, child := server(tmp_path, "ledger"))
    os.kill(left, signal.SIGSTOP)
    async with running(Supervisor(tmp_path, [], [child])) as supervisor:
        assert supervisor.pids["ledger"] != left


async def test_one_that_dies_after_it_was_gone_on_with_is_started_again(tmp_path: Path) -> None:
    left = await left_by_a_killed_supervisor(tmp_path, child := server(tmp_path, "ledger"))
    async with running(Supervisor(tmp_path, [], [child])) as supervisor:
        os.kill(left, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("ledger") not in (None, left))


async def test_a_terminated_supervisor_ends_everything_and_leaves_with_0(tmp_path: Path, supervisor_process: OwnProcess) -> None:
    ours = msgspec.json.decode((tmp_path / "pids.json").read_bytes(), type=dict[str, Identity])
    await supervisor_process.end(signal.SIGTERM, grace_s=HANGS_AFTER_S)
    assert await supervisor_process.wait() == 0
    assert not any(psutil.pid_exists(identity.pid) for identity in ours.values())


def test_a_stranger_with_a_recorded_pid_is_left_alone() -> None:
    stranger = start_sleeping()
    recorded = Identity(pid=stranger, started=identify(stranger).started - 100)
    assert end_orphans([recorded]) == []
    assert psutil.pid_exists(stranger)
    os.kill(stranger, signal.SIGKILL)
    os.waitpid(stranger, 0)


async def test_two_supervisors_cannot_share_a_folder(tmp_path: Path) -> None:
    async with running(Supervisor(tmp_path, [], [])):
        with pytest.raises(FolderInUse):
            await Supervisor(tmp_path, [], []).run(lambda pids: None)


async def test_a_child_that_never_comes_up_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(Died, match=r"edge ended with status 1 before it was ready; see \S+/logs/edge\.log\n +no key"):
        await Supervisor(tmp_path, [], [server(tmp_path, "edge")]).run(lambda pids: None)


async def test_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with running(Supervisor(folder, [], [sleeper("one")])):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "pids.json").stat().st_mode) == 0o600


async def test_engines_that_hang_are_killed_and_come_back_with_what_they_had(tmp_path: Path, impatient: None) -> None:
    """PostgreSQL with all of its processes: the postmaster's death alone would not end a back end that is stopped."""
    embedded = engines(tmp_path)
    async with running(Supervisor(tmp_path, embedded.programs, [])) as supervisor:
        before = supervisor.pids
        connection = await asyncpg.connect(embedded.database_url)
        await connection.execute("CREATE TABLE kept AS SELECT 'antimony' AS word")
        for pid in before.values():
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                process.suspend()
        await until(lambda: not (set(before.items()) & set(supervisor.pids.items())))
        for name in before:
            await supervisor.ready(name)
        connection.terminate()
        again = await asyncpg.connect(embedded.database_url)
        assert await again.fetchval("SELECT word FROM kept") == "antimony"
        await again.close()


async def test_killed_engines_come_back_on_their_ports(tmp_path: Path) -> None:
    embedded = engines(tmp_path)
    async with running(Supervisor(tmp_path, embedded.programs, [])) as supervisor:
        before = supervisor.pids
        assert set(before) == {"postgres", "kafka"}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not (set(before.items()) & set(supervisor.pids.items())))
        for name in before:
            await supervisor.ready(name)
        assert engines(tmp_path).kafka == embedded.kafka
