"""The audit of interests: who has declared one in what a round or a loan is about has no part in it."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.authority import ConflictLapsed, PersonId, PersonNamed
from services.ledger.keys import seed_key
from shared.proofs.signed_note import parse_verifier_key
from tests.stories.audit import DAY_BEFORE, Step, Story, Told, approval, before, failures, told

OPERATOR = "sub_operator"


def conflict(official: str, name: str = "Trading Co", about: Any = "company", on: date = DAY_BEFORE) -> Step:
    event = allocation.ConflictDeclared(official=official, about=about, name=name, reason="shares")  # type: ignore[arg-type]
    return Step(event=event, stream=f"official/{official}", shard=1, on=on)


def under_the_rule(folder: Path) -> Story:
    """A policy was approved the day before, by a statement that names its log: services of this build were at work."""
    origin = parse_verifier_key(seed_key(folder)).name
    story = told()
    for name, member in (("approve", "approval"), ("certify", "approvals")):
        step = story[name]
        assert isinstance(step, Step)
        given = approval(origin=origin, authority="ins_1")
        story[name] = replace(step, event=replace(step.event, **{member: given if member == "approval" else (given,)}))
    return story


async def steps_at_fault(story: Story, folder: Path) -> list[str]:
    history = Told(story, folder)
    places = {place: name for name, place in history.places.items()}
    return sorted({places[place] for place in failures(await history.audited()).get("authority", [])})


async def test_what_an_old_history_did_with_an_interest_is_listed(tmp_path: Path):
    history = Told(before(told(), "key", conflict=conflict(OPERATOR)), tmp_path)
    report = await history.audited()
    assert report.ok
    [listed] = [each.listed for each in report.checks if each.check == "authority"]
    assert {each.place for each in listed} == {history.places[step] for step in ("open", "propose", "certify")}


@pytest.mark.parametrize(
    ("about", "name"), [("company", " trading  CO"), ("partner", "JP"), ("product", "antimony-metal"), ("round", "rnd_1")]
)
async def test_who_certifies_with_an_interest_in_it_is_found(tmp_path: Path, about: str, name: str):
    story = before(under_the_rule(tmp_path), "key", conflict=conflict(OPERATOR, name, about))
    assert await steps_at_fault(story, tmp_path) == ["certify"]  # what came before the first statement that names its log is listed


async def test_one_that_lapsed_bars_nobody_any_more(tmp_path: Path):
    lapsed = ConflictLapsed(official=OPERATOR, about="company", name="trading co")  # type: ignore[arg-type]
    over = Step(event=lapsed, stream=f"official/{OPERATOR}", shard=1, on=DAY_BEFORE)
    story = before(under_the_rule(tmp_path), "key", conflict=conflict(OPERATOR), over=over)
    assert await steps_at_fault(story, tmp_path) == []


async def test_another_account_of_the_same_person_is_found_too(tmp_path: Path):
    persons = {
        f"person_{who}": Step(
            event=PersonNamed(official=who, person=PersonId("per_1")),  # type: ignore[arg-type]
            stream=f"official/{who}",
            shard=1,
            on=DAY_BEFORE,
        )
        for who in (OPERATOR, "sub_twin")
    }
    story = before(under_the_rule(tmp_path), "key", conflict=conflict("sub_twin"), **persons)
    assert await steps_at_fault(story, tmp_path) == ["certify"]


async def test_an_approval_whose_giver_had_an_interest_when_it_was_certified_is_found(tmp_path: Path):
    story = before(under_the_rule(tmp_path), "key", conflict=conflict("sub_approver"))
    assert await steps_at_fault(story, tmp_path) == ["approve", "certify"]
    assert await steps_at_fault(before(under_the_rule(tmp_path), "key", other=conflict("sub_approver", "Another Co")), tmp_path) == []
