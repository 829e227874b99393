"""The restore drill: what docs/restore.md says is done to a deployment that works, and nothing that was acknowledged is lost or doubled.

The tests are the steps of one drill, in order. Each begins with what the one before has left.
"""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from reserve.client import ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY
from reserve.operate.backup import Manifest
from services.registry import JOURNALED
from shared.journal.places import parse_place
from tests.e2e.lending import LOANS, advanced_loan, committed_loan, something_of_each
from tests.e2e.running import start, up
from tests.e2e.world import World, a_world, the_parties
from tests.faults.drill import Runbook, forced, journal_of
from tests.faults.load import (
    UNIT_G,
    Drawer,
    Load,
    all_are_ready,
    assert_nothing_is_lost_or_doubled,
    assert_the_whole_history_holds,
    drawers_of,
)
from tests.faults.second import client_at
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.long

UNITS = 400_000
MORE = 10
PARTNERS = ["JP", "US", "EU"]
RESTORE = "reserve restore BACKUP --data NEW --secrets SECRETS --last-checkpoint CHECKPOINT"


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

    async def do(self, command: str, **places: Path | str) -> str:
        return await self.runbook.do(command, reserve=self.folder, **places)

    async def restore(self, name: str) -> None:
        """This service alone, from its backup."""
        command = self.runbook.of_another(name, "reserve restore BACKUP --service inventory --data .reserve")
        await self.do(command, BACKUP=self.backups / name)

    async def recover(self, name: str) -> Any:
        return json.loads(await self.do(self.runbook.of_another(name, "reserve journal recover inventory --data .reserve")))

    async def refuses_writes(self, name: str) -> None:
        """It serves, and says why it takes no writes."""
        url = self.world.running.endpoints.services[name]

        async def refuses() -> bool:
            try:
                async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
                    answer = await http.get(f"{url}/readyz")
                return answer.status_code == 503 and "recover before writing" in answer.text
            except httpx.TransportError:
                return False

        await until(refuses)


@pytest.fixture(scope="module")
async def drill(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Drill]:
    root = tmp_path_factory.mktemp("drill")
    async with a_world(await start(root / "reserve")) as world:
        product = await world.registered_product(unit_g=UNIT_G)
        await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
        await something_of_each(world)
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
            command = drill.runbook.of_another(name, "reserve backup BACKUP --service inventory --data .reserve")
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
    (checkpoint := tmp_path / "a.checkpoint").write_text(await checkpoint_of(drill))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        status, said = await drill.runbook.run(
            RESTORE, BACKUP=drill.backups / "all", NEW=tmp_path / "new", SECRETS=drill.folder, CHECKPOINT=checkpoint
        )
    finally:
        file.write_bytes(content)
    assert status == 1 and ("is not the file" in said or "checksum mismatch" in said), said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["inventory", "allocation", "loans"])
async def test_a_service_restored_to_the_past_refuses_writes_recovers_what_it_lacks_and_goes_on(drill: Drill, name: str) -> None:
    await drill.world.released_to("AU", drill.product, UNIT_G)  # with a decision, whose documents no backup holds
    loan = await committed_loan(drill.world)  # with a proposal, as well
    proposal = await drill.world.auditor.get(f"{LOANS}/{loan}/proposal")
    await drill.world.at_rest()  # what services tell each other of it, too, is in the journal
    before = await journal_of(drill.world, name)
    await drill.restore(name)
    lost = len(before) - len(await journal_of(drill.world, name))
    assert lost > 0
    async with Load(drill.drawers if name == "inventory" else []) as load:  # whose draws wait meanwhile
        await drill.refuses_writes(name)
        recovered = await drill.recover(name)
        assert sum(recovered["events"].values()) == lost
        assert (recovered["documents"] > 0) == (name in ("allocation", "loans"))
        await all_are_ready(drill.world)
        await load.goes_on(MORE)
    after = await journal_of(drill.world, name)
    assert before.items() <= after.items(), "byte for byte"
    assert await drill.world.auditor.get(f"{LOANS}/{loan}/proposal") == proposal
    await drill.world.at_rest()  # it takes again what others have told it
    await drill.world.released_to("AU", drill.product, UNIT_G)
    await advanced_loan(drill.world)
    await assert_nothing_is_lost_or_doubled(drill.world, drill.product, UNITS * UNIT_G, drill.drawers)
    await assert_the_whole_history_holds(drill.world)


