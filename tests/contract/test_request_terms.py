"""The terms that requests are made under, as they are remembered for a moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import event

from services.allocation.api.book.terms import RecentTerms
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.stories.stockpile import UNIT_G

BODY = {
    "product": PRODUCT,
    "mass_g": UNIT_G,
    "daily_consumption_g": UNIT_G,
    "needed_by": str(TODAY + timedelta(days=60)),
    "nominee": "Sojitz",
    "consignee": "Toyo Logistics",
    "end_user": "Kyushu Smelting",
    "end_use": "flame retardants",
}


@contextmanager
def looks(reserve: Reserve) -> Iterator[list[str]]:
    """Each query for agreements meanwhile."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM agreements" in statement:
            seen.append(statement)

    engine = reserve.allocation.kernel.engine.sync_engine
    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)


async def test_requests_that_come_at_once_are_made_under_terms_that_are_looked_up_once(reserve: Reserve):
    reserve.allocation.kernel.part(RecentTerms).forget()
    with looks(reserve) as seen:
        asked = await asyncio.gather(*(reserve.post("partner-jp", "/v1/requests", BODY) for _ in range(20)))
    assert len({request["request"] for request in asked}) == 20
    assert 1 <= len(seen) < 20 // 2  # a second may have gone by


async def test_each_request_without_an_agreement_is_looked_up_for_itself(reserve: Reserve):
    """One that was signed elsewhere meanwhile counts at once."""
    [agreement] = [row["agreement"] for row in (await reserve.get("partner-us", "/v1/agreements"))["data"]]
    await reserve.post("operator-1", f"/v1/agreements/{agreement}/suspend", {"reason": "its law is reviewed"})
    with looks(reserve) as seen:
        refused = await asyncio.gather(*(reserve.refused("partner-us", "/v1/requests", BODY) for _ in range(5)))
    assert refused == [(409, "agreement_missing")] * 5
    assert len(seen) >= 5
    await reserve.by_two(f"/v1/agreements/{agreement}/resume", {"reason": "its law stands"})
    await reserve.post("partner-us", "/v1/requests", BODY)


async def test_what_whole_units_cut_is_said_at_once(reserve: Reserve):
    whole = await reserve.post("partner-jp", "/v1/requests", BODY | {"mass_g": 2 * UNIT_G})
    assert (whole["whole_units_g"], whole["note"]) == (2 * UNIT_G, None)
    cut = await reserve.post("partner-jp", "/v1/requests", BODY | {"mass_g": 7 * UNIT_G // 5})
    assert cut["whole_units_g"] == UNIT_G
    assert f"make {UNIT_G} g" in cut["note"]
    least = await reserve.post("partner-jp", "/v1/requests", BODY | {"mass_g": 7 * UNIT_G // 5, "minimum_g": 6 * UNIT_G // 5})
    assert "less than the minimum" in least["note"]
    none = await reserve.post("partner-jp", "/v1/requests", BODY | {"mass_g": UNIT_G - 1})
    assert none["whole_units_g"] == 0 and "gives nothing" in none["note"]
