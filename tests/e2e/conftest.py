"""One deployment for all end-to-end tests: real PostgreSQL and Kafka, every service in a process of its own, behind the edge, and two of
the three witnesses that its policy names.

Tests keep apart by products of their own; each measures days from the world's today, which only ever moves forward.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import ShiftedClock
from shared.proofs.signed_note import parse_verifier_key

pytest.register_assert_rewrite("tests.e2e.refusals", "tests.e2e.running", "tests.e2e.world")

from tests.e2e.running import up  # noqa: E402
from tests.e2e.world import World, a_world  # noqa: E402
from tests.stories.witnesses import NAMES, Witnesses  # noqa: E402


@pytest.fixture(scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    clock_file = folder / "clock"
    clock_file.write_text("0")
    witnesses = Witnesses(folder)
    witnesses.name_in(folder / "reserve")
    async with up(folder / "reserve", clock_file) as running, a_world(running, clock_file) as world:
        log = parse_verifier_key((running.folder / "keys" / "ledger.vkey").read_text().strip())
        async with witnesses.serving(log, *NAMES[:2], clock=ShiftedClock(clock_file)):
            yield world


LAST = ("test_schemathesis", "test_whole_history")  # what disturbs the world, and what looks at all that has happened in it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def late(item: pytest.Item) -> int:
        name = item.path.stem
        return LAST.index(name) + 1 if item.path.parent == Path(__file__).parent and name in LAST else 0

    ours = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    for place, item in zip(ours, sorted((items[place] for place in ours), key=late), strict=True):
        items[place] = item
