"""The HTTP API of allocation, a file a resource."""

from fastapi import APIRouter

from services.allocation.api import (
    agreements,
    approver_keys,
    awards,
    decisions,
    disruptions,
    instruments,
    officials,
    partners,
    policies,
    reports,
    requests,
    rounds,
    stock,
)

router = APIRouter()
for _part in (
    partners,
    agreements,
    disruptions,
    policies,
    requests,
    rounds,
    decisions,
    reports,
    awards,
    approver_keys,
    instruments,
    officials,
    stock,
):
    router.include_router(_part.router)
