"""What all tests share: the real PostgreSQL and Kafka, started once a worker and only when a test asks for them; and who runs what.

`pytest -n 2` (as `make test` does) runs them in two workers, since much of a test's time is waiting for an engine. Each has engines and
deployments of its own, so that no test meets another's.
"""

import gc
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from shared.engines.engines import Engines, engines

# How long an example takes, and the making of one, depends on who else works here.
settings.register_profile("reserve", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reserve")


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engines]:
    """Where they answer. Tests keep apart by the names of their services: each has a schema and a topic of its own."""
    running = engines(tmp_path_factory.mktemp("engines"))
    for program in running.programs:
        await program.start()
    yield running
    for program in reversed(running.programs):
        await program.stop()


# One after the other, in one worker: they share a deployment, or runs.
TOGETHER = {"tests/e2e": "deployments", "tests/browser": "deployments", "tests/faults": "deployments", "tests/simulation": "simulation"}
# Each has a deployment, or engines, of its own, and asks little of it: the other worker runs them meanwhile.
BESIDE = (
    "tests/e2e/test_benches",
    "tests/faults/test_full_disk",
    "tests/faults/test_new_history",
    "tests/faults/test_restore",
    "tests/faults/test_servers_elsewhere",
)


class Longest(LoadScopeScheduling):
    """A worker that is free takes the next file, or all of what belongs together: first what takes longest."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(BESIDE):
            return file
        return next((scope for folder, scope in TOGETHER.items() if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Longest:
    config.option.loadscopereorder = False  # by how many tests there are
    return Longest(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        if item.nodeid.startswith(BESIDE):
            return 1
        return 0 if item.nodeid.startswith(tuple(TOGETHER)) else 2

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # five thousand tests and all that they import stay: they need not be looked through again and again


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What failed is said when it fails: a run that is cut off has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext}", flush=True)


FAULT = f"{'fault':<60} {'waited, s':>10} {'acknowledged':>14} {'present':>10}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `tests/faults` tell of each fault: they may have run in another process."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)]
    told = [line for report in reports if report.when == "teardown" for name, line in report.user_properties if name == "fault"]
    if told:
        terminalreporter.section("faults, and what came of them")
        for line in (FAULT, *told):
            terminalreporter.write_line(str(line))
