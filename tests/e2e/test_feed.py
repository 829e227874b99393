"""The feed through the edge: a partner's draw comes on its stream as it happens, and not on another's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S

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
