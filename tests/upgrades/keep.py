"""Keeps a deployment of this build for later builds to upgrade, and what others took home from it: README.md of `kept/` has the commands.

It is the demonstration's deployment, and what the end-to-end tests do beside: tenders, equity, screening, an objection, a review, an
emergency. Some of it is left under way, for the build that upgrades it to go on with.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reserve.client import Client, ProblemAnswer
from shared.terms.approval import read_private_key
from tests.e2e.lending import advanced_loan, lent_material, paid, subscribed_holding
from tests.e2e.running import Running, up
from tests.e2e.tendering import TENDERS, a_tender
from tests.e2e.world import UNIT_G, Answer, World, the_parties
from tests.waiting import until

JOURNALED = ("inventory", "allocation", "loans", "ledger")
PRIVATE = ("keys", "identity.json", "identity-secrets.json")  # what no backup holds, and the lists that belong to it
TILES = "ledger/tiles"
ALLOCATION, INVENTORY = "/allocation/v1", "/inventory/v1"


def reserve(*arguments: str | Path) -> str:
    """What the command of that name printed. It must succeed."""
    command = [sys.executable, "-m", "reserve", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@asynccontextmanager
async def a_world_again(running: Running, clock_file: Path, keys: Path) -> AsyncIterator[World]:
    """Of a deployment whose parties are registered: its approvers have their keys in `keys`."""
    async with the_parties(running, clock_file) as world:
        world.keys = {name: read_private_key((keys / f"{name}.pem").read_bytes()) for name in world.keys}
        yield world


async def certificate_of(client: Client, decision: str) -> bytes:
    """Once the ledger has given all of its receipts; empty, if it is not the client's."""

    async def whole() -> tuple[bytes] | None:
        try:
            answer = await client.request("GET", f"{ALLOCATION}/certificates/{decision}")
        except ProblemAnswer as problem:
            if problem.status != 404:
                raise
            return (b"",)
        return None if "retry-after" in answer.headers else (answer.content,)

    found = await until(whole)
    assert found is not None
    return found[0]


