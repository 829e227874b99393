"""Workers: processes that run seeds. Each has its strings hashed alike (PYTHONHASHSEED=0), so that a seed is the same run everywhere."""

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen

import msgspec

from simulation.one_run import Report, run_seed

ROOT = Path(__file__).parents[2]


class Task(msgspec.Struct, frozen=True):
    seed: int
    broken: str | None = None  # a name in `broken.KERNELS`
    with_evidence: bool = False


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
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
        self._process = Popen([sys.executable, "-m", "simulation.workers"], stdin=PIPE, stdout=PIPE, env=environment, cwd=ROOT)

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


def work() -> None:
    """Tasks come as lines on stdin, reports go as lines to stdout."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed goes to the other stream
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        reports.write(msgspec.json.encode(run_seed(task.seed, task.broken, with_evidence=task.with_evidence)) + b"\n")
        reports.flush()


if __name__ == "__main__":
    work()
