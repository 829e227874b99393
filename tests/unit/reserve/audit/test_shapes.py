"""What an event says beyond its type, or in nobody's name, sealed with every key."""

from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from services.inventory import events as inventory
from services.ledger.postings import postings
from tests.stories.audit import Step, Story, Told, failures, told


def with_draw(**changes: Any) -> Story:
    story = told()
    step = story["draw"]
    assert isinstance(step, Step)
    return story | {"draw": replace(step, **changes)}


async def test_what_nobody_is_said_to_have_done_is_found(tmp_path: Path) -> None:
    history = Told(with_draw(actor=" "), tmp_path)
    assert failures(await history.audited()) == {"shapes": [history.places["draw"]]}


class MarkedParcel(inventory.Parcel, frozen=True):
    seen_by: str = "JP"


class MarkedDraw(inventory.StockDrawn, frozen=True, kw_only=True, tag="inventory.stock_drawn.v1"):
    for_whom: str


async def test_members_that_no_type_has_are_listed_at_any_depth(tmp_path: Path) -> None:
    step = told()["draw"]
    assert isinstance(step, Step)
    plain = asdict(step.event)
    plain["parcels"] = tuple(MarkedParcel(**asdict(each)) for each in plain["parcels"])
    marked = MarkedDraw(**plain, for_whom="JP")
    history = Told(with_draw(event=marked), tmp_path, lambda event: postings(step.event if event is marked else event))
    report = await history.audited()
    [found] = [each for result in report.checks for each in result.listed if result.check == "shapes"]
    assert (failures(report), found.place) == ({}, history.places["draw"])
    assert "inventory.stock_drawn.v1 has no for_whom, seen_by: a later build" in found.what
