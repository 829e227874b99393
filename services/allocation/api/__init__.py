"""The HTTP API of allocation, a file a resource."""

from fastapi import APIRouter

from services.allocation.api import (
    agreements,
    approver_keys,
    awards,
    bids,
    clocks,
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
    tasks,
    tenders,
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
    clocks,
    tasks,
    approver_keys,
    instruments,
    officials,
    stock,
    tenders,
    bids,
):
    router.include_router(_part.router)
