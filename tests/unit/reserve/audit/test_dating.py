"""What counts for another day than it was recorded on says why, and is listed."""

from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, structs

from reserve.audit.dating import OWN_DAY, Dating
from reserve.audit.evidence import Recorded
from reserve.audit.report import Findings
from services.inventory import events as inventory
from services.loans.events.equity import SharesDivested, SharesSubscribed
from services.loans.events.loan import FeeCharged, RateReset, RecoveryRecorded
from shared.terms.acting import Approval
from shared.terms.countersigning import CommandApproved, CommandProposed
from shared.terms.dating import Dated
from shared.terms.reach import STREAM
from tests.stories.audit import ANTIMONY, Step, Told, draw, failures, stock, told

EARLY = date(2026, 3, 1)
RECORDED = "2026-03-04T01:00:00.000000Z"
SIGNED: dict[type, str] = {
    SharesSubscribed: "trade_shares",
    SharesDivested: "trade_shares",
    RecoveryRecorded: "record_recovery",
    FeeCharged: "charge_fee",
    RateReset: "reset_rate",
}


def dated(history: Told, name: str, at: str = RECORDED) -> None:
    step = stock(draw(10, 20, draw=f"drw_{name}"), on=EARLY)
    history.seal(name, Step(event=step.event, stream=f"stockpile/{name}", shard=1, on=EARLY, at=at))


def reports(history: Told) -> None:
    history.seal("reports", Step(event=inventory.LogReachReported(reached=True), stream=STREAM, shard=1, on=EARLY))


def recorded(at: str, on: str) -> Recorded:
    record: dict[str, Any] = {"effective_on": on, "recorded_at": at, "stream": "one", "command_id": "ab"}
    return Recorded(
        **{name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
    )


def delivered(history: Told, name: str, **changes: Any) -> None:
    """To a partner, by a project: on EARLY, and recorded three days later."""
    told: dict[str, Any] = {"product": ANTIMONY, "draw": "drw_1", "right": "rgt_1", "partner": "JP", "mass_g": 1, "remaining_g": 0}
    event = inventory.AssignmentDelivered(**(told | {"delivered_on": EARLY, "evidence": "CMR", "reported_by": "partner"} | changes))
    history.seal(name, Step(event=event, stream="stockpile/antimony-metal", on=date(2026, 3, 4), at=RECORDED))


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


async def test_a_delivery_to_a_partner_counts_for_the_day_that_it_says(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    delivered(history, "before", reported_by=None)  # by a build that asked for no reason
    delivered(history, "late")
    delivered(history, "says_why", dated_because=Dated.PAPER_LATE)
    delivered(history, "same_day", delivered_on=date(2026, 3, 4))
    history.seal("signed", Step())
    assert failures(await history.audited())["dated"] == [history.places["late"]]
    assert await listed(history) == [history.places["before"], history.places["says_why"]]


def own_day(kind: type, day: date, because: Any = None) -> Any:
    """One with the day that it counts for; nothing else of it is looked at."""
    rest = {field.name: "" for field in structs.fields(kind) if field.required}
    return kind(**(rest | {OWN_DAY[kind]: day, "dated_because": because}))


@pytest.mark.parametrize("kind", OWN_DAY)
def test_money_that_counts_for_an_earlier_day_says_why(kind: type) -> None:
    """Its record is of the day on which it was recorded, whatever day the books count it for."""
    findings = Findings()
    dating = Dating(findings)
    for place, event in (
        ("before", own_day(kind, EARLY, UNSET)),  # by a build that asked for no reason
        ("same_day", own_day(kind, date(2026, 3, 4))),
        ("late", own_day(kind, EARLY)),
        ("left_out", own_day(kind, EARLY, UNSET)),
        ("says_why", own_day(kind, EARLY, Dated.PAPER_LATE)),
    ):
        dating.see("loans", place, recorded(RECORDED, "2026-03-04"), event)
    [result] = [each for each in findings.results() if each.check == "dated"]
    assert [failure.place for failure in result.failures] == ["late", "left_out"]
    assert [each.place for each in result.listed] == ["before", "says_why"]


@pytest.mark.parametrize("kind", OWN_DAY)
def test_only_what_is_agreed_counts_for_days_to_come(kind: type) -> None:
    findings = Findings()
    Dating(findings).see("loans", "ahead", recorded(RECORDED, "2026-03-04"), own_day(kind, date(2026, 9, 1)))
    assert bool([each for result in findings.results() for each in result.failures]) is (kind not in (FeeCharged, RateReset))


def of_an_assignment(day: date) -> Any:
    more: dict[str, Any] = {"product": ANTIMONY, "draw": "drw_1", "right": "rgt_1", "partner": "JP", "mass_g": 1, "remaining_g": 0}
    return inventory.AssignmentDelivered(**more, delivered_on=day, evidence="CMR", reported_by="reserve")


@pytest.mark.parametrize(
    ("act", "of_day"),
    [("accept_delivery", of_an_assignment), *((act, partial(own_day, kind)) for kind, act in SIGNED.items())],
)
def test_what_another_signs_is_recorded_when_it_is_proposed(act: str, of_day: Any) -> None:
    findings = Findings()
    dating = Dating(findings)

    def see(place: str, event: Any, at: str, on: str) -> None:
        dating.see("inventory", place, recorded(at, on), event)

    of: dict[str, Any] = {"proposal": "prp_1", "act": act, "document": "", "proposed_by": "ann"}
    see("proposed", CommandProposed(**of, streams=(), command={}, lapses_on=EARLY), "2026-03-01T01:00:00.000000Z", "2026-03-01")
    approval = Approval(subject="bob", key="", signature="", approved_on=EARLY)
    see("signed", CommandApproved(**of, approval=approval), RECORDED, "2026-03-04")
    for place, day in (("on its day", EARLY), ("earlier", date(2026, 2, 20))):
        see(place, of_day(day), RECORDED, "2026-03-04")
    assert [failure.place for result in findings.results() for failure in result.failures] == ["earlier"]
