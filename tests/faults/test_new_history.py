"""A restore of everything begins a new history: what was lost is never taken for what comes, and who holds something of it sees that."""

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.client import ProblemAnswer
from reserve.commands.audit_state import read_notes
from reserve.commands.failure import CHECK_FAILED, SEEN_BY_NOBODY
from services.ledger.receipt import verify_receipt
from shared.journal.places import Place, parse_place
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.policy import open_witnessed
from shared.proofs.signed_note import parse_verifier_key
from shared.proofs.submission import origin_hash
from tests.contract.webhook_receiver import a_receiver
from tests.e2e.running import start, up
from tests.e2e.world import World, a_world, the_parties
from tests.faults.drill import reserve
from tests.faults.load import UNIT_G, Drawer, Load, drawers_of
from tests.stories.witnesses import NAMES, Witnesses
from tests.waiting import until

pytestmark = pytest.mark.long

UNITS, MORE = 4_000, 10
TWO = NAMES[:2]  # of three witnesses, which are enough


class Lost(msgspec.Struct):
    """A deployment of which everything is lost, and what others have kept of it."""

    root: Path
    product: str
    drawers: list[Drawer]
    key: str
    early: Path  # an auditor's state of before the backup
    late: Path  # and one of the end, which witnesses have cosigned
    witnesses: Witnesses
    kept: list[str]  # places that the backup has
    lost: list[str]  # and places that nobody has any more
    hook: str  # that the backup has, and that was sent what came

    @property
    def folder(self) -> Path:
        return self.root / "reserve"

    def receipt(self, place: str) -> Path:
        return self.root / f"{place.replace('/', '-')}.receipt"


