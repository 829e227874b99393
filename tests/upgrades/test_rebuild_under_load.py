"""Inventory's read tables made anew and put in the place of the live ones, with the command that a person runs, while draws go on."""

import asyncio
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

pytest.register_assert_rewrite("tests.e2e.running", "tests.e2e.world", "tests.faults.load")

from reserve.operate.deployment import Deployment  # noqa: E402
from tests.e2e.lending import something_of_each  # noqa: E402
from tests.e2e.running import start  # noqa: E402
from tests.e2e.world import World, a_world  # noqa: E402
from tests.faults.load import UNIT_G, Load, assert_nothing_is_lost_or_doubled, drawers_of  # noqa: E402

pytestmark = pytest.mark.long
UNITS = 400_000
SWAPS = 2


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with a_world(await start(tmp_path_factory.mktemp("rebuilt") / "reserve")) as world:
        yield world
        status = await world.running.stop()
    assert status == 0, f"`reserve up` ended with status {status}"


async def rebuild(world: World, name: str, *options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reserve", "rebuild", name, "--data", str(world.running.folder), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_tables_are_rebuilt_while_draws_go_on_and_are_as_the_journal_says(world: World) -> None:
    product = await world.registered_product(unit_g=UNIT_G)
    await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
    await something_of_each(world)
    drawers = await drawers_of(world, ["JP", "US", "EU", "AU"], product, UNITS // 8)
    owner = await asyncpg.connect(Deployment(world.running.folder).engines.database_url, server_settings={"search_path": "inventory"})
    try:
        async with Load(drawers) as load:
            await load.goes_on(10)
            for _ in range(SWAPS):
                await owner.execute("UPDATE draws SET mass_g = 0 WHERE draw = (SELECT min(draw) FROM draws)")
                status, said = await rebuild(world, "inventory")
                assert status == 1 and "differs" in said, said
                (status, said), _ = await asyncio.gather(rebuild(world, "inventory", "--swap"), load.goes_on(10))
                assert status == 0, said
                status, said = await rebuild(world, "inventory")
                assert status == 0, said
            await load.goes_on(10)
    finally:
        await owner.close()
    for name in ("inventory", "allocation", "loans"):
        status, said = await rebuild(world, name)
        assert status == 0, said
    await assert_nothing_is_lost_or_doubled(world, product, UNITS * UNIT_G, drawers)
