"""The real PostgreSQL and Kafka that tests share, started once a run and only when a test asks for them."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

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
