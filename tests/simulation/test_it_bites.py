"""A simulation that finds nothing proves nothing: each kernel that is broken on purpose is found within 200 seeds."""

import os
from collections.abc import Iterator

import pytest

from simulation.broken import KERNELS
from simulation.workers import Task, Workers

FIRST, SEEDS = 1000, 200


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(os.cpu_count() or 1) as workers:
        yield workers


@pytest.mark.parametrize("broken", KERNELS)
def test_a_broken_kernel_is_found(workers: Workers, broken: str) -> None:
    reports = workers.run(Task(seed, broken) for seed in range(FIRST, FIRST + SEEDS))
    found = next((report for report in reports if report.faults), None)
    assert found is not None, f"{SEEDS} seeds find nothing"
    print(f"seed {found.seed}: {found.faults[0]}")
