"""One edge for a file of tests, before a service that each of them finds as if nothing had reached it."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.edge.setting import Setting, edge


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    async with edge(tmp_path_factory.mktemp("edge")) as setting:
        yield setting


@pytest.fixture
def setting(shared: Setting) -> Setting:
    shared.service.forget()
    return shared
