"""The audit finds nothing in whatever truly happens to a loan, a holding or a material loan: it works all of it out in its own way."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reserve.audit.approvers import Approvers
from reserve.audit.billing import Billing
from reserve.audit.figures import Figured
from reserve.audit.holdings import Holdings
from reserve.audit.loans import Loans
from reserve.audit.material import Material
from reserve.audit.report import Findings
from services.loans.domain.equity import decider as equity
from services.loans.domain.equity.decider import CommitHolding
from services.loans.domain.material.decider import DECIDER as MATERIAL
from services.loans.domain.material.terms import CommitMaterialLoan
from shared.journal.decider import Decider
from tests.stories import loan as facility_loan
from tests.stories import material
from tests.stories.audit import RECORD
from tests.stories.equity import COMMITTED_ON, approve, propose
from tests.stories.lending_by_chance import BEGUN, events_of_a_loan, flows, told, turns


def found(auditor: Callable[[Findings, Approvers], Any], decider: Decider, commands: Iterable[Any]) -> dict[Any, int]:
    findings = Findings()
    audit, billing, figured = auditor(findings, Approvers(findings, set())), Billing(findings), Figured(findings)
    for events, _ in told(decider, commands):
        for event in events:
            audit.see("somewhere", RECORD, event)
            billing.see("somewhere", event)
            figured.see("somewhere", RECORD.effective_on, event)
    assert any(findings.checked.values())
    return dict(findings.failed)


@given(st.lists(events_of_a_loan, max_size=25))
@settings(max_examples=60, deadline=None)
def test_of_a_loan(commands):
    assert found(Loans, facility_loan.DECIDER, (*BEGUN, *commands)) == {}


@given(st.lists(flows, max_size=25))
@settings(max_examples=40, deadline=None)
def test_of_a_holding(commands):
    assert found(Holdings, equity.DECIDER, (propose(), approve(), CommitHolding(on=COMMITTED_ON), *commands)) == {}


@given(st.lists(turns, max_size=25))
@settings(max_examples=60, deadline=None)
def test_of_a_material_loan(commands):
    opening = (
        material.offer(mass_g=10**9),
        material.propose,
        material.sign,
        CommitMaterialLoan(),
        material.draw(5 * material.UNIT_G, undrawn_g=1),
    )
    assert found(Material, MATERIAL, (*opening, *commands)) == {}
