"""The restore drill: what docs/restore.md says is done to a deployment that works, and nothing that was acknowledged is lost or doubled.

The tests are the steps of one drill, in order. Each begins with what the one before has left.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from drill import Runbook
from load import UNIT_G, Drawer, Load, assert_nothing_is_lost_or_doubled, drawers_of
from running import start, up
from world import World, a_world

from services.backup import Manifest
from services.registry import JOURNALED

UNITS = 40_000
MORE = 10
PARTNERS = ["JP", "US", "EU"]


class Drill(msgspec.Struct):
    """What the steps hand on. `folder`: of the deployment; `backups`: of everything, and of each service."""

    world: World
    runbook: Runbook
    product: str
    drawers: list[Drawer]
    backups: Path

    @property
    def folder(self) -> Path:
        return self.world.running.folder

    async def do(self, command: str, **places: Path) -> str:
        return await self.runbook.do(command, reserve=self.folder, **places)


@pytest.fixture(scope="module")
async def drill(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Drill]:
    root = tmp_path_factory.mktemp("drill")
    async with a_world(await start(root / "reserve"), patience_s=180.0) as world:
        product = await world.registered_product(unit_g=UNIT_G)
        await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
        yield Drill(world, Runbook(), product, await drawers_of(world, PARTNERS, product, UNITS // 8), root / "backups")
        status = await world.running.stop()
    assert status == 0, f"`reserve up` ended with status {status}"


async def test_backups_are_made_while_everything_serves(drill: Drill) -> None:
    drill.backups.mkdir()
    async with Load(drill.drawers) as load:
        await load.goes_on(MORE)
        before = positions(await drill.world.heads())
        await drill.do("reserve backup BACKUP --data .reserve", BACKUP=drill.backups / "all")
        for name in JOURNALED:
            command = f"reserve backup BACKUP --service {name} --data .reserve"
            drill.runbook.commands.add(command)
            await drill.do(command, BACKUP=drill.backups / name)
        await load.goes_on(MORE)  # nothing stood still meanwhile
    for backup in ("all", *JOURNALED):
        manifest = msgspec.json.decode((drill.backups / backup / "manifest.json").read_bytes(), type=Manifest)
        assert manifest.heads and all(head.position >= before[line] for line, head in manifest.heads.items())
    assert not [path for path in drill.backups.rglob("*") if path.suffix == ".pem" or "secret" in path.name or "password" in path.name]
    await assert_nothing_is_lost_or_doubled(drill.world, drill.product, UNITS * UNIT_G, drill.drawers)


def positions(heads: dict[str, Any]) -> dict[str, int]:
    return {f"{name}/{shard}": head["position"] for name, shards in heads.items() for shard, head in shards.items()}


@pytest.mark.parametrize("damage", ["a byte of a table", "a tile", "the manifest"])
async def test_a_backup_that_was_damaged_is_not_restored(drill: Drill, tmp_path: Path, damage: str) -> None:
    file = {
        "a byte of a table": max((drill.backups / "all/postgres/base").rglob("*"), key=lambda path: path.stat().st_size),
        "a tile": next(path for path in (drill.backups / "all/ledger").rglob("*") if path.is_file()),
        "the manifest": drill.backups / "all/postgres/backup_manifest",
    }[damage]
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        status, said = await drill.runbook.run(
            "reserve restore BACKUP --data NEW --secrets SECRETS", BACKUP=drill.backups / "all", NEW=tmp_path / "new", SECRETS=drill.folder
        )
    finally:
        file.write_bytes(content)
    assert status == 1 and ("is not the file" in said or "checksum mismatch" in said), said
    assert not (tmp_path / "new").exists()


async def test_everything_is_restored_into_a_new_folder_and_goes_on(drill: Drill) -> None:
    """Last, since the deployment that was backed up has to be gone: two of one log would sign two histories."""
    kept = {drawer: dict(drawer.answers) for drawer in drill.drawers}
    assert await drill.world.running.stop() == 0
    new = drill.folder.with_name("restored")
    await drill.do("reserve restore BACKUP --data NEW --secrets SECRETS", BACKUP=drill.backups / "all", NEW=new, SECRETS=drill.folder)
    drill.runbook.ran.add("reserve up --data NEW")
    manifest = msgspec.json.decode((drill.backups / "all/manifest.json").read_bytes(), type=Manifest)
    async with up(new) as running, a_world(running, patience_s=180.0) as world:
        now = positions(await world.heads())
        assert all(now[line] >= head.position for line, head in manifest.heads.items())
        heads = (await world.heads())["inventory"]
        for drawer in drill.drawers:
            drawer._world = world
            drawer.answers = {key: answer for key, answer in kept[drawer].items() if place_is_within(answer["place"], heads)}
            assert 0 < len(drawer.answers) < len(kept[drawer]), "the backup was made between two draws"
            for key, answer in drawer.answers.items():  # what was acknowledged before the backup is answered again, as it was
                assert (await world.drawn(drawer.partner, drawer.release, UNIT_G, key=key)).body == answer
        async with Load(drill.drawers) as load:
            await load.goes_on(MORE)
        await assert_nothing_is_lost_or_doubled(world, drill.product, UNITS * UNIT_G, drill.drawers)
        said = await drill.do("reserve audit verify --live --data NEW", NEW=new)
        assert "all of it holds" in said


def place_is_within(place: str, heads: dict[str, Any]) -> bool:
    _, shard, position = place.split("/")
    return int(position) <= heads[shard]["position"]


async def test_the_drill_has_run_all_that_the_runbook_says(drill: Drill) -> None:
    assert drill.runbook.commands == drill.runbook.ran
