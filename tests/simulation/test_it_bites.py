"""A simulation that finds nothing proves nothing: each kernel that is broken on purpose is found within 200 seeds."""

import re

import pytest

from tests.simulation.broken import KERNELS
from tests.simulation.workers import Task, Workers

FIRST, SEEDS = 1000, 200
QUICK = {
    "relay saves its cursor before the acknowledgements",
    "outcomes saved after the transaction",
    "positions from a sequence instead of the head lock",
}


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in KERNELS])
def test_a_broken_kernel_is_found(workers: Workers, name: str) -> None:
    says = re.compile(KERNELS[name].found_by).search
    reports = workers.run(Task(seed, name) for seed in range(FIRST, FIRST + SEEDS))
    assert any(says(fault) for report in reports for fault in report.faults), f"{SEEDS} seeds find nothing"
