"""What was lost comes back in parts: PostgreSQL, Kafka and the log's tiles of different days, in one folder. Nothing is written over what
others hold, and what nobody holds is named. Each test puts the folder together anew, from what was kept of yesterday and of today.
"""

import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from reserve.commands.failure import CHECK_FAILED
from reserve.operate.backup import back_up_service
from reserve.operate.deployment import Deployment
from services.registry import JOURNALED
from shared.engines.engines import remembered_ports
from shared.engines.postgres_engine import PostgresEngine
from shared.engines.postgres_tools import load_schema
from shared.proofs.signed_note import VerifierKey, parse_verifier_key
from shared.proofs.submission import origin_hash
from tests.e2e.running import Running, start, started, up
from tests.e2e.world import World, a_world
from tests.faults.drill import journal_of, reserve
from tests.faults.load import (
    UNIT_G,
    Drawer,
    Load,
    all_are_ready,
    assert_nothing_is_lost_or_doubled,
    assert_the_whole_history_holds,
    drawers_of,
)
from tests.stories.witnesses import NAMES, Witnesses
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.long

UNITS = 4_000
MORE = 5
POSTGRES, KAFKA, TILES = "postgres", "kafka", "ledger/tiles"
TWO = NAMES[:2]  # of three witnesses, which are enough
SOURCES = [name for name in JOURNALED if name != "ledger"]


class Days(msgspec.Struct):
    """`kept`: with a folder of each day. `journals`: as of today, by place. `early`, `state`: what an auditor has kept of yesterday, and of
    today. `witnesses`: what they hold is of today."""

    world: World
    folder: Path
    kept: Path
    product: str
    drawers: list[Drawer]
    answers: list[dict[str, Any]]  # that each drawer has, as of today
    journals: dict[str, Any]
    documents: Path
    early: Path
    state: Path
    witnesses: Witnesses
    everything: Path  # a backup of yesterday

    @property
    def log(self) -> VerifierKey:
        return parse_verifier_key((self.folder / "keys" / "ledger.vkey").read_text().strip())

    def keep(self, day: str, *parts: str) -> None:
        for part in parts:
            copy(self.folder / part, self.kept / day / part)

    def put(self, **days: str | None) -> None:
        """`postgres`, `kafka` and `tiles` of these days; None: gone."""
        for part, day in zip((POSTGRES, KAFKA, TILES), (days["postgres"], days["kafka"], days["tiles"]), strict=True):
            subprocess.run(["rm", "-rf", self.folder / part], check=True)
            if day is not None:
                copy(self.kept / day / part, self.folder / part)

    @asynccontextmanager
    async def serving(self, **days: str | None) -> AsyncIterator["Served"]:
        """Whether or not it becomes ready by itself."""
        self.put(**days)
        running = await started(self.folder)
        try:
            await until(lambda: answers(running))
            self.world.running = running
            for drawer, answered in zip(self.drawers, self.answers, strict=True):
                drawer.answers = dict(answered)
            yield Served(self, running, self.world)
        finally:
            status = await running.stop()
        assert status == 0, f"`reserve up` ended with status {status}"


class Served(msgspec.Struct, frozen=True):
    days: Days
    running: Running
    world: World

    async def recover(self, name: str, *options: str) -> tuple[int, str]:
        return await reserve("journal", "recover", name, "--data", str(self.days.folder), *options)

    async def audit(self) -> tuple[int, str]:
        return await reserve("audit", "verify", "--live", "--data", str(self.days.folder))

    async def audit_against_today(self) -> tuple[int, str]:
        return await audited_by_what_was_kept(self.days.folder, self.days.state)

    async def takes_no_draw(self) -> None:
        """Nor anything else: at its position there is another, that partners hold receipts for."""
        drawer, url = self.days.drawers[0], self.running.endpoints.services["inventory"]
        token = await self.world.partner(drawer.partner).token()
        async with httpx.AsyncClient(timeout=HANGS_AFTER_S, headers={"Authorization": f"Bearer {token}"}) as http:
            answer = await http.post(
                f"{url}/v1/releases/{drawer.release}/draws", json={"mass_g": UNIT_G}, headers={"Idempotency-Key": "at-a-taken-position"}
            )
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text

    async def backed_up(self) -> Path:
        backup = self.days.folder.with_name("what-there-is")
        status, said = await reserve("backup", str(backup), "--data", str(self.days.folder))
        assert status == 0, said
        return backup

    async def waits(self, name: str, words: str) -> None:
        """It serves, takes no writes, and says why; so does `reserve up`."""
        url = self.running.endpoints.services[name]

        async def says_so() -> bool:
            async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
                answer = await http.get(f"{url}/readyz")
            return answer.status_code == 503 and words in answer.text

        await until(says_so)
        await until(lambda: words in self.running.printed())

    async def is_whole(self) -> None:
        """Ready by itself, with all that there was, byte for byte; and it goes on."""
        await until(self.running.ready_or_ended)
        await all_are_ready(self.world)
        now = {place: record for name in JOURNALED for place, record in (await journal_of(self.world, name)).items()}
        assert self.days.journals.items() <= now.items()
        async with Load(self.days.drawers) as load:
            await load.goes_on(MORE)
        await assert_nothing_is_lost_or_doubled(self.world, self.days.product, UNITS * UNIT_G, self.days.drawers)
        await assert_the_whole_history_holds(self.world)
        status, said = await self.audit_against_today()
        assert status == 0, said


