"""By what authority loans, holdings and loans of metal are approved, changed and written off."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from services.loans.domain.equity import decider as equity
from services.loans.domain.loan import decider as loan
from services.loans.domain.loan.agreement import ApproveLoan
from services.loans.domain.material import decider as material
from services.loans.events.authority import AuthorityCited
from services.loans.events.loan import WaiveCondition, WaiveCovenant, WriteOff
from shared.journal.decider import Refused
from shared.terms.authority import Capacity, Fault, interest_in
from tests.stories import equity as equity_story
from tests.stories import loan as loan_story
from tests.stories import material as material_story
from tests.stories.powers import INSTRUMENT, may

BY, ON = "approver-1", date(2026, 1, 6)

type Decide = Callable[[Capacity | None], Any]


def a_loan(capacity: Capacity | None) -> Any:
    proposed, _ = loan_story.told(loan_story.propose())
    signing = loan_story.signing(loan_story.named("proposal"), by=BY, capacity=capacity)
    return loan.DECIDER.decide(ApproveLoan(signing=signing, on=ON), proposed)


def an_act(content: Any) -> Decide:
    def decide(capacity: Capacity | None) -> Any:
        changed, _ = loan_story.told(loan_story.act(content), loan=loan_story.lent())
        return loan.DECIDER.decide(loan_story.sign_act(by=BY, capacity=capacity), changed)

    return decide


def a_holding(capacity: Capacity | None) -> Any:
    return equity.DECIDER.decide(equity_story.approve(BY, capacity=capacity), equity_story.happen(equity_story.propose()))


def a_loan_of_metal(capacity: Capacity | None) -> Any:
    proposed = material_story.proposed()
    return material.DECIDER.decide(material_story.sign(proposed, by=BY, capacity=capacity), proposed)


def a_deferral(capacity: Capacity | None) -> Any:
    lent = material_story.lent()
    asked = material_story.happen(lent, material_story.ask(lent))
    return material.DECIDER.decide(material_story.grant(asked, ON, by=BY, capacity=capacity), asked)


APPROVED: dict[str, tuple[Decide, str]] = {
    "a loan": (a_loan, "commit_loan"),
    "a waived condition": (an_act(WaiveCondition(name="permit", until=None)), "waive_condition"),
    "a waived covenant": (an_act(WaiveCovenant(kind="dscr", until=date(2026, 6, 30))), "waive_condition"),
    "a write-off": (an_act(WriteOff(amount_minor=500, on=ON)), "write_off"),
    "a holding": (a_holding, "commit_holding"),
    "a loan of metal": (a_loan_of_metal, "lend_material"),
    "a deferral": (a_deferral, "amend_conditions"),
}


@pytest.mark.parametrize(("decide", "act"), APPROVED.values(), ids=APPROVED)
def test_an_approval_cites_the_authority_that_covers_it(decide: Decide, act: str):
    events = decide(may(BY, ON))
    assert not isinstance(events, Refused), events
    [cited] = [event for event in events if isinstance(event, AuthorityCited)]
    assert (cited.cited.authority, cited.cited.act, cited.cited.by) == (INSTRUMENT, act, BY)


@pytest.mark.parametrize(("decide", "act"), APPROVED.values(), ids=APPROVED)
def test_without_an_authority_that_covers_it_nothing_is_approved(decide: Decide, act: str):
    for capacity, fault in (
        (None, Fault.MISSING),
        (may("somebody", ON), Fault.MISSING),
        (Capacity(by=BY, on=ON), Fault.MISSING),
        (may(BY, ON, acts=frozenset({"tender"})), Fault.OTHER_ACT),
        (may(BY, ON, valid_until=ON - timedelta(days=1)), Fault.OUT_OF_DATE),
        (may(BY, ON, valid_from=ON + timedelta(days=1)), Fault.OUT_OF_DATE),
    ):
        if capacity is not None and capacity.by != BY:
            capacity = Capacity(by=BY, on=ON, held=capacity.held)  # what another holds
        refused = decide(capacity)
        assert isinstance(refused, Refused), (capacity, refused)
        assert refused.code == fault


@pytest.mark.parametrize(("name", "limit_minor"), [("a loan", 119_999), ("a write-off", 499), ("a holding", 499_999)])
def test_an_authority_covers_no_more_money_than_its_limit_and_none_of_another_currency(name: str, limit_minor: int):
    decide, _ = APPROVED[name]
    assert decide(may(BY, ON, limit_minor=limit_minor, currency="AUD")).code == Fault.OVER_LIMIT
    assert decide(may(BY, ON, limit_minor=10**12, currency="USD")).code == Fault.OVER_LIMIT
    assert not isinstance(decide(may(BY, ON, limit_minor=limit_minor + 1, currency="AUD")), Refused)


@pytest.mark.parametrize("decide", [a_loan_of_metal, a_deferral])
def test_an_authority_covers_no_more_metal_than_its_limit_and_none_of_another_product(decide: Decide):
    mass_g = material_story.offered().mass_g
    assert decide(may(BY, ON, limit_g=mass_g - 1)).code == Fault.OVER_LIMIT
    assert decide(may(BY, ON, products=frozenset({"gallium-metal"}))).code == Fault.OTHER_PRODUCT
    assert not isinstance(decide(may(BY, ON, limit_g=mass_g, products=frozenset({"antimony-metal"}))), Refused)


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
    decide, _ = APPROVED[name]
    assert decide(may(BY, ON, conflicts=frozenset({interest_in(*about)}))).code == Fault.CONFLICT
    assert not isinstance(decide(may(BY, ON, conflicts=frozenset({interest_in("partner", "EU")}))), Refused)
