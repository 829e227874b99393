"""One run of a seed, from its world to its audit; and the process that runs one after the other for `workers`."""

import logging
import os
import sys
import traceback
from collections import Counter
from typing import Any

import msgspec
import structlog

from tests.simulation.auditor import Evidence, audit
from tests.simulation.broken import KERNELS
from tests.simulation.chance import Chance
from tests.simulation.loop import run
from tests.simulation.process import current
from tests.simulation.workers import Report, Task
from tests.simulation.world import SOUND, World


def run_seed(seed: int, broken: str | None = None, *, with_evidence: bool = False) -> Report:
    """A run of a seed, alone in its process, where strings are hashed alike (PYTHONHASHSEED=0): the same whenever it is run."""
    kernel = SOUND if broken is None else KERNELS[broken].kernel
    world: World | None = None
    evidence: Evidence | None = None

    async def main() -> Evidence:
        nonlocal world
        world = World(seed, kernel)
        _listen(world.chance)
        return await world.run()

    try:
        evidence = run(main)
        faults = audit(evidence)
    except Exception as error:  # noqa: BLE001 - whatever it is, this seed shows it
        faults = ["the run broke: " + "".join(traceback.format_exception(error)[-6:])]
    assert world is not None, faults
    faults = world.faults + faults
    trace = world.chance.trace
    return Report(
        seed=seed,
        broken=broken,
        faults=faults,
        digest=trace.digest,
        steps=trace.count,
        events=len(world.order),
        answered=sum(1 for operation in world.operations if operation.answers),
        met=trace.faults
        | Counter(record.type for store in world.stores.values() for held in store.shards.values() for record in held.records),
        trace=trace.lines if faults else [],
        evidence=evidence if with_evidence else None,
    )


def _listen(chance: Chance) -> None:
    """What the kernel logs goes into the trace, and nowhere else."""

    def into_trace(_logger: Any, method: str, event: dict[str, Any]) -> str:
        told = " ".join(f"{name}={value}" for name, value in event.items() if name not in ("event", "exc_info"))
        chance.note(current(), f"{method}: {event['event']} {told} {sys.exception() or ''}".rstrip())
        if event["event"] == "line_stopped":
            chance.stops.append((current(), event["line"], event["reason"]))
        raise structlog.DropEvent

    structlog.configure(processors=[into_trace], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


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
