"""The stage of the real engines, for the conformance tests."""

from collections.abc import AsyncIterator

import pytest
from stage import Stage, a_stage

from shared.engines import Engines


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage
