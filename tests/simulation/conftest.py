"""The stage of the real engines, for the conformance tests; for all others the processes that run seeds, and the usual runs."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.engines.engines import Engines
from tests.kernel.stage import Stage, a_stage
from tests.simulation.workers import Report, Task, Workers

USUAL = range(30)


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(os.cpu_count() or 1) as workers:
        yield workers


@pytest.fixture(scope="session")
def usual(workers: Workers) -> list[Report]:
    """With what each has left behind."""
    return list(workers.run(Task(seed, with_evidence=True) for seed in USUAL))


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage
