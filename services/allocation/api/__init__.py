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
    requests,
    rounds,
    stock,
)

router = APIRouter()
for _part in (partners, agreements, disruptions, requests, rounds, decisions, awards, approver_keys, stock, instruments, officials):
    router.include_router(_part.router)
