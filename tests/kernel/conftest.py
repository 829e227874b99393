"""The stage that the kernel's tests share."""

from collections.abc import AsyncIterator

import pytest
from counter import counter_service
from stage import Running, Stage, a_stage

from shared.engines import Engines


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="module")
async def counter(stage: Stage) -> AsyncIterator[Running]:
    """A counter service that a file's tests share; each test takes counters of its own."""
    async with stage.serving(counter_service(stage.name("counter"))) as running:
        yield running
