"""The HTTP API of loans, a file a resource."""

from fastapi import APIRouter

from services.loans.api import facilities, loans, projects

router = APIRouter()
for _part in (facilities, loans, projects):
    router.include_router(_part.router)
