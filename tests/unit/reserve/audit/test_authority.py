"""The audit of authority: everything done under one cites one that covers it, and an emergency is ratified or stands still."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.authority import InstrumentRestored
from services.inventory import events as inventory
from shared.terms.authority import Kind, Link
from tests.stories.audit import (
    ANTIMONY,
    DAY_AFTER,
    DAY_BEFORE,
    DECISION,
    LAST_DAY,
    TODAY,
    Step,
    Story,
    Told,
    a_citation,
    an_instrument,
    audited,
    before,
    book,
    failures,
    stock,
    told,
)
from tests.stories.audit_emergency import RATIFY_BY, in_an_emergency, instrument
from tests.stories.audit_equity import told_with_equity
from tests.stories.audit_loans import told_with_loans
from tests.stories.audit_material import told_with_material

LATER = date(2026, 1, 2)


def citing(**changes: Any) -> Story:
    return told() | {"cite": book(a_citation(**changes))}


def empowered(**changes: Any) -> Story:
    return told() | {"instrument": instrument(an_instrument(**changes), DAY_BEFORE)}


async def at(story: Story, tmp_path: Path) -> list[str]:
    """The steps at which the audit finds a fault of authority, and nothing else is at fault."""
    history = Told(story, tmp_path)
    found = failures(await history.audited())
    assert found.keys() <= {"authority"}, found
    places = {place: step for step, place in history.places.items()}
    return [places[place] for place in found.get("authority", [])]


async def test_an_approval_that_cites_nothing_is_found(tmp_path: Path):
    story = told()
    del story["cite"]
    assert await at(story, tmp_path) == ["approve"]


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": "ins_unknown"},
        {"product": "gallium"},
        {"mass_g": 99},
        {"by": "sub_other"},
        {"act": "ratify"},
        {"under": (Link(authority="ins_1", version=1),)},
    ],
    ids=str,
)
async def test_a_citation_of_something_else_is_found(changes: dict[str, Any], tmp_path: Path):
    assert await at(citing(**changes), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"holder": "sub_other"},
        {"acts": ("ratify",)},
        {"products": ("gallium",)},
        {"limit_g": 99},
        {"valid_until": date(2026, 1, 5)},
        {"valid_from": date(2026, 1, 7)},
        {"under": "ins_0", "kind": Kind.DIRECTION},
    ],
    ids=str,
)
async def test_an_authority_that_does_not_cover_what_it_is_cited_for_is_found(changes: dict[str, Any], tmp_path: Path):
    assert await at(empowered(**changes), tmp_path) == ["cite"]


async def test_an_authority_that_had_ended_is_found(tmp_path: Path):
    ended = allocation.InstrumentEnded(instrument="ins_1", ended_on=LATER, products=(), reason="repealed")  # type: ignore[arg-type]
    assert await at(before(told(), "key", end=instrument(ended)), tmp_path) == ["cite"]


async def test_an_authority_that_is_back_covers(tmp_path: Path):
    ended = allocation.InstrumentEnded(instrument="ins_1", ended_on=LATER, products=(), reason="repealed")  # type: ignore[arg-type]
    restored = InstrumentRestored(instrument="ins_1")  # type: ignore[arg-type]
    story = before(told(), "key", end=instrument(ended), restore=instrument(restored))
    assert "authority" not in failures(await Told(story, tmp_path).audited())


async def test_an_acting_officer_is_one_on_the_named_days_alone(tmp_path: Path):
    for number, (last, found) in enumerate(((TODAY, []), (date(2026, 1, 5), ["cite"]))):
        named: Any = {"instrument": "ins_1", "officer": "sub_approver", "valid_from": LATER, "valid_until": last}
        story = before(empowered(holder="sub_minister"), "key", act=instrument(allocation.ActingOfficerNamed(**named)))
        folder = tmp_path / str(number)
        folder.mkdir()
        assert await at(story, folder) == found


async def test_a_delegation_of_what_may_not_be_delegated_or_wider_than_its_parent_is_found(tmp_path: Path):
    act = an_instrument(instrument="ins_0", holder="sub_minister", limit_g=500)
    story = before(empowered(under="ins_0", kind=Kind.DELEGATION), "instrument", act=instrument(act, DAY_BEFORE))
    story["cite"] = book(a_citation(under=(Link(authority="ins_0", version=1),)))
    assert await at(story, tmp_path) == ["instrument", "cite"]


@pytest.mark.parametrize(
    "conflict", [("partner", "US"), ("company", "trading co"), ("company", "smelter"), ("product", ANTIMONY), ("round", "rnd_1")]
)
async def test_who_had_declared_a_conflict_is_found_to_have_approved(conflict: tuple[Any, str], tmp_path: Path):
    about, name = conflict
    said: Any = {"official": "sub_approver", "about": about, "name": name}
    declared = Step(event=allocation.ConflictDeclared(**said, reason="shares"), stream="official/sub_approver", shard=1, on=LATER)
    assert await at(before(told(), "key", declare=declared), tmp_path) == ["approve"]


async def test_a_conflict_that_was_withdrawn_before_bars_nobody(tmp_path: Path):
    said: Any = {"official": "sub_approver", "about": "partner", "name": "US"}
    stream = {"stream": "official/sub_approver", "shard": 1, "on": LATER}
    story = before(
        told(),
        "key",
        declare=Step(event=allocation.ConflictDeclared(**said, reason="shares"), **stream),  # type: ignore[arg-type]
        withdraw=Step(event=allocation.ConflictWithdrawn(**said, reason="sold"), **stream),  # type: ignore[arg-type]
    )
    assert await at(story, tmp_path) == []


async def test_stock_that_is_taken_back_without_an_authority_is_found(tmp_path: Path):
    taken_back = inventory.ReleaseCancelled(
        product=ANTIMONY,
        release="rel_jp",  # type: ignore[arg-type]
        partner="JP",
        units=(inventory.UnitCount(nominal_unit_g=10, units=2),),
        rights_g=0,
        mass_g=20,
        reason="none",
    )
    story = told()
    found = failures(await audited(tmp_path, before(story, "lapse", cancel=stock(taken_back))))
    assert "authority" in found


async def test_a_decision_that_is_superseded_without_an_authority_is_found(tmp_path: Path):
    again: Any = {"round": "rnd_1", "product": ANTIMONY, "decision": DECISION, "by_round": "rnd_2", "superseded_by": "sub_operator"}
    superseded = allocation.DecisionSuperseded(**again, reason="an error")
    step = Step(event=superseded, stream="superseded/rnd_1", shard=0, on=TODAY)
    assert await at(before(told(), "close", supersede=step), tmp_path) == ["supersede"]


# Emergencies


async def test_an_emergency_that_another_ratified_is_fine(tmp_path: Path):
    assert await at(in_an_emergency(), tmp_path) == []


async def test_who_decided_it_ratifies_nothing(tmp_path: Path):
    history = Told(in_an_emergency(ratified_by="sub_approver"), tmp_path)
    assert history.places["ratify"] in failures(await history.audited())["authority"]


async def test_an_emergency_that_nobody_ratified_and_nothing_tells_of_is_found(tmp_path: Path):
    assert await at(in_an_emergency(ratified_by=None), tmp_path) == ["emergency"]


async def test_goods_that_move_while_the_round_is_held_are_found(tmp_path: Path):
    round: Any = {"round": "rnd_1", "product": ANTIMONY, "decision": DECISION}
    missed = book(allocation.RatificationMissed(**round, ratify_by=RATIFY_BY), LAST_DAY)
    held = stock(inventory.RoundHeld(**round, reason="not ratified"))
    story = in_an_emergency(ratified_by=None)
    story = before(story, "draw", held=held)
    story = before(story, "last_sign", missed=replace(missed, on=DAY_AFTER))
    assert await at(story, tmp_path) == ["draw", "dispatch", "assign"]


@pytest.mark.parametrize(
    ("name", "cites"),
    [
        ("approve_loan", "cite_loan"),
        ("waive", "cite_waiver"),
        ("write_off", "cite_write_off"),
        ("equity_approve_holding", "equity_approve_holding_cites"),
        ("equity_write_down", "equity_write_down_cites"),
        ("grams_agree", "grams_agree_cites"),
        ("grams_grant_later", "grams_grant_later_cites"),
    ],
)
async def test_what_loans_approve_without_an_authority_is_found(name: str, cites: str, tmp_path: Path):
    story = told_with_equity() if name.startswith("equity") else told_with_material()
    without = {step: what for step, what in story.items() if step != cites}
    assert await at(story, tmp_path / "with") == []
    assert await at(without, tmp_path / "without") == [name]


@pytest.mark.parametrize("changes", [{"amount_minor": 49}, {"currency": "USD"}, {"act": "write_off"}, {"by": "sub_other"}], ids=str)
async def test_a_loan_that_cites_another_amount_act_or_person_is_found(changes: dict[str, Any], tmp_path: Path):
    story = told_with_loans()
    cites = story["cite_loan"]
    assert isinstance(cites, Step)
    changed = replace(cites, event=replace(cites.event, cited=replace(cites.event.cited, **changes)))
    assert await at(story | {"cite_loan": changed}, tmp_path)
