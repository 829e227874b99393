"""The audit of loans: each way in which a facility's or a loan's history can be wrong is found, named, and placed."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.events.defaults import LoanAccelerated, ShortfallClaimed
from services.loans.events.facility import LimitsSet
from services.loans.events.loan import BookChange, LoanClosed, LoanId
from services.loans.events.offtake import OfftakeEnded
from services.loans.events.terms import Refund, WaiveCondition
from tests.stories.audit import LAST_DAY, OTHER_KEY, TODAY, Step, Told, before, changed, failures
from tests.stories.audit_loans import (
    CMF,
    LOSS,
    PROPOSAL,
    WAIVER,
    a_loan,
    act,
    act_approved,
    advance,
    cited,
    facility,
    figures,
    given_back,
    lent,
    limits,
    loan,
    offtake,
    payment,
    rate,
    reserved,
    seen,
    signed,
    told_with_loans,
    valued,
)


async def failures_of(folder: Path, **steps: Step) -> dict[str, list[str]]:
    """What is found of each of these steps, before which the whole story is told: check -> names of steps."""
    story = told_with_loans()
    assert not steps.keys() & story.keys()
    history = Told(before(story, "last_sign", **steps), folder)
    named = {place: name for name, place in history.places.items()}
    return {check: [named[place] for place in places] for check, places in failures(await history.audited()).items()}


async def test_a_commitment_beyond_a_limit_is_found(tmp_path: Path) -> None:
    assert await failures_of(tmp_path, most=facility(reserved("lon_3", "AUD", 131, 131))) == {}
    assert await failures_of(tmp_path, more=facility(reserved("lon_3", "AUD", 132, 132))) == {"headroom": ["more"]}


async def test_a_limit_that_is_exceeded_takes_no_more(tmp_path: Path) -> None:
    lower = facility(LimitsSet(facility=CMF, limits=limits(50), authority="an Act", reason="prudence"))
    assert await failures_of(tmp_path, lowest=lower) == {}
    assert await failures_of(tmp_path, lowest=lower, one=facility(reserved("lon_3", "AUD", 1, 1))) == {"headroom": ["one"]}


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
    steps = [step for step in (lent() | a_loan()).values() if isinstance(step, Step) and step.stream == "facility/cmf"]
    assert len(failures(await Told(story, tmp_path).audited())["headroom"]) == len(steps) - 1


# --- a loan's money


async def first_failures_of(folder: Path, name: str, **fields: Any) -> dict[str, str]:
    """With one step's event otherwise: check -> the step in which it fails first."""
    story = told_with_loans()
    changed(story, name, **fields)
    history = Told(story, folder)
    named = {place: name for name, place in history.places.items()}
    return {check: named.get(places[0], places[0]) for check, places in failures(await history.audited()).items()}


async def test_what_does_not_sum_to_zero_is_found(tmp_path: Path) -> None:
    unbalanced = BookChange(cash_minor=13, principal_minor=-10, interest_minor=-3, fees_minor=1)
    found = await first_failures_of(tmp_path, "pay", change=unbalanced, after=figures(advanced_minor=30, principal_minor=20, fees_minor=1))
    assert found.items() >= {"money": "pay", "sums": "pay"}.items()


@pytest.mark.parametrize(
    "name", ["principal_minor", "interest_minor", "default_interest_minor", "fees_minor", "credit_minor", "advanced_minor"]
)
async def test_a_loan_that_says_otherwise_than_its_books_is_found(tmp_path: Path, name: str) -> None:
    told = {"advanced_minor": 30, "principal_minor": 20}
    after = figures(**told | {name: told.get(name, 0) + 1})
    assert await first_failures_of(tmp_path, "pay", after=after) == {"money": "pay"}


async def test_money_that_is_not_what_was_paid_is_found(tmp_path: Path) -> None:
    assert await first_failures_of(tmp_path, "pay", amount_minor=14) == {"money": "pay"}
    assert await first_failures_of(tmp_path, "deliver", amount_minor=5) == {"money": "deliver"}
    assert await first_failures_of(tmp_path, "reverse", payment="pay_1") == {"money": "reverse"}