async def test_a_service_made_to_write_after_it_was_restored_is_found_out_by_its_readers_and_mended(drill: Drill, tmp_path: Path) -> None:
    shutil.rmtree(drill.backups / "inventory")
    await drill.do("reserve backup BACKUP --service inventory --data .reserve", BACKUP=drill.backups / "inventory")
    async with Load(drill.drawers) as load:
        await load.goes_on(MORE)
    before = await journal_of(drill.world, "inventory")
    await drill.restore("inventory")
    await drill.refuses_writes("inventory")
    drawer = drill.drawers[0]
    async with forced(drill.world, "inventory", tmp_path / "forced.log") as url, client_at(drill.world, url, "partner-jp") as client:
        sent = {"body": {"mass_g": UNIT_G}, "headers": {"Idempotency-Key": "forced"}}
        answer = await client.request("POST", f"/v1/releases/{drawer.release}/draws", **sent)
        place = answer.headers["Reserve-Position"]
        shard, position = parse_place(place).shard, parse_place(place).position
        fork = (await journal_of(drill.world, "inventory"))[place]
        named = f"{place} has another hash than the one taken before: {fork['chain_hash']}, not {before[place]['chain_hash']}"

        async def is_named() -> bool:
            line = (await drill.world.auditor.get("/ledger/v1/inbox"))[f"inventory/{shard}"]
            return named in (line["stopped"] or "")

        await until(is_named)
        ledger = drill.world.running.endpoints.services["ledger"]
        alert = f'reserve_fork_detected{{service="ledger",shard="{shard}",source="inventory"}} 1.0'

        async def alerts() -> bool:
            async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
                return alert in (await http.get(f"{ledger}/metrics")).text

        await until(alerts)
        status, said = await drill.runbook.run("reserve audit verify --live --data .reserve", reserve=drill.folder)
        assert status == 1 and place in said
        status, said = await drill.runbook.run("reserve journal recover inventory --data .reserve", reserve=drill.folder)
        assert status == 1 and f"restore a backup that ends before {position}" in said
    await drill.restore("inventory")
    await drill.recover("inventory")
    await all_are_ready(drill.world)
    async with Load(drill.drawers) as load:
        await load.goes_on(MORE)
    assert before.items() <= (await journal_of(drill.world, "inventory")).items()
    await assert_nothing_is_lost_or_doubled(drill.world, drill.product, UNITS * UNIT_G, drill.drawers)
    await assert_the_whole_history_holds(drill.world)


async def test_the_ledger_restored_to_the_past_has_the_same_leaves_again_and_signs_nothing_smaller(drill: Drill) -> None:
    before, journal = await leaves_of(drill), await journal_of(drill.world, "ledger")
    published = await size_of_checkpoint(drill)
    await drill.restore("ledger")
    assert len(await journal_of(drill.world, "ledger")) < len(journal)
    async with Load(drill.drawers) as load:  # draws go on all the while
        await load.goes_on(MORE)
        await drill.recover("ledger")
        await all_are_ready(drill.world)
        assert await size_of_checkpoint(drill) >= published
        await load.goes_on(MORE)
    assert (await leaves_of(drill))[: len(before)] == before
    after = await journal_of(drill.world, "ledger")
    assert journal.items() <= after.items()
    signed = [json.loads(base64.b64decode(record["data_base64"]))["size"] for record in after.values()]
    assert signed == sorted(set(signed))
    await assert_nothing_is_lost_or_doubled(drill.world, drill.product, UNITS * UNIT_G, drill.drawers)
    await assert_the_whole_history_holds(drill.world)

    tile = drill.world.running.folder / "ledger/tiles/tile/0/000"
    content = tile.read_bytes()
    tile.unlink()
    made = json.loads(await drill.do("reserve journal tiles --data .reserve"))
    assert (made["missing"], tile.read_bytes()) == (1, content)


