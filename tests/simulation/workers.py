"""Workers: processes that run seeds. Each has its strings hashed alike (PYTHONHASHSEED=0), so that a seed is the same run everywhere."""

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen

import msgspec

from tests.simulation.auditor import Evidence

ROOT = Path(__file__).parents[2]


class Task(msgspec.Struct, frozen=True):
    seed: int
    broken: str | None = None  # a name in `broken.KERNELS`
    with_evidence: bool = False


class Report(msgspec.Struct, kw_only=True):
    """What became of a run. `trace`: its last steps; `digest`: of all its steps; `met`: how often each kind of fault, and of event."""

    seed: int
    broken: str | None
    faults: list[str]
    digest: str
    steps: int
    events: int
    answered: int
    met: dict[str, int]
    trace: list[str]
    evidence: Evidence | None = None

    def told(self) -> str:
        """What is wrong, the last steps, and how to run it again."""
        broken = "" if self.broken is None else f' BROKEN="{self.broken}"'
        return "\n".join(
            (
                f"seed {self.seed} fails:",
                *(f"  - {fault}" for fault in self.faults[:20]),
                "  its last steps:",
                *(f"    {line}" for line in self.trace),
                f"  again: make simulate SEED={self.seed}{broken}   (trace {self.digest[:16]} of {self.steps} steps)",
            )
        )


class Workers:
    """So many processes, each of which runs one seed at a time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._all = [_Worker() for _ in range(jobs)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(jobs)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for worker in self._all:
            worker.end()

    def run(self, tasks: Iterable[Task]) -> Iterator[Report]:
        """Reports as they come. Who has seen enough stops asking: then no further task is begun."""
        running: set[Future[Report]] = set()
        try:
            for task in tasks:
                running.add(self._threads.submit(self._run_one, task))
                if len(running) >= self.jobs:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        finally:
            wait(running)

    def _run_one(self, task: Task) -> Report:
        worker = self._idle.get()
        try:
            return worker.run(task)
        finally:
            self._idle.put(worker)


class _Worker:
    def __init__(self) -> None:
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        self._process = Popen([sys.executable, "-m", "tests.simulation.one_run"], stdin=PIPE, stdout=PIPE, env=environment, cwd=ROOT)

    def run(self, task: Task) -> Report:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(task) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()} at seed {task.seed}")
        return msgspec.json.decode(line, type=Report)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
