"""The HTTP API of allocation, a file a resource."""

from fastapi import APIRouter

from services.allocation.api import agreements, approver_keys, awards, decisions, disruptions, partners, policies, requests, rounds, stock

router = APIRouter()
for _part in (partners, agreements, disruptions, policies, requests, rounds, decisions, awards, approver_keys, stock):
    router.include_router(_part.router)
