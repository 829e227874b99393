"""A full disk: what cannot be written is refused with 503, and when there is room again all goes on by itself."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from reserve.client import Client, ProblemAnswer
from tests.e2e.running import up
from tests.e2e.world import a_world
from tests.faults.ground import MORE, Ground, a_ground
from tests.faults.load import UNIT_G, Drawer, drawers_of
from tests.waiting import until

SIZE = "800m"
REFUSALS = 3  # in a row: it is no hiccup

pytestmark = pytest.mark.long


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All that a deployment writes goes to it: tables, topics, tiles, logs, its own notes. Only root may make one."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this user may not make a disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_draws_are_refused_while_the_disk_is_full_and_go_on_when_there_is_room(small_disk: Path) -> None:
    async with up(small_disk / "reserve") as running, a_world(running) as world:
        ground = await a_ground(world)
        [asker] = await drawers_of(world, ["JP"], ground.product, 1000)
        ballast = small_disk / "ballast"
        async with Client.of(running.endpoints, "partner-jp") as impatient, ground.under_load("a full disk"), httpx.AsyncClient() as http:
            codes: list[str] = []

            async def refused() -> bool:
                fill(ballast)
                codes.append(await refusal_of(impatient, asker))
                return len(codes) >= REFUSALS and all(codes[-REFUSALS:])

            await until(refused)
            assert set(filter(None, codes)) == {"unavailable"}

            async def red() -> bool:
                await refused()
                answer = await http.get(f"{running.endpoints.services['inventory']}/readyz")
                return answer.status_code == 503 and "disk is full" in answer.text

            await until(red)
            ballast.unlink()
            await the_same_is_drawn(ground, asker)


async def refusal_of(client: Client, asker: Drawer) -> str:
    """The code of the refusal of a draw; nothing where it is accepted."""
    key = asker.key(len(asker.answers))
    try:
        asker.answers[key] = await client.post(f"/inventory/v1/releases/{asker.release}/draws", {"mass_g": UNIT_G}, key=key)
    except ProblemAnswer as problem:
        assert problem.status == 503, problem
        return problem.code
    return ""


async def the_same_is_drawn(ground: Ground, asker: Drawer) -> None:
    """A draw that was refused with 503 counts once, whether or not it was recorded."""
    for _ in range(MORE):
        key = asker.key(len(asker.answers))
        asker.answers[key] = await asker.draw(key)
    ground.drawers.append(asker)


def fill(ballast: Path) -> None:
    """Takes all room that is left, to the last byte."""
    for size in (1 << 20, 4096, 1):
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(size))
