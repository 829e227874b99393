"""The feed through the edge: a draw comes on its partner's stream as it happens; and each day a partner knows that it has all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reserve.commands.complete import completeness
from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S, until

FEED = "/ledger/v1/feed"


async def items(lines: AsyncIterator[str]) -> AsyncIterator[Any]:
    async for line in lines:
        if line.startswith("data: "):
            yield msgspec.json.decode(line.removeprefix("data: "))


async def test_a_draw_comes_on_its_partners_stream_and_on_no_others(world: World) -> None:
    _, _, release = await world.stocked_release("JP", 2)
    base, eu = world.running.endpoints.base_url, world.partner("EU")
    token = await world.partner("JP").token()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    theirs = (await eu.get(FEED, limit=1000))["cursor"]
    async with (
        asyncio.timeout(HANGS_AFTER_S),
        httpx.AsyncClient(base_url=base, timeout=HANGS_AFTER_S) as http,
        http.stream("GET", FEED, headers=headers) as answer,
    ):
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        told = items(answer.aiter_lines())
        while (await anext(told))["data"].get("release") != release:
            pass  # it is told from its first event on
        drawn = await world.drawn("JP", release, UNIT_G)
        while (item := await anext(told))["type"] != "inventory.stock_drawn.v1" or item["data"]["draw"] != drawn["draw"]:
            assert item["partner"] == "JP"
    assert item["place"] == drawn["place"]
    others = await eu.get(FEED, after=theirs, limit=1000)
    assert drawn["draw"] not in msgspec.json.encode(others).decode()


TALLIED = "allocation.partner_tallied.v1"


async def whole(world: World, code: str) -> list[Any]:
    """All of a partner's items."""
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = await world.partner(code).get(FEED, limit=1000, **after)
        found += page["data"]
        if not page["more"]:
            return found
        after = {"after": page["cursor"]}


async def test_a_partner_proves_by_itself_that_it_has_all_of_its_events_of_each_day_that_has_passed(world: World, tmp_path: Path) -> None:
    _, _, release = await world.stocked_release("JP", 2)
    await world.drawn("JP", release, UNIT_G)
    for days in (1, 3):  # the second time it has days to make up for
        await world.days_pass(days)

        async def told(code: str) -> list[Any] | None:
            items = await whole(world, code)
            yesterday = world.in_days(-1)
            return items if any(item["type"] == TALLIED and item["data"]["day"] == yesterday for item in items) else None

        found, others = await until(lambda: told("JP")), await until(lambda: told("AU"))
    assert found is not None and others is not None
    for items in (found, others):
        said = [item["data"]["day"] for item in items if item["type"] == TALLIED]
        first = said.index((world.today - timedelta(days=4)).isoformat())
        assert said[first:] == [world.in_days(-days) for days in (4, 3, 2, 1)], "each day once"
    last = [item for item in found if item["type"] == TALLIED][-1]
    receipt = await world.receipt(world.partner("JP"), last["place"])
    (tmp_path / "receipt").write_text(receipt)
    feed, keys = tmp_path / "feed", world.running.folder
    feed.write_bytes(msgspec.json.encode(found))
    proven, missing = completeness(tmp_path / "receipt", [feed], [], keys)
    assert (missing, proven["day"], proven["partner"]) == ([], world.in_days(-1), "JP")
    assert proven["events"] >= len([item for item in found if item["leafindex"] < last["data"]["size"]])
    drawn = next(item for item in found if item["type"] == "inventory.stock_drawn.v1")
    feed.write_bytes(msgspec.json.encode([item for item in found if item is not drawn]))
    _, missing = completeness(tmp_path / "receipt", [feed], [], keys)
    assert [each.split(" of ")[0] for each in missing] == [f"{drawn['source'][1:]}: {drawn['partnerseq']}"]
