"""Lies that whoever owns every key can seal: all hashes fit, and what an event says does not follow from what came before it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.partners import ProductTerms
from services.inventory import events as inventory
from services.loans.events.books import BookChange
from services.loans.events.loan import PeriodClosed
from tests.stories.audit import (
    ANTIMONY,
    DAY_BEFORE,
    TODAY,
    Step,
    Story,
    Told,
    agreed,
    before,
    changed,
    failures,
    stock,
    told,
    with_agreements,
)
from tests.stories.audit_loans import told_with_loans

GOOD = inventory.Assay(report="A-1", laboratory="AmLab", assayed_on=TODAY, contents={"Sb": "0.9965"}, in_specification=True)
POOR = replace(GOOD, report="A-2", contents={"Sb": "0.8"}, in_specification=False)


async def found(folder: Path, story: Story) -> dict[str, set[str]]:
    """check -> the steps where something is found."""
    history = Told(story, folder)
    steps = {place: name for name, place in history.places.items()}
    return {check: {steps[place] for place in places} for check, places in failures(await history.audited()).items()}


def changed_at(story: Story, first: str, at: str) -> None:
    """It and what follows it are recorded then."""
    for name in list(story)[list(story).index(first) :]:
        step = story[name]
        if isinstance(step, Step) and step.service == "allocation" and step.shard == 0:
            story[name] = replace(step, at=at)


# --- goods


async def test_a_lot_out_of_specification_that_is_available_is_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "lot", assay=POOR)
    assert await found(tmp_path, story) == {"stopped": {"lot", "draw"}}


def assayed(**changes: Any) -> Step:
    given: dict[str, Any] = {"lot": "lot_1", "depot": "Fremantle", "assay": POOR, "from_status": "available", "to_status": "quarantined"}
    return stock(inventory.AssayRecorded(product=ANTIMONY, **(given | {"units": 12, "mass_g": 120, "short_g": 0} | changes)))


async def test_an_assay_that_bars_a_lot_bars_it(tmp_path: Path) -> None:
    """Also where the event that holds it says that the lot is available all the same."""
    story = before(told(), "draw", poor=assayed(to_status="available", units=0, mass_g=0))
    assert (await found(tmp_path / "said", story))["stopped"] == {"poor", "draw"}
    story = before(told(), "draw", poor=assayed(assay=GOOD, from_status="quarantined", to_status="available", units=0, mass_g=0))
    assert (await found(tmp_path / "from", story))["stopped"] == {"poor"}


async def test_goods_that_are_drawn_after_their_lots_last_day_are_found(tmp_path: Path) -> None:
    story = told()
    changed(story, "lot", expires_on=TODAY - timedelta(days=1))
    assert await found(tmp_path, story) == {"stopped": {"draw"}}


async def test_goods_that_leave_unweighed_or_with_another_mass_than_was_weighed_are_found(tmp_path: Path) -> None:
    story = told()
    del story["weigh"]
    assert (await found(tmp_path / "unweighed", story))["dispatches"] == {"dispatch"}
    story = told()
    changed(story, "weigh", weighed_g=28, difference_g=-2)
    assert (await found(tmp_path / "another", story))["dispatches"] == {"dispatch"}


def held(scope: Any, target: str | None, expires_on: date | None = None) -> Step:
    told: dict[str, Any] = {"hold": "hld_1", "reason": "doubts", "authority": "ins_1"}
    return stock(inventory.HoldPutOn(product=ANTIMONY, scope=scope, target=target, expires_on=expires_on, **told))


HOLDS = [("all", None), ("product", None), ("partner", "JP"), ("lot", "lot_1"), ("depot", "Fremantle")]


@pytest.mark.parametrize(("scope", "target"), HOLDS)
async def test_goods_that_are_drawn_or_leave_under_a_hold_are_found(tmp_path: Path, scope: Any, target: str | None) -> None:
    stopped = (await found(tmp_path / "draw", before(told(), "draw", held=held(scope, target))))["stopped"]
    assert {"draw", "dispatch"} <= stopped
    assert (await found(tmp_path / "dispatch", before(told(), "dispatch", held=held(scope, target))))["stopped"] >= {"dispatch"}


async def test_a_hold_that_is_of_others_has_expired_or_is_lifted_stops_nothing(tmp_path: Path) -> None:
    lifted = stock(inventory.HoldLifted(product=ANTIMONY, hold="hld_1", reason="", authority=None))  # type: ignore[arg-type]
    for name, steps in {
        "others": {"held": held("partner", "AU")},
        "lot": {"held": held("lot", "lot_2")},
        "expired": {"held": held("all", None, TODAY - timedelta(days=1))},
        "lifted": {"held": held("all", None), "lifted": lifted},
    }.items():
        assert "stopped" not in await found(tmp_path / name, before(told(), "draw", **steps))


# --- who has done it


def by_inventory(step: Step, cause: str) -> Step:
    return replace(step, actor="service:inventory", cause=cause)


@pytest.mark.parametrize("actor", ["service:inventory", "service:allocation", "service:anybody"])
async def test_what_a_person_does_is_not_done_by_a_service(tmp_path: Path, actor: str) -> None:
    """Nor counts it for a day long before, because a service has done it."""
    story = told()
    for name in ("draw", "lot"):
        step = story[name]
        assert isinstance(step, Step)
        story[name] = replace(step, actor=actor, cause="allocation/0/1")
    lies = {"draw"} if actor == "service:inventory" else {"draw", "lot"}
    found_at = await found(tmp_path, story)
    assert found_at["control"] == lies
    assert found_at.get("order", set()) == {"lot"}, "no return that was settled has caused it"


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({}, True),
        ({"at": f"{TODAY}T12:00:00.000000Z"}, False),  # it was recorded before that day
        ({"cause": "timer/stockpile/gallium-metal/lapse/rel_us/2026-01-21"}, False),
        ({"cause": "screening/antimony-metal"}, False),
        ({"cause": "log_reach/main"}, False),
        ({"cause": "somebody asked"}, False),
        ({"cause": "allocation/0/1"}, True),
    ],
    ids=str,
)
async def test_a_service_does_by_itself_what_its_timers_and_others_events_make_it(
    tmp_path: Path, changes: dict[str, Any], fine: bool
) -> None:
    story = told()
    step = story["lapse"]
    assert isinstance(step, Step)
    timed = by_inventory(step, f"timer/stockpile/{ANTIMONY}/lapse/rel_us/2026-01-21")
    story["lapse"] = replace(timed, **changes)
    assert ("lapse" not in (await found(tmp_path, story)).get("control", ())) is fine


async def test_a_hold_is_lifted_by_a_timer_in_its_time_or_by_a_person_with_an_authority(tmp_path: Path) -> None:
    lifted = stock(inventory.HoldLifted(product=ANTIMONY, hold="hld_1", reason="", authority=None))  # type: ignore[arg-type]
    by_timer = by_inventory(lifted, f"timer/stockpile/{ANTIMONY}/hold/hld_1/2026-01-06")
    for name, put_on, step, fine in (
        ("nobody's", held("partner", "AU"), lifted, False),
        ("too early", held("partner", "AU", TODAY), by_timer, False),
        ("for good", held("partner", "AU"), by_timer, False),
        ("expired", held("partner", "AU", TODAY - timedelta(days=1)), by_timer, True),
    ):
        story = before(told(), "draw", put_on=put_on, lift=step)
        assert ("lift" not in (await found(tmp_path / name, story)).get("control", ())) is fine, name


# --- decisions, and agreements behind them


def by_agreements(read: dict[str, Any] | None = None, **changes: Any) -> Story:
    return with_agreements(told(), read, **changes)


async def test_a_decision_by_agreements_as_they_are_holds(tmp_path: Path) -> None:
    assert await found(tmp_path, by_agreements()) == {}


@pytest.mark.parametrize("read", [{"quota_g": 2000}, {"version": 2}, {"year_from": TODAY}], ids=str)
async def test_a_decision_that_reads_what_no_agreement_says_is_found(tmp_path: Path, read: dict[str, Any]) -> None:
    assert "propose" in (await found(tmp_path, by_agreements(read)))["decisions"]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"priority_class": 1}, ["certify"]),
        ({"valid_from": date(2026, 1, 7)}, ["certify", "propose"]),
        ({"valid_until": date(2026, 1, 5)}, ["certify", "propose"]),
        ({"products": ()}, ["certify", "propose"]),
    ],
    ids=str,
)
async def test_a_class_a_time_or_a_product_that_the_agreement_does_not_give_is_found(
    tmp_path: Path, changes: dict[str, Any], at: list[str]
) -> None:
    assert await found(tmp_path, by_agreements(**changes)) == {"decisions": set(at)}


async def test_a_decision_under_a_suspended_agreement_is_found(tmp_path: Path) -> None:
    given: Any = {"agreement": "agr_JP", "partner": "JP", "products": (ANTIMONY,), "hold": "hld_1", "reason": "doubts"}
    suspended = Step(event=allocation.AgreementSuspended(**given), stream="agreement/agr_JP", shard=1)
    resumed = Step(event=allocation.AgreementResumed(**given), stream="agreement/agr_JP", shard=1)
    assert await found(tmp_path / "after", before(by_agreements(), "open", suspend=suspended)) == {}, "another version was read"
    for name, steps, version, fine in (("suspended", {"a": suspended}, 2, False), ("resumed", {"a": suspended, "b": resumed}, 3, True)):
        story = before(by_agreements(), "open", **steps)
        step = story["propose"]
        assert isinstance(step, Step)
        said = step.event.reads.agreements
        said = said | {"JP": replace(said["JP"], version=version)}
        changed(story, "propose", reads=replace(step.event.reads, agreements=said))
        assert ("propose" not in (await found(tmp_path / name, story)).get("decisions", ())) is fine


def amended(partner: Any, quota_g: int, at: str | None = None) -> Step:
    terms = ProductTerms(product=ANTIMONY, yearly_quota_g=quota_g, share="1/2")
    given: Any = {"products": (terms,), "priority_class": 0, "valid_until": date(2027, 12, 31), "dropped": (), "reason": ""}
    event = allocation.AgreementAmended(agreement=f"agr_{partner}", partner=partner, **given)  # type: ignore[arg-type]
    return Step(event=event, stream=f"agreement/agr_{partner}", shard=1, on=DAY_BEFORE, at=at)


async def test_a_decision_by_a_version_that_another_had_taken_the_place_of_is_found(tmp_path: Path) -> None:
    """Before it was proposed, or before it was certified."""
    story = before(by_agreements(), "key", cut=amended("JP", 10))
    assert (await found(tmp_path / "before", story))["decisions"] == {"propose", "certify"}
    story = before(by_agreements(), "approve", cut=amended("JP", 10, f"{TODAY}T00:01:30.000000Z"))
    changed_at(story, "certify", f"{TODAY}T00:05:00.000000Z")
    assert (await found(tmp_path / "meanwhile", story))["decisions"] == {"certify"}


@pytest.mark.parametrize(
    ("at", "fine"), [(f"{TODAY}T00:00:00.000000Z", True), (f"{DAY_BEFORE}T00:00:00.000000Z", False)], ids=["at_once", "long_before"]
)
async def test_a_decision_by_another_agreement_than_the_one_that_counts_is_found(tmp_path: Path, at: str, fine: bool) -> None:
    """Of two that begin on one day the greater in name counts; one that was signed in the moment of the decision may have come after it."""
    greater = replace(agreed("JP"), at=at, stream="agreement/agr_JP_2")
    story = before(by_agreements(), "key", another=replace(greater, event=replace(greater.event, agreement="agr_JP_2")))
    assert (await found(tmp_path, story)).get("decisions", set()) == (set() if fine else {"propose", "certify"})


async def test_a_partner_whose_agreement_nobody_read_is_found(tmp_path: Path) -> None:
    story = by_agreements()
    step = story["propose"]
    assert isinstance(step, Step)
    of_us = {"US": step.event.reads.agreements["US"]}
    changed(story, "propose", reads=replace(step.event.reads, agreements=of_us))
    assert (await found(tmp_path, story))["decisions"] == {"propose", "certify"}


@pytest.mark.parametrize(("version", "fine"), [(1, False), (2, True), (3, False), (None, False)])
async def test_a_decision_by_another_version_of_its_disruption_is_found(tmp_path: Path, version: int | None, fine: bool) -> None:
    given: Any = {
        "disruption": "dis_1",
        "products": (ANTIMONY,),
        "declared_scope": "",
        "observed_scope": "",
        "partners": (),
        "evidence": (),
    }
    declared = allocation.DisruptionDeclared(**given, instrument="No. 1", starts_on=DAY_BEFORE)
    revised = allocation.DisruptionRevised(**given, starts_on=TODAY, reason="")
    steps = {
        name: Step(event=event, stream="disruption/dis_1", shard=1, on=DAY_BEFORE) for name, event in (("a", declared), ("b", revised))
    }
    story = before(by_agreements(), "key", **steps)
    changed(story, "open", disruption="dis_1")
    step = story["propose"]
    assert isinstance(step, Step)
    changed(story, "propose", reads=replace(step.event.reads, disruption_version=version))
    assert ("propose" not in (await found(tmp_path, story))["decisions"]) is fine, "its terms name none, which is found at the certificate"


# --- money


async def test_interest_of_30_000_on_a_principal_of_30_is_found(tmp_path: Path) -> None:
    story = told_with_loans()
    name, step = next((name, step) for name, step in story.items() if isinstance(step, Step) and isinstance(step.event, PeriodClosed))
    billed = BookChange(interest_minor=30_000, interest_income_minor=-30_000)
    after = replace(step.event.after, interest_minor=step.event.after.interest_minor + 30_000)
    story[name] = replace(step, event=replace(step.event, change=billed, after=after))
    assert name in (await found(tmp_path, story))["figures"]