async def test_a_payment_reversed_twice_is_found(tmp_path: Path) -> None:
    reverse = a_loan()["reverse"]
    assert isinstance(reverse, Step)
    assert (await failures_of(tmp_path, again=reverse))["money"] == ["again"]


async def test_a_reference_that_was_paid_before_is_found_unless_it_was_reversed(tmp_path: Path) -> None:
    told = {"advanced_minor": 30, "principal_minor": 10}
    once_more = payment("pay_2", 1, BookChange(cash_minor=1, principal_minor=-1), **told)
    twice = payment("pay_1", 1, BookChange(cash_minor=1, principal_minor=-1), **told)
    assert await failures_of(tmp_path, again=loan(once_more)) == {}
    assert await failures_of(tmp_path, again=loan(twice)) == {"money": ["again"]}


# --- advances


async def test_an_advance_beyond_its_commitment_is_found(tmp_path: Path) -> None:
    more = advance(1, 0, after=figures(advanced_minor=31, principal_minor=12))
    assert (await failures_of(tmp_path, more=loan(more)))["advances"] == ["more"]


@pytest.mark.parametrize(
    "conditions",
    [seen(permit="open"), seen(permit="not_evaluated"), seen(permit="waived"), seen()[:1], ()],
    ids=["open", "not evaluated", "never waived", "one of two", "none looked at"],
)
@pytest.mark.parametrize("name", ["clear", "advance"])
async def test_an_advance_whose_conditions_were_not_met_is_found(tmp_path: Path, name: str, conditions: Any) -> None:
    assert await first_failures_of(tmp_path, name, seen=conditions) == {"advances": name}


async def test_an_advance_after_its_waiver_ended_is_found(tmp_path: Path) -> None:
    assert await first_failures_of(tmp_path, "advance", paid_on=LAST_DAY) == {"advances": "advance"}


async def test_a_waiver_that_nobody_approved_does_not_count(tmp_path: Path) -> None:
    story = told_with_loans()
    del story["waive"]
    history = Told(story, tmp_path)
    assert failures(await history.audited()) == {"advances": [history.places[name] for name in ("clear", "advance")]}


async def test_a_commitment_that_is_not_what_was_approved_or_reserved_is_found(tmp_path: Path) -> None:
    found = await first_failures_of(tmp_path, "commit_loan", commitment_minor=51)
    assert found.items() >= {"advances": "commit_loan", "headroom": "commit_loan"}.items()


async def test_more_is_not_cancelled_than_is_left(tmp_path: Path) -> None:
    assert (await first_failures_of(tmp_path, "cancel_rest", amount_minor=21))["advances"] == "cancel_rest"


async def test_headroom_that_the_ledger_had_not_taken_yet_is_looked_up(tmp_path: Path) -> None:
    story = told_with_loans()
    late = {name: story.pop(name) for name in ("reserve_loan", "give_back_rest")}
    assert failures(await Told(story | late, tmp_path).audited()) == {}


# --- approvals


@pytest.mark.parametrize(
    "wrong",
    [
        signed(PROPOSAL, "loan_proposal", key=OTHER_KEY),
        signed(PROPOSAL, "loan_act"),
        signed(WAIVER, "loan_proposal"),
        signed(PROPOSAL, "loan_proposal", subject="sub_operator"),
    ],
    ids=["another key", "another purpose", "another document", "the proposer"],
)
async def test_a_loan_that_no_second_person_approved_is_found(tmp_path: Path, wrong: Any) -> None:
    found = await first_failures_of(tmp_path, "approve_loan", approval=wrong)
    assert found.pop("approvals") == "approve_loan"
    assert found.keys() <= {"authority"}  # what is cited is another person's


async def test_an_act_that_is_not_what_was_proposed_is_found(tmp_path: Path) -> None:
    assert await first_failures_of(tmp_path, "waive", content=WaiveCondition(name="offtake", until=None)) == {"approvals": "waive"}
    assert await first_failures_of(tmp_path, "write_off", document=WAIVER) == {"approvals": "write_off"}


