"""The audit of material loans: each way in which the history of what was lent can be wrong is found, named, and placed."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.events.material import ContainedChange
from shared.terms.acting import Approval
from shared.terms.approval import approve
from tests.stories.audit import OTHER_KEY, Step, Told, changed, failures
from tests.stories.audit_material import lent, told_with_material
from tests.stories.material import DUE, LATER, UNIT_G, days


async def found(folder: Path, name: str, **fields: Any) -> dict[str, str]:
    """With one step's event otherwise: check -> the step in which it fails first."""
    story = told_with_material()
    changed(story, f"grams_{name}", **fields)
    history = Told(story, folder)
    named = {place: name for name, place in history.places.items()}
    return {check: named.get(places[0], places[0]).removeprefix("grams_") for check, places in failures(await history.audited()).items()}


def event_of(name: str) -> Any:
    step = lent()[name]
    assert isinstance(step, Step)
    return step.event


async def test_a_true_loan_of_material_passes(tmp_path: Path) -> None:
    assert failures(await Told(told_with_material(), tmp_path).audited()) == {}
    assert [name for name in lent() if name.endswith("_then")] == ["assay_then", "umpire_then", "reject_then"]
    assert event_of("ask_later").deferral == LATER


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("lend", {"lent_g": 8_999_999}),
        ("credit", {"principal_g": 1}),
        ("credit", {"contained_g": 2_999_999}),
        ("credit", {"pending_g": 5}),
        ("reject_then", {"pending_g": 5}),
        ("buy", {"bought_g": 999_999}),
    ],
)
async def test_grams_that_are_not_what_the_event_is_about_are_found(tmp_path: Path, name: str, fields: Any) -> None:
    assert (await found(tmp_path, name, **fields))["lent"] == name


async def test_a_premium_that_is_not_by_its_formula_is_found(tmp_path: Path) -> None:
    credited = event_of("credit")
    assert credited.premium_g
    change = replace(credited.change, lent_g=credited.change.lent_g - 1, premium_g=credited.change.premium_g + 1)
    less = {"principal_g": credited.principal_g + 1, "premium_g": credited.premium_g - 1, "change": change}
    assert (await found(tmp_path, "credit", **less))["lent"] == "credit"


async def test_grams_that_do_not_sum_to_zero_are_found(tmp_path: Path) -> None:
    change = ContainedChange(stock_g=-9 * UNIT_G, lent_g=9 * UNIT_G + 1)
    assert (await found(tmp_path, "lend", change=change)).items() >= {"lent": "lend", "sums": "lend"}.items()


async def test_more_than_the_award_is_found(tmp_path: Path) -> None:
    assert (await found(tmp_path, "lend", mass_g=10 * UNIT_G))["lent"] == "lend_more"


async def test_more_paid_than_was_lent_is_found(tmp_path: Path) -> None:
    change = ContainedChange(lent_g=-9 * UNIT_G, replaced_g=9 * UNIT_G)
    assert (await found(tmp_path, "buy", bought_g=9 * UNIT_G, principal_g=9 * UNIT_G, premium_g=0, change=change))["lent"] == "buy"


@pytest.mark.parametrize("name", ["assay_then", "umpire_then"])
async def test_a_return_that_is_settled_otherwise_than_its_assays_say_is_found(tmp_path: Path, name: str) -> None:
    assert (await found(tmp_path, name, content="0.9965"))["lent"] == name
    assert (await found(tmp_path, name, contained_g=event_of(name).contained_g + 1))["lent"] == name


async def test_a_return_beyond_the_splitting_limit_needs_an_umpire(tmp_path: Path) -> None:
    apart = replace(event_of("assay").assay, contents={"Sb": "0.99"})
    assert (await found(tmp_path, "assay", assay=apart))["lent"] == "assay_then"


async def test_an_umpire_beyond_both_sides_settles_at_the_nearer_one(tmp_path: Path) -> None:
    beyond = replace(event_of("umpire").assay, contents={"Sb": "0.98"})
    story = told_with_material()
    changed(story, "grams_umpire", assay=beyond)
    changed(story, "grams_umpire_then", content="0.99", contained_g=1_980_000)
    history = Told(story, tmp_path)
    assert failures(await history.audited())["lent"] == [history.places["grams_credit_more"]]  # which still has the umpire's


async def test_terms_and_deferrals_that_no_second_person_approved_are_found(tmp_path: Path) -> None:
    document = event_of("terms").document
    signed = approve(document, OTHER_KEY, approver="approver-1", purpose="material_loan")
    wrong = Approval(subject="approver-1", key=signed.key_id, signature=signed.signature, approved_on=DUE)
    assert await found(tmp_path, "agree", approval=wrong) == {"approvals": "agree"}
    assert await found(tmp_path, "grant_later", due_on=days(300, DUE)) == {"approvals": "grant_later"}
    assert await found(tmp_path, "agree", approval=event_of("grant_later").approval) == {"approvals": "agree"}


async def test_a_commitment_of_grams_that_was_not_reserved_is_found(tmp_path: Path) -> None:
    assert await found(tmp_path, "commit_grams", contained_g=1) == {"headroom": "commit_grams"}
