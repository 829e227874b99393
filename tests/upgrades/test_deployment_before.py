"""Deployments of builds before, as `keep.py` kept them: this build upgrades each in place, serves, and its audit holds; what others took
home from it is verified as it was then.

The tests of one deployment are steps, in order: each begins with what the one before has left.
"""

import asyncio
import json
import shutil
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from reserve.__main__ import app
from reserve.client import ProblemAnswer
from reserve.demo.instruments import empower
from shared.engines.engines import engines
from shared.kafka import Kafka
from shared.terms.approval import public_key_hex, read_private_key, verify_approval
from tests.e2e.consigning import asked_for_consignee
from tests.e2e.lending import paid
from tests.e2e.running import up
from tests.e2e.world import CONSIGNEE, World
from tests.stories.endorsing import read_approval
from tests.stories.powers import INSTRUMENT
from tests.upgrades.keep import ALLOCATION, INVENTORY, JOURNALED, a_world_again, at_rest
from tests.waiting import until

KEPT = sorted(Path(__file__).with_name("kept").glob("*.tar.xz"))
assert KEPT, "no deployment of a build before is kept"


def command(*arguments: str | Path, **environment: str) -> str:
    """What the `reserve` command prints, in this process. It must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
    assert result.exit_code == 0, f"reserve {' '.join(map(str, arguments))}: {result.output}"
    return result.stdout


class Upgraded:
    """What this build serves of it. `left`: what that build has left under way."""

    def __init__(self, kept: Path, world: World) -> None:
        self.kept, self.world = kept, world
        self.left = json.loads((kept / "left.json").read_text())


@pytest.fixture(scope="module", params=KEPT, ids=lambda archive: archive.name.partition(".")[0])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(request.param) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
async def upgraded(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upgraded]:
    root = tmp_path_factory.mktemp("upgraded")
    folder, clock_file = root / "reserve", root / "clock"
    await restore(kept, folder)
    then = datetime.fromisoformat(json.loads((kept / "left.json").read_text())["now"])
    clock_file.write_text(str((then - datetime.now(UTC)).total_seconds()))
    async with up(folder, clock_file) as running, a_world_again(running, clock_file, kept / "home") as world:
        for approver, key in world.keys.items():  # of before: they endorse whom this build wants to have a key
            world.registrar.keys[await world.subject(approver)] = key
        yield Upgraded(kept, world)


async def restore(kept: Path, folder: Path) -> None:
    """The folder as that build has left it, with its schema, on a new server; Kafka has forgotten everything."""
    shutil.copytree(kept / "folder", folder)
    [postgres] = (servers := engines(folder, kafka=Kafka("not needed"))).programs
    await postgres.start()
    try:
        connection = await asyncpg.connect(servers.database_url)
        for name in JOURNALED:
            await connection.execute(f'CREATE ROLE "reserve_{name}" LOGIN')
        await connection.close()
        for name in JOURNALED:
            words = ("restore", kept / "backups" / name, "--service", name, "--data", folder)
            await asyncio.to_thread(command, *words, DATABASE_OWNER_URL=servers.database_url)
    finally:
        await postgres.stop()


async def test_every_journal_goes_on_from_where_it_ended(upgraded: Upgraded) -> None:
    for name in JOURNALED:
        manifest = json.loads((upgraded.kept / "backups" / name / "manifest.json").read_text())
        for line, head in manifest["heads"].items():
            if head["position"]:
                path, shard = f"/{name}/v1/journal", int(line.rpartition("/")[2])
                page = await upgraded.world.auditor.get(path, shard=shard, after=head["position"] - 1, limit=1)
                assert [record["chain_hash"] for record in page["records"]] == [head["chain_hash"]], line


async def test_the_log_goes_on_from_the_checkpoint_that_others_have(upgraded: Upgraded) -> None:
    _, size, root, *_ = (upgraded.kept / "home" / "checkpoint").read_text().splitlines()
    rows = await upgraded.world.rows(upgraded.world.auditor, "/ledger/v1/checkpoints")
    [row] = [row for row in rows if row["size"] == int(size)]
    assert root in row["note"].splitlines()
    assert (upgraded.world.running.folder / "keys/ledger.vkey").read_text() == (upgraded.kept / "folder/keys/ledger.vkey").read_text()


async def test_a_command_that_is_sent_again_gets_its_answer_of_before(upgraded: Upgraded) -> None:
    asked, world = upgraded.left["asked"], upgraded.world
    again = await world.post(world.partner(asked["by"]), asked["path"], asked["body"], key=asked["key"])
    assert asked["answer"].items() <= again.body.items()


async def test_what_was_under_way_goes_on(upgraded: Upgraded) -> None:
    world, left = upgraded.world, upgraded.left
    approved, unratified = left["approved"], left["unratified"]
    assert await world.releases_of(approved["round"], await world.certified(approved["round"]))
    signed = await world.approval(unratified["decision"], "approver-2", purpose="ratification")
    await world.post(world.clients["approver-2"], f"{ALLOCATION}/rounds/{unratified['round']}/ratification", signed)
    await world.lifted(left["hold"])

    await of_before_goes_out(world, left["draw"])
    receipt = {"delivered_on": world.in_days(0), "received_by": "the goods office", "evidence": "CMR 4711"}
    await world.post(world.operator, f"{INVENTORY}/draws/{left['draw']}/delivery", receipt)
    release = left["release"]
    drawn = await world.drawn(release["partner"], release["release"], release["unit_g"])
    assert drawn["remaining_g"] == (release["units"] - 1) * release["unit_g"]
    await world.weighed(drawn["draw"], release["unit_g"])
    await world.dispatched(drawn["draw"])  # of the same award

    payment = await paid(world, left["loan"]["loan"], 5_000)
    payments = await world.rows(world.auditor, f"/loans/v1/loans/{left['loan']['loan']}/payments")
    assert {left["loan"]["payment"], payment} <= {row["payment"] for row in payments}
    assert await world.receipt(world.partner(release["partner"]), drawn["place"])


async def of_before_goes_out(world: World, draw: str) -> None:
    """Its request was accepted before acceptances named a consignee: its partner asks for one, and an approver approves it."""
    with pytest.raises(ProblemAnswer, match="consignee_not_of_request"):
        await world.dispatched(draw)
    drawn = await world.operator.get(f"{INVENTORY}/draws/{draw}")
    award = (await world.operator.get(f"{INVENTORY}/releases/{drawn['release']}"))["award"]
    asked = await asked_for_consignee(world, drawn["partner"], award, CONSIGNEE)
    path = f"{ALLOCATION}/consignee-changes/{asked['change']}/approve"
    approved = await world.post(world.clients["approver-1"], path, {"reason": "as its request says"})
    await world.operator.get(f"{INVENTORY}/products", at_least=approved.position)
    await world.dispatched(draw)


async def test_a_request_goes_the_whole_way(upgraded: Upgraded) -> None:
    """Once an instrument names what another person signs now, which none did then: an approver endorses it."""
    world = upgraded.world
    await empower(world.registered, {await world.subject("approver-1"): "approver-1"})
    world.forget_instruments()
    _, _, release = await world.stocked_release("US", 1)
    drawn = await world.drawn("US", release, (await world.operator.get(f"{INVENTORY}/releases/{release}"))["mass_g"])
    await world.weighed(drawn["draw"], drawn["mass_g"])
    await world.dispatched(drawn["draw"])


async def test_a_timer_of_before_fires_on_its_day(upgraded: Upgraded) -> None:
    world, release = upgraded.world, upgraded.left["release"]
    path = f"{INVENTORY}/releases/{release['release']}"
    assert (await world.operator.get(path))["status"] == "open"
    world.move_on(release["days"] + 1)

    async def lapsed() -> bool:
        return bool((await world.operator.get(path))["status"] == "lapsed")

    await until(lapsed)
    with pytest.raises(ProblemAnswer, match="release_lapsed"):
        await world.drawn(release["partner"], release["release"], release["unit_g"])


async def test_its_audit_holds_and_no_line_stands_still(upgraded: Upgraded) -> None:
    world = upgraded.world
    state = world.running.folder.with_name("auditor.state")  # of who has audited the build before
    shutil.copyfile(upgraded.kept / "home" / "checkpoint", state)
    verify = ("audit", "verify", "--live", "--json", "--data", world.running.folder, "--state", state)

    async def all_covered() -> Any:
        """Of all that there is: the clock was moved on, so timers may still go on to fire."""
        await until(lambda: at_rest(world))
        report = json.loads(await asyncio.to_thread(command, *verify))
        return report if report["beyond"] == 0 else None

    report = await until(all_covered)
    assert [check for check in report["checks"] if check["failed"]] == []
    assert report["ok"] and report["anchored"] and report["events"] > events_before(upgraded.kept)
    for name in JOURNALED:
        lines = await world.auditor.get(f"/{name}/v1/inbox")
        assert {line: (state["stopped"], state["parked"]) for line, state in lines.items()} == dict.fromkeys(lines, (None, []))


def events_before(kept: Path) -> int:
    manifests = [json.loads((kept / "backups" / name / "manifest.json").read_text()) for name in JOURNALED]
    return sum(head["position"] for manifest in manifests for head in manifest["heads"].values())


async def test_its_tables_are_what_this_build_makes_of_the_journals(upgraded: Upgraded) -> None:
    """Rows that the build before wrote, migrated, beside those that this one writes from the same events."""
    for name in JOURNALED:
        if name != "ledger":  # of which the audit has told already
            await asyncio.to_thread(command, "rebuild", name, "--data", upgraded.world.running.folder)


def test_the_receipts_that_others_have_are_verified(kept: Path) -> None:
    key = (kept / "folder/keys/ledger.vkey").read_text()
    receipts = sorted((kept / "home").glob("*.receipt"))
    assert len(receipts) > 20
    for file in receipts:
        command("receipt", "verify", file, "--key", key)


def test_of_the_certificates_that_others_have_as_much_is_verified_as_then(kept: Path) -> None:
    key = (kept / "folder/keys/ledger.vkey").read_text()
    certificates = sorted((kept / "home").glob("*.certificate.json"))
    assert len(certificates) > 20
    for file in certificates:
        then = json.loads(file.with_name(f"{file.name}.checked").read_text())
        now = json.loads(command("certificate", "verify", file, "--log-key", key, "--json"))
        assert now["decision"] == then["decision"] and now["failed"] == []
        assert len(now["passed"]) >= len(then["passed"]), f"less of {file.name} is checked than then"


def test_the_documents_that_others_have_are_computed_and_signed_as_then(kept: Path, tmp_path: Path) -> None:
    """Decisions are computed anew first. What was signed then verifies, and what is signed now is of the same document."""
    signed = sorted((kept / "home").glob("*.approval"))
    assert len(signed) > 10
    key_file, log_key = kept / "home/approver-1.pem", (kept / "folder/keys/ledger.vkey").read_text().strip()
    public_key = public_key_hex(read_private_key(key_file.read_bytes()))
    who = ("--key", key_file, "--approver", "sub_1", "--authority", INSTRUMENT, "--log-key", log_key)
    for file in signed:
        document, out = file.with_suffix(""), tmp_path / file.name
        command("approve", document, *who, "--out", out)
        then, now = read_approval(file.read_bytes()), read_approval(out.read_bytes())
        assert verify_approval(then, public_key) and verify_approval(now, public_key)
        assert (now.purpose, now.document, now.key_id) == (then.purpose, then.document, then.key_id)