async def leaves_of(drill: Drill) -> list[tuple[Any, ...]]:
    entries = await drill.world.rows(drill.world.auditor, "/ledger/v1/entries", limit=200)
    return [(entry["leaf_index"], entry["source"], entry["shard"], entry["position"]) for entry in entries]


async def size_of_checkpoint(drill: Drill) -> int:
    return int((await checkpoint_of(drill)).splitlines()[1])


async def checkpoint_of(drill: Drill) -> str:
    return (await drill.world.auditor.request("GET", "/ledger/v1/checkpoint")).text


async def test_everything_is_restored_into_a_new_folder_and_goes_on(drill: Drill) -> None:
    """Last, since the deployment that was backed up has to be gone."""
    kept = {drawer: dict(drawer.answers) for drawer in drill.drawers}
    state = drill.folder.with_name("auditor.state")
    state.write_text(await checkpoint_of(drill))
    receipt = drill.folder.with_name("partners.receipt")
    *_, last = kept[drill.drawers[0]].values()
    receipt.write_text(await drill.world.receipt(drill.world.auditor, last["place"]))
    key = (drill.folder / "keys/ledger.vkey").read_text().strip()
    assert await drill.world.running.stop() == 0
    new = drill.folder.with_name("restored")
    said = await drill.do(RESTORE, BACKUP=drill.backups / "all", NEW=new, SECRETS=drill.folder, CHECKPOINT=state)
    begun = json.loads(said.splitlines()[-1])["new_history"]
    assert (begun["history"], begun["known"]) == (2, int(state.read_text().splitlines()[1]))
    drill.runbook.ran.add("reserve up --data NEW")
    manifest = msgspec.json.decode((drill.backups / "all/manifest.json").read_bytes(), type=Manifest)
    async with up(new) as running, the_parties(running) as world:
        now = positions(await world.heads())
        assert all(now[line] >= head.position for line, head in manifest.heads.items())
        for drawer in drill.drawers:
            drawer._world = world
            drawer.answers = {key: answer for key, answer in kept[drawer].items() if await is_there(world, answer["draw"])}
            assert 0 < len(drawer.answers) < len(kept[drawer]), "the backup was made between two draws"
            for key_, answer in drawer.answers.items():  # what was acknowledged before the backup is answered again, as it was
                assert (await world.drawn(drawer.partner, drawer.release, UNIT_G, key=key_)).body == answer
        async with Load(drill.drawers) as load:
            await load.goes_on(MORE)
        await assert_nothing_is_lost_or_doubled(world, drill.product, UNITS * UNIT_G, drill.drawers)
        said = await drill.do("reserve audit verify --live --data NEW", answers=SEEN_BY_NOBODY, NEW=new)
        lost = begun["known"] - begun["kept"]
        assert "all of it holds" in said and f"{lost} that it had signed are lost" in said
        await others_see_what_is_lost(drill, state, receipt, key, world)


async def others_see_what_is_lost(drill: Drill, state: Path, receipt: Path, key: str, world: World) -> None:
    """An auditor by what they kept, a partner by one receipt; and nobody is accused of two histories under one key."""
    new = world.running.folder
    said = await drill.do("reserve audit verify --live --data NEW --state STATE", answers=CHECK_FAILED, NEW=new, STATE=state)
    assert "that were signed when it was kept are lost" in said
    verify = "reserve receipt verify RECEIPT --key LOG_KEY --key NEW_KEY --against URL"
    keys = {"LOG_KEY": key, "NEW_KEY": (new / "keys/ledger.vkey").read_text().strip()}
    said = await drill.do(verify, answers=CHECK_FAILED, RECEIPT=receipt, **keys, URL=world.running.endpoints.base_url)
    assert "it was signed, and is lost" in said
    assert not list(state.parent.glob("*.fork-*.json"))


async def is_there(world: World, draw: str) -> bool:
    try:
        await world.auditor.get(f"/inventory/v1/draws/{draw}")
    except ProblemAnswer as problem:
        assert problem.code == "draw_not_found"
        return False
    return True


async def test_the_drill_has_run_all_that_the_runbook_says(drill: Drill) -> None:
    assert drill.runbook.commands == drill.runbook.ran
