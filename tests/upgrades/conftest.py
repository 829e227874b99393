"""The stage of the kernel's tests, and a database of its own for each test that migrates."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

pytest.register_assert_rewrite("tests.upgrades.keep", "tests.upgrades.lineages", "tests.e2e.running", "tests.e2e.world")

from shared.engines.engines import Engines  # noqa: E402
from tests.kernel.stage import Stage, a_stage  # noqa: E402


@pytest.fixture(scope="session")
async def stage(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
async def database(servers: Engines, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of an empty database, which is the one that Alembic migrates."""
    name = f"upgrades_{secrets.token_hex(4)}"
    url = f"{servers.database_url.rpartition('/')[0]}/{name}"
    owner = await asyncpg.connect(servers.database_url)
    await owner.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("DATABASE_OWNER_URL", url)
    yield url
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()
