"""The HTTP API of allocation, a file a resource."""

from fastapi import APIRouter

from services.allocation.api import (
    agreements,
    approvals,
    approver_keys,
    awards,
    bids,
    carries,
    clocks,
    decisions,
    disruptions,
    instruments,
    officials,
    partners,
    policies,
    policy_diffs,
    readiness,
    reports,
    requests,
    round_opening,
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
    policy_diffs,
    requests,
    round_opening,
    rounds,
    approvals,
    decisions,
    reports,
    awards,
    clocks,
    readiness,
    tasks,
    approver_keys,
    instruments,
    officials,
    stock,
    tenders,
    bids,
    carries,
):
    router.include_router(_part.router)
