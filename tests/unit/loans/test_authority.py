"""By what authority loans, holdings and loans of metal are approved, changed and written off."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from services.loans.domain.equity import decider as equity
from services.loans.domain.loan import decider as loan
from services.loans.domain.loan.agreement import ApproveLoan
from services.loans.events.authority import AuthorityCited
from services.loans.events.terms import WaiveCondition, WaiveCovenant, WriteOff
from shared.terms.authority import Capacity, Fault, interest_in
from tests.stories import equity as equity_story
from tests.stories import loan as loan_story
from tests.stories import material as material_story
from tests.stories.given import Given
from tests.stories.powers import INSTRUMENT, may

BY, ON = "approver-1", date(2026, 1, 6)

type Sign = Callable[[Capacity], Given]


def a_loan(capacity: Capacity) -> Given:
    signing = loan_story.signing(loan_story.named("proposal"), by=BY, capacity=capacity)
    return Given(loan.DECIDER, loan_story.propose()).when(ApproveLoan(signing=signing))


def an_act(content: Any) -> Sign:
    def sign(capacity: Capacity) -> Given:
        return loan_story.lent(loan_story.act(content)).when(loan_story.sign_act(by=BY, capacity=capacity))

    return sign


def a_holding(capacity: Capacity) -> Given:
    return Given(equity.DECIDER, equity_story.propose()).when(equity_story.approve(BY, capacity=capacity))


def a_loan_of_metal(capacity: Capacity) -> Given:
    return material_story.proposed().when(lambda loan: material_story.sign(loan, by=BY, capacity=capacity))


def a_deferral(capacity: Capacity) -> Given:
    asked = material_story.lent().given(material_story.ask)
    return asked.when(lambda loan: material_story.grant(loan, ON, by=BY, capacity=capacity))


APPROVED: dict[str, tuple[Sign, str]] = {
    "a loan": (a_loan, "commit_loan"),
    "a waived condition": (an_act(WaiveCondition(name="permit", until=None)), "waive_condition"),
    "a waived covenant": (an_act(WaiveCovenant(kind="dscr", until=date(2026, 6, 30))), "waive_condition"),
    "a write-off": (an_act(WriteOff(amount_minor=500, on=ON)), "write_off"),
    "a holding": (a_holding, "commit_holding"),
    "a loan of metal": (a_loan_of_metal, "lend_material"),
    "a deferral": (a_deferral, "amend_conditions"),
}


@pytest.mark.parametrize(("sign", "act"), APPROVED.values(), ids=APPROVED)
def test_an_approval_cites_the_authority_that_covers_it(sign: Sign, act: str):
    [cited] = [event for event in sign(may(BY, ON)).events if isinstance(event, AuthorityCited)]
    assert (cited.cited.authority, cited.cited.act, cited.cited.by) == (INSTRUMENT, act, BY)


@pytest.mark.parametrize(("sign", "act"), APPROVED.values(), ids=APPROVED)
def test_without_an_authority_that_covers_it_nothing_is_approved(sign: Sign, act: str):
    for capacity, fault in (
        (may("somebody", ON), Fault.MISSING),
        (Capacity(by=BY, on=ON), Fault.MISSING),
        (may(BY, ON, acts=frozenset({"tender"})), Fault.OTHER_ACT),
        (may(BY, ON, valid_until=ON - timedelta(days=1)), Fault.OUT_OF_DATE),
        (may(BY, ON, valid_from=ON + timedelta(days=1)), Fault.OUT_OF_DATE),
    ):
        if capacity.by != BY:
            capacity = Capacity(by=BY, on=ON, held=capacity.held)  # what another holds
        sign(capacity).refused(fault)


@pytest.mark.parametrize(("name", "limit_minor"), [("a loan", 119_999), ("a write-off", 499), ("a holding", 499_999)])
def test_an_authority_covers_no_more_money_than_its_limit_and_none_of_another_currency(name: str, limit_minor: int):
    sign, _ = APPROVED[name]
    sign(may(BY, ON, limit_minor=limit_minor, currency="AUD")).refused(Fault.OVER_LIMIT)
    sign(may(BY, ON, limit_minor=10**12, currency="USD")).refused(Fault.OVER_LIMIT)
    assert sign(may(BY, ON, limit_minor=limit_minor + 1, currency="AUD")).events


@pytest.mark.parametrize("sign", [a_loan_of_metal, a_deferral])
def test_an_authority_covers_no_more_metal_than_its_limit_and_none_of_another_product(sign: Sign):
    mass_g = material_story.offered().state.mass_g
    sign(may(BY, ON, limit_g=mass_g - 1)).refused(Fault.OVER_LIMIT)
    sign(may(BY, ON, products=frozenset({"gallium-metal"}))).refused(Fault.OTHER_PRODUCT)
    assert sign(may(BY, ON, limit_g=mass_g, products=frozenset({"antimony-metal"}))).events


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("a loan", ("company", "Hillgrove-Mines")),
        ("a write-off", ("company", "hillgrove")),
        ("a holding", ("company", "larvotto")),
        ("a loan of metal", ("partner", "JP")),
        ("a deferral", ("product", "antimony-metal")),
    ],
)
def test_an_interest_bars_from_approving(name: str, about: tuple[str, str]):
    sign, _ = APPROVED[name]
    sign(may(BY, ON, conflicts=frozenset({interest_in(*about)}))).refused(Fault.CONFLICT)
    assert sign(may(BY, ON, conflicts=frozenset({interest_in("partner", "EU")}))).events
