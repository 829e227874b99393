"""The HTTP API of loans, a file a resource."""

from fastapi import APIRouter

from services.loans.api import equity, equity_returns, exposure, facilities, loans, projects

router = APIRouter()
for _part in (facilities, projects, loans, equity, equity_returns, exposure):
    router.include_router(_part.router)