def copy(source: Path, target: Path) -> None:
    """With its owner: PostgreSQL is nobody's but its user's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", source, target], check=True)


async def answers(running: Running) -> bool:
    assert not running.ended, running.printed()[-2000:]
    try:
        async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
            return all([(await http.get(f"{url}/livez")).status_code == 200 for url in running.endpoints.services.values()])
    except (httpx.TransportError, FileNotFoundError):
        return False


@pytest.fixture(scope="module")
async def days(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Days]:
    root = tmp_path_factory.mktemp("days")
    folder, witnesses = root / "reserve", Witnesses(root / "witnesses")
    witnesses.name_in(folder)
    async with a_world(await start(folder)) as world:
        product = await world.registered_product(unit_g=UNIT_G)
        await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
        drawers = await drawers_of(world, ["JP", "US"], product, UNITS // 4)
        early, state = root / "early.state", root / "auditor.state"
        kept, documents, everything = root / "kept", root / "documents", root / "everything"
        days = Days(world, folder, kept, product, drawers, [], {}, documents, early, state, witnesses, everything)
        async with Load(drawers) as load:
            await load.goes_on(MORE)
        await world.at_rest()
        days.early.write_text(await last_checkpoint(world))
        await back_up_service("ledger", Deployment(folder).engines.database_url, root / "backup")
        status, said = await reserve("backup", str(everything), "--data", str(folder))
        assert status == 0, said
        assert await world.running.stop() == 0
        days.keep("yesterday", POSTGRES, KAFKA, TILES)
        world.running = await start(folder)
        async with witnesses.serving(days.log, *TWO) as http:
            await a_day_later(days)
            await until(lambda: all_have_seen(http.values(), days))
        assert await world.running.stop() == 0
        days.keep("today", POSTGRES, KAFKA, TILES)
        yield days


async def a_day_later(days: Days) -> None:
    world = days.world
    await world.released_to("AU", days.product, UNIT_G)  # with a decision, whose documents are in no copy
    async with Load(days.drawers) as load:
        await load.goes_on(MORE)
    await world.at_rest()
    days.answers = [dict(drawer.answers) for drawer in days.drawers]
    *_, last = days.answers[0].values()
    await world.receipt(world.auditor, last["place"])
    days.state.write_text(await last_checkpoint(world))
    for name in SOURCES:
        days.journals |= await journal_of(world, name)
    days.documents.mkdir()
    connection = await asyncpg.connect(Deployment(days.folder).engines.database_url)
    for name in ("allocation", "loans"):
        for row in await connection.fetch(f"SELECT sha256, content FROM {name}.documents"):
            (days.documents / row["sha256"].hex()).write_bytes(row["content"])
    await connection.close()


async def last_checkpoint(world: World) -> str:
    return (await world.auditor.request("GET", "/ledger/v1/checkpoint")).text


def size_in(state: Path) -> int:
    return int(state.read_text().splitlines()[1])


async def all_have_seen(witnesses: Iterable[httpx.AsyncClient], days: Days) -> bool:
    shown = [await each.get(f"/{origin_hash(days.log.name)}/checkpoint") for each in witnesses]
    return all(each.status_code == 200 and each.text.splitlines()[1] == str(size_in(days.state)) for each in shown)


async def test_postgresql_of_yesterday_is_recovered_from_kafka_and_the_order_of_the_tiles(days: Days) -> None:
    async with days.serving(postgres="yesterday", kafka="today", tiles="today") as served:
        await served.waits("inventory", "reserve journal recover inventory")
        await served.waits("ledger", "reserve journal recover NAME")
        status, said = await served.recover("allocation")
        assert status == CHECK_FAILED and "document" in said and "held by nobody" in said
        assert (await served.recover("allocation", "--documents", str(days.documents)))[0] == 0
        for name in ("inventory", "loans", "ledger"):
            status, said = await served.recover(name)
            assert status == 0, said
        await served.is_whole()


async def test_postgresql_of_yesterday_without_kafka_writes_nothing_and_says_that_nobody_holds_the_rest(days: Days) -> None:
    """Inventory was ready, drew at positions that partners hold receipts for, and `recover` answered 0."""
    async with days.serving(postgres="yesterday", kafka=None, tiles="today") as served:
        before = await served.world.heads()
        await served.waits("ledger", "no service has the event of leaf")
        await served.waits("inventory", "waiting for what others hold")
        for name in SOURCES:
            status, said = await served.recover(name)
            assert status == CHECK_FAILED and "held by nobody" in said, said
        await served.takes_no_draw()
        assert await served.world.heads() == before
        status, said = await served.audit()
        assert status == CHECK_FAILED and "is not what the leaves give" in said, said
        status, said = await served.audit_against_today()
        assert status == CHECK_FAILED and "leaves" in said, said
        backup = await served.backed_up()
    await a_backup_begins_a_new_history(days, backup)


async def a_backup_begins_a_new_history(days: Days, backup: Path) -> None:
    """The way back where nobody holds the rest: nothing is written over, and who has seen more is told how much is lost."""
    new = backup.with_name(f"{backup.name}-restored")
    options = ("--secrets", str(days.folder), "--last-checkpoint", str(days.state))
    status, said = await reserve("restore", str(backup), "--data", str(new), *options)
    assert status == 0, said
    begun = msgspec.json.decode(said.splitlines()[-1])["new_history"]
    assert (begun["history"], begun["kept"], begun["known"]) == (2, size_in(days.early), size_in(days.state))
    async with up(new):
        status, said = await audited_by_what_was_kept(new, days.early)
        assert status == 0 and "all of it holds" in said, said
        status, said = await audited_by_what_was_kept(new, days.state)
        assert status == CHECK_FAILED and f"{begun['known'] - begun['kept']} that were signed when it was kept are lost" in said, said
        assert not list(days.state.parent.glob("*.fork-*")), "nobody is accused of two histories under one key"


async def audited_by_what_was_kept(folder: Path, state: Path) -> tuple[int, str]:
    """By an auditor, who keeps it."""
    copied = state.with_name("state")
    copy(state, copied)
    return await reserve("audit", "verify", "--live", "--data", str(folder), "--state", str(copied))


async def test_a_machine_of_yesterday_with_its_tiles_writes_nothing_once_its_witnesses_are_asked(days: Days) -> None:
    """A snapshot of all of it was put back: nothing that is left in it knows of more."""
    async with (
        days.witnesses.serving(days.log, *TWO),
        days.serving(postgres="yesterday", kafka="yesterday", tiles="yesterday") as served,
    ):
        before = await served.world.heads()
        await served.waits("inventory", "waiting for what others hold")
        await served.waits("ledger", f"has cosigned a log of {size_in(days.state)} leaves")
        await served.takes_no_draw()
        assert await served.world.heads() == before
        status, said = await served.audit_against_today()
        assert status == CHECK_FAILED and "leaves" in said, said


async def test_without_kafka_all_goes_on(days: Days) -> None:
    async with days.serving(postgres="today", kafka=None, tiles="today") as served:
        await served.is_whole()


async def test_the_ledger_alone_of_yesterday_without_kafka_signs_nothing_that_others_have_otherwise(days: Days) -> None:
    days.put(postgres="today", kafka=None, tiles="today")
    engine = PostgresEngine(days.folder / POSTGRES, remembered_ports(days.folder, ["postgres"])["postgres"], days.folder / "logs/alone.log")
    await engine.start()
    try:
        await load_schema(engine.dsn(), "ledger", days.kept.with_name("backup") / "ledger.sql", keep_as="ledger_before_restore")
    finally:
        await engine.stop()
    days.keep("mixed", POSTGRES)
    async with days.serving(postgres="mixed", kafka=None, tiles="today") as served:
        await served.waits("ledger", "and inventory has taken it up to")
        before = await served.world.auditor.get("/ledger/v1/journal/heads")
        status, said = await served.recover("ledger")
        assert status == CHECK_FAILED and "held by nobody: inventory had taken them" in said
        assert await served.world.auditor.get("/ledger/v1/journal/heads") == before
        status, said = await served.audit()
        assert status == CHECK_FAILED and "was taken from it" in said, said
    await a_backup_begins_a_new_history(days, days.everything)


async def test_tiles_of_yesterday_are_made_whole_by_a_command(days: Days) -> None:
    async with days.serving(postgres="today", kafka="today", tiles="yesterday") as served:
        await served.waits("ledger", "reserve journal tiles")
        status, said = await reserve("journal", "tiles", "--data", str(days.folder))
        assert status == 0, said
        await served.is_whole()
