"""The kernel as it is, through the usual seeds; `make simulate SEEDS=...` runs more of them."""

import os
from collections.abc import Iterator
from typing import get_args

import pytest

from services.allocation import events as allocation
from services.inventory import events as inventory
from shared.codec import type_of
from simulation.chance import Fault
from simulation.one_run import Report
from simulation.workers import Task, Workers

SEEDS = 60
RARE = {  # that the simulated clients do not do, or seldom have reason to
    *(
        "allocation.agreement_ended.v1",
        "allocation.disruption_declared.v1",
        "allocation.disruption_revised.v1",
        "allocation.disruption_ended.v1",
    ),
    *("allocation.request_declined.v1", "inventory.right_matured.v1"),
}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(os.cpu_count() or 1) as workers:
        yield workers


@pytest.fixture(scope="module")
def reports(workers: Workers) -> list[Report]:
    return list(workers.run(Task(seed) for seed in range(SEEDS)))


def test_nothing_is_lost_doubled_or_forked(reports: list[Report]) -> None:
    assert len(reports) == SEEDS
    failed = [report.told() for report in reports if report.faults]
    assert not failed, "\n\n".join(failed)


def test_the_usual_seeds_meet_every_fault_and_every_kind_of_event(reports: list[Report]) -> None:
    """Else the runs would be quiet ones, and prove nothing."""
    kinds = {type_of(event) for union in (inventory.Event, allocation.Event) for event in get_args(union.__value__)}
    seen = set[str]().union(*(report.seen for report in reports))
    assert {*Fault, *kinds} - RARE <= seen


def test_a_seed_is_the_same_run_in_every_process(workers: Workers, reports: list[Report]) -> None:
    again = {report.seed: report.digest for report in workers.run([Task(seed) for seed in range(7, -1, -1)])}
    first = {report.seed: report.digest for report in reports}
    assert again == {seed: first[seed] for seed in range(8)}
    assert len(set(first.values())) == SEEDS
