"""The audit of laboratories: what settles a return was assayed by one that was registered, accredited, and neither party's."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.loans.events.facility import GroupSet
from services.loans.events.laboratory import LaboratoryEnded, LaboratoryRegistered
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, Told, before, changed, failures
from tests.stories.audit_material import told_with_material
from tests.stories.material import DUE, INDEPENDENTS, UMPIRES, assay, days

FIRST_ASSAYED = ["assay", "assay_more", "reject"]


def registered(laboratory: Any = INDEPENDENTS, on: date = DAY_BEFORE, **changes: Any) -> Step:
    told: dict[str, Any] = {"laboratory": laboratory, "name": f"{laboratory} Pty Ltd", "owner": "independent", "accredited_until": DUE}
    return Step(event=LaboratoryRegistered(**(told | changes)), stream=f"laboratory/{laboratory}", shard=1, on=on)


def ended(laboratory: Any = INDEPENDENTS, on: date = DAY_BEFORE) -> Step:
    event = LaboratoryEnded(laboratory=laboratory, by="operator-1", reason="suspended")
    return Step(event=event, stream=f"laboratory/{laboratory}", shard=1, on=on)


def told_with(**steps: Step) -> Story:
    umpire = registered(UMPIRES)
    return before(told_with_material(), "key", umpires=umpire, **steps)


async def at_fault(story: Story, folder: Path) -> list[str]:
    history = Told(story, folder)
    named = {place: name.removeprefix("grams_") for name, place in history.places.items()}
    return [named[place] for place in failures(await history.audited()).get("lent", [])]


async def test_what_was_assayed_before_there_was_a_register_is_listed(tmp_path: Path) -> None:
    report = await Told(told_with_material(), tmp_path).audited()
    assert report.ok
    [listed] = [each.listed for each in report.checks if each.check == "lent"]
    assert len(listed) == 4


async def test_registered_ones_that_are_neither_partys_pass(tmp_path: Path) -> None:
    assert await at_fault(told_with(first=registered()), tmp_path) == []
    once_more = {"gone": ended(), "back": registered()}
    assert await at_fault(told_with(first=registered(owner="reserve", on=days(-9, DAY_BEFORE)), **once_more), tmp_path) == []


@pytest.mark.parametrize("changes", [{"owner": "partner/JP"}, {"owner": "reserve"}, {"accredited_until": days(-1)}, {"name": "AHK"}])
async def test_a_partys_or_one_that_is_not_accredited_or_was_asked_before_is_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert await at_fault(told_with(first=registered(**changes)), tmp_path) == FIRST_ASSAYED


async def test_one_of_whom_the_borrower_is_connected_with_is_found(tmp_path: Path) -> None:
    said: Any = {"facility": "lending", "group": "mines", "committed_minor": 0, "over": (), "reason": "one holds the other"}
    event = GroupSet(members=("borrower/sister", "partner/JP"), **said)
    group = Step(event=event, stream="facility/lending", shard=1, on=DAY_BEFORE)
    assert await at_fault(told_with(first=registered(owner="borrower/other"), group=group), tmp_path) == []
    assert await at_fault(told_with(first=registered(owner="borrower/sister"), group=group), tmp_path / "sister") == FIRST_ASSAYED


async def test_one_that_nobody_has_registered_or_that_was_ended_is_found(tmp_path: Path) -> None:
    assert await at_fault(told_with(), tmp_path) == FIRST_ASSAYED
    assert await at_fault(told_with(first=registered(on=days(-9, DAY_BEFORE)), gone=ended()), tmp_path) == FIRST_ASSAYED


async def test_an_umpire_that_has_assayed_the_return_before_is_found(tmp_path: Path) -> None:
    story = told_with(first=registered())
    changed(story, "grams_umpire", assay=assay("0.9940", laboratory=INDEPENDENTS))
    assert TODAY > DAY_BEFORE
    assert await at_fault(story, tmp_path) == ["umpire"]