@pytest.fixture(scope="module")
async def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    root = tmp_path_factory.mktemp("histories")
    witnesses = Witnesses(root / "witnesses")
    witnesses.name_in(root / "reserve")
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(a_world(await start(root / "reserve")))
        key = (root / "reserve/keys/ledger.vkey").read_text().strip()
        witnesses.text = f"log {key}\n{witnesses.text}"
        witnesses.name_in(root / "reserve")
        await stack.enter_async_context(witnesses.serving(parse_verifier_key(key), *TWO))
        product = await world.registered_product(unit_g=UNIT_G)
        await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
        drawers = await drawers_of(world, ["JP"], product, UNITS // 8)
        hook = await world.webhook("JP")
        async with Load(drawers) as load:
            await load.goes_on(MORE)
        early, late = root / "early.state", root / "late.state"
        early.write_text(await checkpoint_of(world))
        before = [answer["place"] for answer in drawers[0].answers.values()]
        await witnessed(world, size_of(await checkpoint_of(world)))
        status, said = await reserve("backup", str(root / "backup"), "--data", str(root / "reserve"))
        assert status == 0, said
        async with Load(drawers) as load:
            await load.goes_on(MORE)
        places = [answer["place"] for answer in drawers[0].answers.values()]
        found = Lost(root, product, drawers, key, early, late, witnesses, before[:2], places[-2:], hook)
        for place in (*found.kept, *found.lost):
            found.receipt(place).write_text(await world.receipt(world.auditor, place))
        late.write_text(await witnessed(world, size_of(await checkpoint_of(world))))
        assert await world.running.stop() == 0
    return found


async def checkpoint_of(world: World, history: str = "") -> str:
    return (await world.auditor.request("GET", f"/ledger/v1{history}/checkpoint")).text


async def witnessed(world: World, size: int) -> str:
    """The last checkpoint that enough witnesses have cosigned, once it is of so many leaves."""

    async def note() -> str:
        try:
            found = (await world.auditor.request("GET", "/ledger/v1/checkpoint", query={"grade": "witnessed"})).text
        except ProblemAnswer as problem:
            assert problem.code == "checkpoint_not_found", problem
            return ""
        return found if size_of(found) >= size else ""

    return await until(note)


@asynccontextmanager
async def restored(lost: Lost, backup: Path, name: str, *options: str) -> AsyncIterator[tuple[World, dict[str, Any]]]:
    new = lost.root / name
    words = ["restore", str(backup), "--data", str(new), "--secrets", str(lost.folder), *options]
    status, said = await reserve(*words)
    assert status == 0, said
    async with up(new) as running, the_parties(running) as world:
        yield world, json.loads(said.splitlines()[-1])["new_history"]


def size_in(state: Path) -> int:
    return size_of(state.read_text())


def size_of(note: str) -> int:
    return int(note.splitlines()[1])


async def test_a_new_history_goes_on_beside_what_is_frozen_of_the_old_one(lost: Lost) -> None:
    async with restored(lost, lost.root / "backup", "new", "--last-checkpoint", str(lost.late)) as (world, begun):
        assert (begun["history"], begun["known"]) == (2, size_in(lost.late)) and size_in(lost.early) <= begun["kept"] < begun["known"]
        folder = world.running.folder
        assert (folder / "keys/ledger.vkey").read_text().strip() == begun["key"] != lost.key
        assert not list(folder.rglob("history-*/*.pem")), "nobody needs the old log's private key"
        await what_was_kept_is_served_as_it_was(lost, world)
        await webhooks_wait_for_their_partner(lost, world)
        drawer = lost.drawers[0]
        drawer._world = world
        drawer.answers = {key: answer for key, answer in drawer.answers.items() if answer["place"] not in lost.lost}
        drawn = await world.drawn("JP", drawer.release, UNIT_G, key="after-the-restore")
        assert parse_place(drawn["place"]).history == 2
        again = await world.drawn("JP", drawer.release, UNIT_G, key="after-the-restore")
        assert again.position == drawn.position and again.body == drawn.body
        new_receipt = lost.root / "new.receipt"
        new_receipt.write_text(await world.receipt(world.auditor, drawn["place"]))
        status, said = await reserve("receipt", "verify", str(new_receipt), "--key", begun["key"], "--against", base_of(world))
        assert status == 0 and drawn["place"] in said, said
        await what_was_lost_is_not_there(lost, world)
        await readers_of_the_feed_miss_nothing(world, begun)
        await witnesses_go_on(lost, world, begun["key"], drawn["place"])
        await partners_and_auditors_see_it(lost, world, begun)


async def what_was_kept_is_served_as_it_was(lost: Lost, world: World) -> None:
    for place in lost.kept:
        assert await world.receipt(world.auditor, place) == lost.receipt(place).read_text()
    assert await checkpoint_of(world, "/histories/1") == lost.late.read_text()
    key = (await world.auditor.request("GET", "/ledger/v1/histories/1/verifier-key")).text
    assert key.strip() == lost.key


async def webhooks_wait_for_their_partner(lost: Lost, world: World) -> None:
    """One of before has stopped until its partner resumes it; one of the new history is sent."""
    partner, path = world.partner("JP"), "/ledger/v1/webhooks"

    async def stopped(webhook: str) -> Any:
        return (await partner.get(f"{path}/{webhook}"))["stopped"]

    await until(lambda: _equal(stopped(lost.hook), "restored"))
    async with a_receiver() as receiver:
        new = (await partner.post(path, {"url": receiver.url, "after": "0"}, key="a-new-webhook"))["webhook"]
        await until(lambda: receiver.taken)
        assert await stopped(new) is None and await stopped(lost.hook) == "restored"
        await partner.post(f"{path}/{new}/remove", {}, key="no-new-webhook")
    await partner.post(f"{path}/{lost.hook}/resume", {}, key="it-is-wanted")
    await until(lambda: _equal(stopped(lost.hook), None))


async def _equal(found: Awaitable[Any], wanted: Any) -> bool:
    return await found == wanted


async def what_was_lost_is_not_there(lost: Lost, world: World) -> None:
    """Also where the new history has an event at the same position by now."""
    first, _ = map(parse_place, lost.lost)
    async with Load(lost.drawers) as load:
        while (await world.heads())[first.service][str(first.shard)]["position"] <= first.position:
            await load.goes_on(1)
    with pytest.raises(ProblemAnswer) as refused:
        await world.auditor.request("GET", f"/ledger/v1/receipts/{first}")
    assert refused.value.code == "receipt_not_found"
    for service in ("inventory", "ledger"):
        path = {"inventory": "/inventory/v1/draws", "ledger": "/ledger/v1/entries"}[service]
        with pytest.raises(ProblemAnswer) as refused:
            await world.auditor.get(path, at_least=str(first))
        assert refused.value.code == "position_unknown"
    there = str(Place(first.service, first.shard, first.position, 2))
    key = parse_verifier_key((world.running.folder / "keys/ledger.vkey").read_text().strip())
    assert verify_receipt(await world.receipt(world.auditor, there), [key]).opening.place == there


async def witnesses_go_on(lost: Lost, world: World, key: str, place: str) -> None:
    """With the new log once they have its key; what they saw of the old one stays as it was, and holds."""
    old, new = map(parse_verifier_key, (lost.key, key))
    file = world.running.folder / "keys" / "witnesses.policy"
    assert file.read_text() == lost.witnesses.text.replace(lost.key, key)
    async with lost.witnesses.serving(new, *TWO, before=[old]) as http:
        note = await witnessed(world, size_of(await checkpoint_of(world)))
        assert open_witnessed(note, lost.witnesses.policy.of_logs(new)).checkpoint.origin == new.name
        receipt = await world.receipt(world.auditor, place, grade="witnessed")
        assert verify_receipt(receipt, [new], lost.witnesses.policy).opening.place == place
        frozen = open_witnessed(await checkpoint_of(world, "/histories/1"), lost.witnesses.policy.of_logs(old)).checkpoint
        for each in http.values():
            shown = open_checkpoint((await each.get(f"/{origin_hash(old.name)}/checkpoint")).text, [old])
            assert shown.head.size >= frozen.head.size and (shown == frozen or shown.head.size > frozen.head.size)
            assert open_checkpoint((await each.get(f"/{origin_hash(new.name)}/checkpoint")).text, [new]).head.size >= size_of(note)
    kept = lost.root / "witnessed.receipt"
    kept.write_text(await world.receipt(world.auditor, lost.kept[0], grade="witnessed"))
    keys = ["--key", lost.key, "--key", key, "--policy", str(file)]
    status, said = await reserve("receipt", "verify", str(kept), *keys, "--against", base_of(world))
    assert status == 0 and f"{frozen.head.size} leaves, witnessed 20" in said, said


async def readers_of_the_feed_miss_nothing(world: World, begun: dict[str, Any]) -> None:
    """Wherever in the old log they were, also in what is lost of it: they go on with the first event of the new history."""
    kept, known, found = begun["kept"], begun["known"], set()
    for leaf in (kept - 1, kept, known - 1, known, known + 1_000):
        [item] = (await world.partner("JP").get("/ledger/v1/feed", after=str(leaf), limit=1))["data"]
        found.add(item["id"])
    [first] = found
    assert first.startswith("2-")
    with pytest.raises(ProblemAnswer) as refused:
        await world.partner("JP").get("/ledger/v1/feed", after="2-999999999")
    assert refused.value.code == "feed_id_unknown"


def base_of(world: World) -> str:
    return world.running.endpoints.base_url


async def partners_and_auditors_see_it(lost: Lost, world: World, begun: dict[str, Any]) -> None:
    base, folder = base_of(world), str(world.running.folder)
    kept, gone = lost.receipt(lost.kept[0]), lost.receipt(lost.lost[0])
    for receipt in (kept, gone):  # what was signed was signed
        status, said = await reserve("receipt", "verify", str(receipt), "--key", lost.key)
        assert status == 0, said
    keys = ["--key", lost.key, "--key", begun["key"]]
    status, said = await reserve("receipt", "verify", str(kept), *keys, "--against", base)
    assert status == 0 and "history 1, which has ended" in said, said
    status, said = await reserve("receipt", "verify", str(kept), *keys[:2], "--against", base)
    assert status == SEEN_BY_NOBODY and "nothing shows it: the key of" in said, said
    status, said = await reserve("receipt", "verify", str(gone), *keys, "--against", base)
    assert status == CHECK_FAILED and "it was signed, and is lost" in said, said

    audit = ["audit", "verify", "--live", "--data", folder]
    status, said = await reserve(*audit)
    missing = begun["known"] - begun["kept"]
    assert status == SEEN_BY_NOBODY and f"{missing} that it had signed are lost" in said, said
    assert "nothing shows the lost leaves" not in said, "the old folder's tiles are kept, and show them"
    status, said = await reserve(*audit, "--integrity", "--policy", f"{folder}/keys/witnesses.policy")
    assert status == 0 and f"{missing} that it had signed are lost" in said and "the pinned witnesses vouch for" in said, said
    state = lost.root / "an.auditor"
    state.write_text(lost.early.read_text())
    status, said = await reserve(*audit, "--state", str(state))
    assert status == 0 and "all of it holds" in said, said
    early, new = read_notes(state, "--state")
    assert early == lost.early.read_text() and new.splitlines()[0] in begun["key"], "it keeps the new log's checkpoint beside the old one's"
    status, said = await reserve(*audit, "--state", str(lost.late))
    sentence = f"a new history begins after {begun['kept']} of its leaves: {missing} that were signed when it was kept are lost"
    assert status == CHECK_FAILED and sentence in said, said
    assert not list(lost.root.glob("*.fork-*")), "nobody is accused of two histories under one key"
    status, said = await reserve(*audit, "--key", lost.key)
    assert status == CHECK_FAILED and "it is a new history, under a key that is not pinned" in said, said


async def test_it_is_restored_once_more(lost: Lost) -> None:
    """Two histories have ended then; without anybody's word, the last checkpoint that is known is the backup's."""
    new, again = lost.root / "new", lost.root / "backup-2"
    async with up(new) as running, the_parties(running):
        for options in ([str(again)], [str(lost.root / "inventory-2"), "--service", "inventory"]):
            status, said = await reserve("backup", *options, "--data", str(new))
            assert status == 0, said
    async with restored(lost, again, "newer", "--history", "5") as (world, begun):
        assert begun["history"] == 5 and begun["kept"] == begun["known"]
        drawn = await world.drawn("JP", lost.drawers[0].release, UNIT_G, key="after-the-second-restore")
        assert parse_place(drawn["place"]).history == 5
        await what_was_kept_is_served_as_it_was(lost, world)
        await world.receipt(world.auditor, drawn["place"])
        status, said = await reserve("audit", "verify", "--live", "--data", str(world.running.folder))
        assert status == SEEN_BY_NOBODY and "all of which are in the next one" in said, said
        folder = world.running.folder
        old = ["restore", str(lost.root / "inventory-2"), "--service", "inventory", "--data", str(folder)]
        status, said = await reserve(*old)
        assert status == CHECK_FAILED and "is of history 2, and inventory is in history 5" in said, said
        tile = folder / "ledger/tiles/tile/0/000.p" / str(size_of(await checkpoint_of(world)))
        content = tile.read_bytes()
        tile.unlink()
        status, said = await reserve("journal", "tiles", "--data", str(folder))
        assert status == 0 and tile.read_bytes() == content, said


async def test_a_number_or_a_checkpoint_that_cannot_be_is_refused_and_nothing_is_restored(lost: Lost) -> None:
    another = lost.root / "another.state"
    another.write_text(lost.late.read_text().replace("ledger/", "ledgers/"))
    for options, why in ((["--history", "1"], "history 1 has been"), (["--last-checkpoint", str(another)], "is not one of")):
        new = lost.root / "refused"
        status, said = await reserve("restore", str(lost.root / "backup"), "--data", str(new), *options)
        assert status == 2 and why in said and not new.exists(), said
