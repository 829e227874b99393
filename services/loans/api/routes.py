"""All routes of the API, in the order in which they are tried."""

from fastapi import APIRouter

from services.loans.api.equity import holdings as equity
from services.loans.api.equity import returns as equity_returns
from services.loans.api.equity import write_downs as equity_write_downs
from services.loans.api.facility import exposure, facilities, groups
from services.loans.api.loan import acts as loan_acts
from services.loans.api.loan import advances as loan_advances
from services.loans.api.loan import imports as loan_imports
from services.loans.api.loan import loans
from services.loans.api.loan import payments as loan_payments
from services.loans.api.loan import servicing as loan_servicing
from services.loans.api.material import held as material_held
from services.loans.api.material import laboratories
from services.loans.api.material import loans as material_loans
from services.loans.api.material import returns as material_returns
from services.loans.api.offtake import offtakes
from services.loans.api.payees import payees
from services.loans.api.projects import projects
from services.loans.api.rates import rates
from services.loans.api.standing import standing as loan_standing
from services.loans.api.standing import statements
from shared.terms.countersigning_api import proposals_router
from shared.terms.erasing_api import texts_router

router = APIRouter()
for _part in (
    facilities,
    groups,
    rates,
    projects,
    payees,
    loans,
    loan_acts,
    loan_advances,
    loan_payments,
    loan_servicing,
    loan_standing,
    statements,
    loan_imports,
    offtakes,
    equity,
    equity_returns,
    equity_write_downs,
    exposure,
    material_loans,
    material_held,
    material_returns,
    laboratories,
):
    router.include_router(_part.router)
router.include_router(loan_payments.bulk_router)
router.include_router(proposals_router(laboratories.changed_since))
router.include_router(texts_router())
