"""What a line cannot take is parked by one person for 72 hours, and for longer by two; the service's own journal says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from shared.journal.texts import TypedText
from shared.terms.parking import STREAM, ParkMessage
from shared.terms.protecting import ByOne
from tests.kernel.pair import Pair, add
from tests.kernel.parking import confirm, park, unpark
from tests.kernel.stage import Day, Running, Stage, context, until
from tests.kernel.tally import UNLUCKY

NOON = "2026-01-06T12:00:00+00:00"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.process.parking.LOOK_SECONDS", 0.1)


@pytest.fixture
def pair(stage: Stage) -> Pair:
    return Pair(stage)


async def said(pair: Pair) -> list[dict[str, Any]]:
    """What the tally's journal has of parking, in order."""
    found = [msgspec.json.decode(each.data) for each in await pair.stage.records(pair.sink) if each.stream == "parking/main"]
    return [{"type": each["type"].split(".")[1], **{name: each[name] for name in ("by", "messages") if name in each}} for each in found]


class Night:
    """A line stands still at an unlucky amount. `people` call the tally."""

    def __init__(self, pair: Pair, tally: Running, counter: Running, clock: Day, people: dict[str, httpx.AsyncClient], ill: str) -> None:
        self.pair, self.tally, self.counter, self.clock = pair, tally, counter, clock
        self.admin, self.approver = people["admin-1"], people["approver-1"]
        self.ill = ill
        self.line, self.stream = "/v1/inbox/" + "/".join(ill.split("/")[:2]), "counter/a"

    async def parked(self) -> list[dict[str, Any]]:
        line: dict[str, Any] = (await self.admin.get("/v1/inbox")).json()[self.line.removeprefix("/v1/inbox/")]
        return list(line["parked"])

    async def types(self) -> list[str]:
        return [each["type"] for each in await said(self.pair)]

    def later(self, hours: float) -> None:
        self.clock.instant += timedelta(hours=hours)


@asynccontextmanager
async def night(pair: Pair) -> AsyncIterator[Night]:
    clock = Day(NOON)
    async with (
        pair.stage.serving(pair.sink, clock) as tally,
        pair.counter() as counter,
        pair.stage.client(str(tally.http.base_url), "admin-1") as admin,
        pair.stage.client(str(tally.http.base_url), "approver-1") as approver,
    ):
        ill = await add(counter, UNLUCKY)
        await until(tally.ready)
        yield Night(pair, tally, counter, clock, {"admin-1": admin, "approver-1": approver}, ill)


async def test_a_message_that_raises_stops_its_line_until_it_is_parked_and_replays_in_order(pair: Pair) -> None:
    shards: dict[int, str] = {}
    async with pair.tally() as tally, pair.counter() as counter, pair.stage.client(str(tally.http.base_url), "admin-1") as admin:
        for name in "abcdefgh":
            shards.setdefault(int((await add(counter, 1, name)).split("/")[1]), name)
        (shard, ill), (_, well), *_ = shards.items()
        line = f"/v1/inbox/{pair.source.name}/{shard}"
        await pair.sees(8)
        stopped_at = await add(counter, UNLUCKY, ill)
        await add(counter, 14, ill)
        await add(counter, 2, well)
        reasons = await until(tally.ready)
        assert "ZeroDivisionError" in reasons[0] and line.removeprefix("/v1/inbox/") in reasons[0]
        await pair.sees(9)  # the other lines go on

        nothing = await park(admin, line.replace(str(shard), "3" if shard != 3 else "2"))
        assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_park")
        assert (await park(tally.http, line)).status_code == 403
        parked = await park(admin, line, key="once")
        assert parked.json()["place"] == stopped_at and parked.json()["reason"] == "waits for the next build"
        assert (await park(admin, line, key="once")).json() == parked.json()
        assert await tally.ready() == []
        async with pair.stage.sql(pair.sink.name) as sql:

            async def reasons_kept() -> list[str]:
                return [row["reason"] for row in await sql.fetch("SELECT reason FROM parked ORDER BY position")]

            async def both() -> bool:
                return len(await reasons_kept()) == 2

            await until(both)  # 14 parks too: it comes after 13 in its stream
            first, second = await reasons_kept()
        assert first.startswith("parked by") and "earlier message" in second

        failed = await unpark(admin, line, f"counter/{ill}")
        assert (failed.status_code, failed.json()["code"]) == (409, "still_not_taken")
        pair.mood.mended = True
        replayed = await unpark(admin, line, f"counter/{ill}")
        assert replayed.json() == {"replayed": 2}
        await add(counter, 15, ill)
        await pair.sees(12)
        assert (await tally.http.get(f"/v1/tallies/{ill}")).json() == [1, UNLUCKY, 14, 15]
        lines = (await admin.get("/v1/inbox")).json()
        assert all(each["stopped"] is None and each["parked"] == [] for each in lines.values())
        by = parked.json()["parked_by"]
        assert await said(pair) == [
            {"type": "message_parked", "by": by},
            {"type": "messages_unparked", "messages": 2, "by": by},
        ]


