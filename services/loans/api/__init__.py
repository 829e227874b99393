"""The HTTP API of loans, a file a resource."""

from fastapi import APIRouter

from services.loans.api import (
    equity,
    equity_returns,
    equity_write_downs,
    exposure,
    facilities,
    loan_acts,
    loan_advances,
    loan_imports,
    loan_payments,
    loan_servicing,
    loan_standing,
    loans,
    material_held,
    material_loans,
    material_returns,
    offtakes,
    projects,
    statements,
)

router = APIRouter()
for _part in (
    facilities,
    projects,
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
):
    router.include_router(_part.router)