def keep(archive: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder, kept = Path(scratch, "reserve"), Path(scratch, "kept")
        reserve("demo", "--plain", "--data", folder)
        shutil.copytree(folder / "parties", kept / "home")
        asyncio.run(play_on(folder, kept))
        for name in (*PRIVATE, TILES):
            copy = shutil.copytree if (folder / name).is_dir() else shutil.copy
            (kept / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
            copy(folder / name, kept / "folder" / name)
        check_at_home(kept / "home", (folder / "keys" / "ledger.vkey").read_text())
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w:xz", preset=9) as tar:
            for path in sorted(kept.iterdir()):
                tar.add(path, path.name)


async def play_on(folder: Path, kept: Path) -> None:
    clock_file = folder / "clock"
    async with up(folder, clock_file) as running, a_world_again(running, clock_file, kept / "home") as world:
        await go_on(world)
        left = await leave_under_way(world)
        await take_home(world, kept / "home")
        heads = await until(lambda: at_rest(world))
        for name in JOURNALED:
            await asyncio.to_thread(reserve, "backup", kept / "backups" / name, "--service", name, "--data", folder)
        assert await at_rest(world) == heads, "the backups are not of one moment"
        now = datetime.now(UTC) + timedelta(seconds=float(clock_file.read_text()))
    (kept / "left.json").write_text(json.dumps(left | {"now": now.isoformat()}, indent=1))


async def at_rest(world: World) -> dict[str, Any] | None:
    """Where all journals end, once the ledger has signed what there is, and every line has taken that as well."""
    for name, shards in (await world.at_rest()).items():
        for shard, head in shards.items():
            if head["position"]:
                await world.receipt(world.auditor, f"{name}/{shard}/{head['position']}")
    heads = await world.heads()
    for name in JOURNALED:
        for line, state in (await world.auditor.get(f"/{name}/v1/inbox")).items():
            source, shard = line.split("/")
            if state["position"] != heads[source][shard]["position"]:
                return None
    return heads if heads == await world.heads() else None


async def go_on(world: World) -> None:
    """What the demonstration does not show."""
    await a_tender(world)
    await subscribed_holding(world)
    await lent_material(world, "JP", 2)
    await screened_and_objected_to(world)
    await reviewed(world)


async def screened_and_objected_to(world: World) -> None:
    entries = [{"entry": "E-1", "name": "Norinco", "aliases": [], "source": "an example", "listed_on": "2026-01-06"}]
    body = {"list": "entity-list", "reason": "a test", "entries": entries}
    await world.countersigned("screening-list-imports", body, service="allocation")
    product = await world.registered_product()
    agreement = await world.agreed_with("US", product)
    item = {"agreement": agreement, "product": product, "kind": "consignee", "evidence": "the register", "until": world.in_days(200)}
    await world.post(world.operator, f"{ALLOCATION}/readiness/items", item | {"name": "Toyo Logistics"})
    request = await world.requested("US", product, 2 * UNIT_G, end_user="Nor Inco")

    async def hit() -> Any:
        return await world.rows(world.operator, f"{ALLOCATION}/screening-hits", of=request, status="open")

    [found] = await until(hit)
    await world.countersigned(f"screening-hits/{found['hit']}/clear", {"reason": "another company"}, service="allocation")
    await world.accepted(request, UNIT_G)
    path = f"{ALLOCATION}/requests/{request}/objections"
    objection = (await world.post(world.partner("US"), path, {"reasons": ["too little"]}))["objection"]
    answer = {"upheld": True, "accepted_g": 2 * UNIT_G, "reasons": ["the grade is another"]}
    await world.post(world.operator, f"{ALLOCATION}/objections/{objection}/answer", answer)


async def reviewed(world: World) -> None:
    _, _, release = await world.stocked_release("EU", 1)
    round = (await world.operator.get(f"{INVENTORY}/releases/{release}"))["round"]
    review = (await world.post(world.partner("EU"), f"{ALLOCATION}/reviews", {"round": round, "grounds": ["a doubt"]}))["review"]
    path = f"{ALLOCATION}/reviews/{review}"
    await world.post(world.admin, f"{path}/assign", {"reviewer": await world.subject("auditor-1")})
    await world.post(world.auditor, f"{path}/conclude", {"outcome": "upheld", "findings": ["as the policy has it"]})


async def leave_under_way(world: World) -> dict[str, Any]:
    """What is half done, by the names of those who go on with it. The days that it has left begin now."""
    product, _, release = await world.stocked_release("JP", 3, release_days=5)
    drawn = await world.drawn("JP", release, UNIT_G)
    await world.weighed(drawn["draw"], UNIT_G - 700)

    approved = await in_an_approved_round(world, release_days=60)
    emergency = {"ratify_within_hours": 48, "max_g": 100 * UNIT_G}
    urgent = await world.policy(quorum=[{"above_g": 0, "approvals": 2}], emergency=emergency)
    unratified = await in_an_approved_round(world, policy=urgent, emergency=True)
    certified = await world.certified(unratified["round"])
    assert await world.releases_of(unratified["round"], certified)

    other = await world.registered_product()
    await world.agreed_with("EU", other)
    request = {"path": f"{ALLOCATION}/requests", "key": "asked-before", "body": world.request_body(other, UNIT_G)}
    asked: Answer = await world.post(world.partner("EU"), request["path"], request["body"], key=request["key"])
    loan, _ = await advanced_loan(world)
    return {
        "release": {"release": release, "partner": "JP", "product": product, "units": 2, "unit_g": UNIT_G, "days": 5},
        "draw": drawn["draw"],
        "approved": approved,
        "unratified": unratified,
        "hold": await world.held("product", other),
        "asked": request | {"by": "EU", "answer": asked.body},
        "loan": {"loan": loan, "payment": await paid(world, loan, 20_000)},
    }


async def in_an_approved_round(world: World, **opening: Any) -> dict[str, str]:
    """Of a product of its own: what happens to another does not make the approval lapse."""
    product = await world.registered_product()
    await world.taken_in(product, 2)
    await world.agreed_with("EU", product)
    request = await world.requested("EU", product, UNIT_G)
    await world.accepted(request, UNIT_G)
    round = await world.opened(product, [request], **opening)
    decision = await world.proposed(round, UNIT_G)
    await world.approved(round, decision)
    return {"round": round, "decision": decision}


async def take_home(world: World, home: Path) -> None:
    """Certificates of every reader, receipts of what each journal ends with, decisions, and the log's checkpoint."""
    parties = {"auditor": world.auditor} | {code: world.partner(code) for code in ("JP", "US", "EU", "AU")}
    for round in await world.rows(world.auditor, f"{ALLOCATION}/rounds", status="released"):
        for reader, client in parties.items():
            if content := await certificate_of(client, round["decision"]):
                (home / f"{round['decision'][:12]}.{reader}.certificate.json").write_bytes(content)
    for tender in await world.rows(world.auditor, TENDERS):
        document = await world.auditor.request("GET", f"{TENDERS}/{tender['tender']}/decision")
        (home / f"tenders-{tender['tender']}-decision.json").write_bytes(document.content)
    for name, shards in (await world.at_rest()).items():
        for shard, head in shards.items():
            if head["position"]:
                place = f"{name}/{shard}/{head['position']}"
                (home / f"{place.replace('/', '-')}.receipt").write_text(await world.receipt(world.auditor, place))
    (home / "checkpoint").write_bytes((await world.auditor.request("GET", "/ledger/v1/checkpoint")).content)


def check_at_home(home: Path, key: str) -> None:
    """What this build finds in what was taken home, beside it: how much of a certificate holds, and an approver's signature."""
    for file in sorted(home.glob("*.certificate.json")):
        (home / f"{file.name}.checked").write_text(reserve("certificate", "verify", file, "--log-key", key, "--json"))
    for file in sorted(home.glob("*-*.json")):
        named = ("--approver", "sub_1", "--authority", "ins_1", "--log-key", key)
        reserve("approve", file, "--key", home / "approver-1.pem", *named, "--out", home / f"{file.name}.approval")


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
