"""A deployment of its own for the tests that kill parts of it."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

pytest.register_assert_rewrite("tests.e2e.running", "tests.e2e.world", "tests.faults.load", "tests.faults.ground")

from tests.e2e.running import start  # noqa: E402
from tests.e2e.world import World, a_world  # noqa: E402
from tests.faults.ground import OUTCOMES, Ground, a_ground  # noqa: E402


@pytest.fixture(scope="session")
async def shaken(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Its supervisor may be replaced by a test; the one that runs last must end well."""
    async with a_world(await start(tmp_path_factory.mktemp("shaken") / "reserve")) as world:
        yield world
        status = await world.running.stop()
    assert status == 0, f"`reserve up` ended with status {status}"


@pytest.fixture(scope="session")
async def ground(shaken: World) -> Ground:
    return await a_ground(shaken)


@pytest.fixture(autouse=True)
def told(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """What came of the test's faults is shown when all tests have run."""
    before = len(OUTCOMES)
    yield
    for outcome in OUTCOMES[before:]:
        record_property("fault", str(outcome))
