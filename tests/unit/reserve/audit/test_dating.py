"""What counts for another day than it was recorded on says why, and is listed."""

from datetime import date
from pathlib import Path

from services.inventory import events as inventory
from shared.terms.dating import Dated
from shared.terms.reach import STREAM
from tests.stories.audit import ANTIMONY, Step, Told, draw, failures, stock, told

EARLY = date(2026, 3, 1)
RECORDED = "2026-03-04T01:00:00.000000Z"


def dated(history: Told, name: str, at: str = RECORDED) -> None:
    step = stock(draw(10, 20, draw=f"drw_{name}"), on=EARLY)
    history.seal(name, Step(event=step.event, stream=f"stockpile/{name}", shard=1, on=EARLY, at=at))


def reports(history: Told) -> None:
    history.seal("reports", Step(event=inventory.LogReachReported(reached=True), stream=STREAM, shard=1, on=EARLY))


async def listed(history: Told) -> list[str]:
    report = await history.audited()
    return [each.place for result in report.checks if result.check == "dated" for each in result.listed]


async def test_what_counts_for_an_earlier_day_without_a_reason_fails(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    reports(history)
    dated(history, "next_day", "2026-03-02T01:00:00.000000Z")  # which may be the same day, elsewhere
    dated(history, "late")
    history.seal("signed", Step())
    assert failures(await history.audited())["dated"] == [history.places["late"]]
    assert await listed(history) == []


async def test_it_is_listed_where_the_build_had_no_such_rule(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    dated(history, "before")
    history.seal("signed", Step())
    assert "dated" not in failures(await history.audited())
    assert await listed(history) == [history.places["before"]]


async def test_what_says_why_is_listed(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    reports(history)
    event = inventory.DrawDelivered(
        product=ANTIMONY,
        draw="drw_1",  # type: ignore[arg-type]
        release="rel_jp",  # type: ignore[arg-type]
        partner="JP",
        mass_g=20,
        weighed_g=20,
        carrier="Linfox",
        consignee="Trading Co",
        delivered_on=EARLY,
        received_by="goods-in",
        evidence="CMR",
        dated_because=Dated.PAPER_LATE,
    )
    history.seal("delivered", Step(event=event, stream="stockpile/antimony-metal", on=EARLY, at=RECORDED))
    history.seal("signed", Step())
    assert "dated" not in failures(await history.audited())
    assert await listed(history) == [history.places["delivered"]]
