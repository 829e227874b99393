"""One deployment for all end-to-end tests: real PostgreSQL and Kafka, every service in a process of its own, behind the gateway.

Tests keep apart by products of their own; each measures days from the world's today, which only ever moves forward.
"""

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("tests.e2e.refusals", "tests.e2e.running", "tests.e2e.world")

from tests.e2e.running import up  # noqa: E402
from tests.e2e.world import World, a_world  # noqa: E402


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    clock_file = folder / "clock"
    clock_file.write_text("0")
    async with up(folder / "reserve", clock_file) as running, a_world(running, clock_file) as world:
        yield world
