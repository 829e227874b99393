"""What the tests of the console share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.console.setting import Setting, a_setting, seeded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded(tmp_path_factory.mktemp("console"))


@pytest.fixture
async def setting(folder: Path) -> AsyncIterator[Setting]:
    async with a_setting(folder) as setting:
        yield setting
