"""The audit of loans: each way in which a facility's or a loan's history can be wrong is found, named, and placed."""

from pathlib import Path
from typing import Any

import pytest
from audit_loan_story import CMF, facility, given_back, lent, limits, rate, reserved, told_with_loans
from audit_story import Step, Told
from test_audit import before, changed, failures

from services.loans.events.facility import LimitsSet


async def failures_of(folder: Path, **steps: Step) -> dict[str, list[str]]:
    """What is found of each of these steps, before which the whole story is told: check -> names of steps."""
    history = Told(before(told_with_loans(), "last_sign", **steps), folder)
    named = {place: name for name, place in history.places.items()}
    return {check: [named[place] for place in places] for check, places in failures(await history.audited()).items()}


async def test_a_commitment_beyond_a_limit_is_found(tmp_path: Path) -> None:
    assert await failures_of(tmp_path, most=facility(reserved("lon_3", "AUD", 161, 161))) == {}
    assert await failures_of(tmp_path, more=facility(reserved("lon_3", "AUD", 162, 162))) == {"headroom": ["more"]}


async def test_a_limit_that_is_exceeded_takes_no_more(tmp_path: Path) -> None:
    lower = facility(LimitsSet(facility=CMF, limits=limits(50), authority="an Act", reason="prudence"))
    assert await failures_of(tmp_path, lower=lower) == {}
    assert await failures_of(tmp_path, lower=lower, one=facility(reserved("lon_3", "AUD", 1, 1))) == {"headroom": ["one"]}


@pytest.mark.parametrize(
    "wrong",
    [
        reserved("lon_1", "AUD", 1, 1),
        reserved("lon_3", "USD", 10, 15),
        reserved("lon_3", "EUR", 10, 15),
        rate("2", 1, 0),
        given_back("lon_1", "AUD", 99, 99, 2),
        given_back("lon_1", "AUD", 99, 98, 1),
        given_back("lon_2", "USD", 1, 1, 0),
    ],
    ids=["twice", "at another rate", "without a rate", "worth more before", "more than is held", "for less", "what is gone"],
)
async def test_headroom_that_does_not_add_up_is_found(tmp_path: Path, wrong: Any) -> None:
    assert await failures_of(tmp_path, wrong=facility(wrong)) == {"headroom": ["wrong"]}


async def test_a_commitment_is_charged_to_all_above_its_keys(tmp_path: Path) -> None:
    story = told_with_loans()
    changed(story, "reserve", keys=("instrument/loan", "project/hillgrove"))
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"headroom": [history.places["reserve"]]}


async def test_a_facility_that_was_never_opened_is_found(tmp_path: Path) -> None:
    story = told_with_loans()
    del story["open_facility"]
    assert len(failures(await Told(story, tmp_path).audited())["headroom"]) == len(lent()) - 1
