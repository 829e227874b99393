"""The audit of who may act: a key signed its enrolment, and another approver signed what came after the ceremony."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.report import Report
from services.allocation import events as allocation
from services.allocation.events.authority import PersonId, PersonNamed
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, Told, failures
from tests.stories.audit_ceremony import KEYS, endorsed, enrolled, instrument, step, story

ADMIN = "sub_operator"  # who sends every command of a story


async def report_of(folder: Path, steps: Story) -> tuple[Report, dict[str, list[str]]]:
    history = Told(steps, folder)
    report = await history.audited()
    names = {place: name for name, place in history.places.items()}
    return report, {check: [names[place] for place in places] for check, places in failures(report).items()}


async def test_a_ceremony_and_what_another_approver_signed_after_it_is_fine(tmp_path: Path):
    more = {"cy": enrolled(tmp_path, "cy", by="ann"), "second": instrument(tmp_path, "ins_2", by="ben")}
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {}


@pytest.mark.parametrize("by", [None, "cy"])
async def test_a_third_person_whose_key_nobody_else_signed_is_found(tmp_path: Path, by: str | None):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", by=by)))
    assert set(found["approvals"]) == {"cy"}


async def test_a_key_that_its_person_did_not_sign_with_is_found(tmp_path: Path):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", signed_by="ben", by="ann")))
    assert found == {"approvals": ["cy"]}


async def test_a_key_with_a_second_life_is_found(tmp_path: Path):
    again = enrolled(tmp_path, "ann", by="ben")
    _, found = await report_of(tmp_path, story(tmp_path, again=again))
    assert found == {"approvals": ["again"]}


async def test_one_key_of_two_people_is_found_so_that_no_two_approvals_are_by_it(tmp_path: Path):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", by="ben", key_of="ann")))
    assert found == {"approvals": ["cy"]}


async def test_a_second_instrument_of_an_administrator_alone_or_signed_by_its_holder_is_found(tmp_path: Path):
    more = {
        "alone": instrument(tmp_path, "ins_2"),
        "own": instrument(tmp_path, "ins_3", by="ann", holder="ann"),
        "moved": replace(instrument(tmp_path, "ins_4", by="ann"), limit_g=None),
    }
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {"approvals": ["alone", "own", "moved"]}


async def test_an_acting_officer_is_signed_by_another_approver(tmp_path: Path):
    days: Any = {"valid_from": TODAY, "valid_until": TODAY}
    named = allocation.ActingOfficerNamed(instrument="ins_1", officer="sub_deputy", **days)  # type: ignore[arg-type]
    _, found = await report_of(tmp_path, story(tmp_path, alone=named, signed=endorsed(tmp_path, named, "ann")))
    assert found == {"approvals": ["alone"]}


async def test_another_account_of_the_same_person_endorses_nothing(tmp_path: Path):
    persons = {who: PersonNamed(official=who, person=PersonId("per_1")) for who in ("ann", "cy")}  # type: ignore[arg-type]
    steps = story(tmp_path, third=enrolled(tmp_path, "cy", by="ann"))
    close = steps.pop("close")
    third = steps.pop("third")
    steps |= {f"person_{who}": step(event, DAY_BEFORE) for who, event in persons.items()}
    _, found = await report_of(tmp_path, steps | {"third": third, "close": close})
    assert found == {"approvals": ["third"]}


async def test_whose_account_it_is_another_approver_signs(tmp_path: Path):
    names = {who: PersonNamed(official=who, person=PersonId("per_1")) for who in ("sub_a", "ann", "cy", "sub_d")}  # type: ignore[arg-type]
    more = {
        "signed": endorsed(tmp_path, names["sub_a"], "ben"),
        "alone": names["cy"],
        "own": endorsed(tmp_path, names["ann"], "ann"),
    }
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {"approvals": ["alone", "own"]}


async def test_one_account_of_a_person_does_not_sign_for_the_next(tmp_path: Path):
    first, second = (PersonNamed(official=who, person=PersonId("per_1")) for who in ("ann", "sub_d"))  # type: ignore[arg-type]
    steps = story(tmp_path, first=endorsed(tmp_path, first, "ben"))
    close = steps.pop("close")
    late = step(endorsed(tmp_path, second, "ann"), TODAY + timedelta(days=1))
    _, found = await report_of(tmp_path, steps | {"second": late, "close": close})
    assert found == {"approvals": ["second"]}


async def test_what_an_old_history_entered_without_is_listed_and_no_failure(tmp_path: Path):
    old = {who: replace(enrolled(tmp_path, who), possession=None) for who in KEYS}
    steps: Story = {who: step(event, DAY_BEFORE) for who, event in old.items()} | {
        "act": step(instrument(tmp_path, "ins_1"), DAY_BEFORE),
        "second": step(instrument(tmp_path, "ins_2"), DAY_BEFORE),
        "close": Step(),
    }
    report, found = await report_of(tmp_path, steps)
    assert (report.ok, found) == (True, {})
    [listed] = [each.listed for each in report.checks if each.check == "approvals"]
    assert len(listed) == len(old) + 2  # each key; the third person's, and the second instrument, that nobody else signed