async def test_what_another_person_confirms_stays_parked(pair: Pair) -> None:
    async with night(pair) as here:
        assert (await park(here.admin, here.line)).json()["lapses_at"] == "2026-01-09T12:00:00Z"
        alone = await confirm(here.admin, here.line, here.stream)
        assert (alone.status_code, alone.json()["code"]) == (403, "parking_confirmed_by_same_person")
        none = await confirm(here.approver, here.line, "counter/other")
        assert (none.status_code, none.json()["code"]) == (404, "parking_not_found")
        assert (await confirm(here.approver, here.line, here.stream)).json()["lapses_at"] is None
        twice = await confirm(here.approver, here.line, here.stream)
        assert (twice.status_code, twice.json()["code"]) == (409, "parking_stands_already")
        here.later(100)
        await add(here.counter, 2, "b")
        await add(here.counter, 3)
        async with pair.stage.sql(pair.sink.name) as sql:

            async def both_parked() -> bool:
                return bool(await sql.fetchval("SELECT count(*) = 2 FROM parked"))

            await until(both_parked)
        assert await here.tally.ready() == []
        assert await here.types() == ["message_parked", "parking_confirmed"]


async def test_what_nobody_confirms_is_tried_again_and_stops_its_line_until_somebody_does(pair: Pair) -> None:
    async with night(pair) as here:
        await park(here.admin, here.line)
        here.later(71)
        await add(here.counter, 2)  # of the stream, so it is parked too
        assert await here.tally.ready() == []
        here.later(2)
        [reason] = await until(here.tally.ready)
        assert "counter/a is parked no longer" in reason and "ZeroDivisionError" in reason
        assert (await here.parked())[0]["lapsed"]
        again = await park(here.admin, here.line)
        assert (again.status_code, again.json()["code"]) == (409, "nothing_to_park")
        assert (await confirm(here.admin, here.line, here.stream)).status_code == 403
        assert (await confirm(here.approver, here.line, here.stream)).status_code == 200
        await until(lambda: not here.tally.kernel.inbox.stopped)
        assert await here.tally.ready() == []
        assert await here.types() == ["message_parked", "parking_lapsed", "parking_confirmed"]


async def test_what_nobody_confirms_is_taken_once_it_can_be(pair: Pair) -> None:
    async with night(pair) as here:
        await park(here.admin, here.line)
        here.later(73)
        await until(here.tally.ready)
        await add(here.counter, 2)
        pair.mood.mended = True
        await pair.sees(2)
        await until(lambda: not here.tally.kernel.inbox.stopped)
        assert (await here.tally.http.get("/v1/tallies/a")).json() == [UNLUCKY, 2]
        [last] = (await said(pair))[-1:]
        assert last == {"type": "messages_unparked", "messages": 1, "by": f"service:{pair.sink.name}"}


async def test_a_process_that_starts_again_stands_still_at_what_nobody_has_confirmed(pair: Pair) -> None:
    async with night(pair) as here:
        await park(here.admin, here.line)
    later = Day("2026-01-10T12:00:00+00:00")
    async with pair.stage.serving(pair.sink, later) as tally, pair.counter():
        [reason] = await until(tally.ready)
        assert "is parked no longer" in reason


async def test_what_is_recorded_and_not_put_aside_yet_is_put_aside_when_it_is_asked_for_again(pair: Pair) -> None:
    """As if the process had been killed in between."""
    async with night(pair) as here:
        line = here.line.removeprefix("/v1/inbox/")
        told: dict[str, Any] = {"line": line, "stream": here.stream, "place": here.ill, "event": "counter.added.v1"}
        by = ByOne(by="sub_1", accounts=frozenset({"sub_1"}), at=here.clock.now())
        recorded = ParkMessage(**told, reason=TypedText(""), by=by)
        await here.tally.kernel.writer.submit(STREAM, recorded, context())
        assert await here.tally.ready() != []
        assert (await park(here.admin, here.line)).json()["parked_by"] == "sub_1"
        assert await here.tally.ready() == []
        assert await here.types() == ["message_parked"]