async def test_an_act_is_approved_once(tmp_path: Path) -> None:
    again = act_approved("act_1", WaiveCondition(name="offtake", until=TODAY), WAIVER, advanced_minor=30, principal_minor=11)
    assert await failures_of(tmp_path, again=loan(again)) == {"approvals": ["again"]}
    proposed = act("act_3", WaiveCondition(name="offtake", until=TODAY), LOSS)
    other = act_approved("act_3", proposed.content, LOSS, advanced_minor=30, principal_minor=11)
    assert await failures_of(tmp_path, asked=loan(proposed), approved=loan(other)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 5},
        {"mass_g": 7},
        {"content": "0.7"},
        {"price": "1.6"},
        {"share": "1"},
        {"offtake": "oft_2"},
        {"loan": "lon_8"},
        {"received_on": date(2025, 12, 31)},
        {"received_on": date(2999, 1, 1)},
    ],
)
async def test_a_delivery_that_was_not_valued_as_it_was_agreed_is_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    other = {"lot": "lot_2", "payment": "pay_4"}
    assert await failures_of(tmp_path / "right", fine=offtake(valued(**other))) == {}
    assert await failures_of(tmp_path / "wrong", wrong=offtake(valued(**other | changes))) == {"money": ["wrong"]}


async def test_a_delivery_that_is_valued_twice_or_after_its_agreement_ended_is_found(tmp_path: Path) -> None:
    assert await failures_of(tmp_path / "twice", again=offtake(valued())) == {"money": ["again"]}
    end: Any = {"offtake": "oft_1", "right": "rgt_1", "loan": "lon_7", "on": TODAY - timedelta(days=1), "reason": "repaid"}
    late = {"end": offtake(OfftakeEnded(**end)), "late": offtake(valued(lot="lot_2", payment="pay_4"))}
    assert await failures_of(tmp_path / "late", **late) == {"money": ["late"]}


async def test_a_credit_that_no_delivery_is_worth_is_found(tmp_path: Path) -> None:
    """What was valued otherwise is found where it was credited."""
    story = told_with_loans()
    changed(story, "value", lot="lot_9")
    history = Told(story, tmp_path)
    found = failures(await history.audited())
    assert found == {"money": [history.places["deliver"]]}


# --- default, and what is left


async def test_what_has_fallen_due_is_due_and_what_is_claimed_is_owed(tmp_path: Path) -> None:
    def fallen(due_minor: int) -> Step:
        after = figures(advanced_minor=30, principal_minor=11, accrued_minor=1, due_minor=due_minor)
        return loan(LoanAccelerated(loan=LoanId("lon_7"), on=TODAY, currency="AUD", change=BookChange(), after=after))

    def claimed(claim_minor: int) -> Step:
        return loan(ShortfallClaimed(loan=LoanId("lon_7"), on=TODAY, currency="AUD", claim_minor=claim_minor))

    assert await failures_of(tmp_path, fallen=fallen(12), claimed=claimed(12)) == {}
    assert await failures_of(tmp_path, fallen=fallen(11), claimed=claimed(13)) == {"money": ["fallen", "claimed"]}


async def test_a_refund_is_cash_and_a_loan_that_owes_its_borrower_is_not_closed(tmp_path: Path) -> None:
    back = Refund(amount_minor=9, reference="bank back", on=TODAY)
    over = payment("pay_4", 20, BookChange(cash_minor=20, principal_minor=-11, credit_minor=-9), advanced_minor=30, credit_minor=9)
    steps = {
        "over": loan(replace(over, due_first=True)),
        "asked": loan(act("act_4", back, LOSS)),
        "refunded": loan(act_approved("act_4", back, LOSS, BookChange(cash_minor=-9, credit_minor=9), advanced_minor=30)),
        "cited": cited("amend_conditions", 9),
        "closed": loan(LoanClosed(loan=LoanId("lon_7"), facility=CMF, reason="repaid")),
    }
    told = await failures_of(tmp_path, **steps)
    assert "money" not in told
    unpaid = act_approved("act_4", back, LOSS, advanced_minor=30, credit_minor=9)
    assert (await failures_of(tmp_path, **steps | {"refunded": loan(unpaid)}))["money"] == ["refunded", "closed"]
    kept = {name: steps[name] for name in ("over", "closed")}
    assert (await failures_of(tmp_path, **kept))["money"] == ["closed"]
    before = kept | {"over": loan(over)}
    assert "money" not in await failures_of(tmp_path, **before), "by a build that refunded nothing it is listed"
