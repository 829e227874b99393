"""The stage that the kernel's tests share."""

from collections.abc import AsyncIterator

import pytest

from shared.engines.engines import Engines
from tests.kernel.counter import counter_service
from tests.kernel.stage import Running, Stage, a_stage


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="module")
async def counter(stage: Stage) -> AsyncIterator[Running]:
    """A counter service that a file's tests share; each test takes counters of its own."""
    async with stage.serving(counter_service(stage.name("counter"))) as running:
        yield running
