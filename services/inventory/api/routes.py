"""All routes of the API, in the order in which they are tried."""

from fastapi import APIRouter

from services.inventory.api import deliveries, differences, dispatch, draws, holds, lots, moves, products, releases, rights
from shared.terms.countersigning_api import proposals_router
from shared.terms.erasing_api import texts_router

# One flat list, releases first: routes are tried in order, and draws are what comes by the thousand.
_PARTS = (
    releases.router,
    releases.bulk_router,
    draws.router,
    dispatch.router,
    lots.router,
    products.router,
    rights.router,
    deliveries.router,
    holds.router,
    moves.router,
    differences.router,
    proposals_router(),
    texts_router(),
)
router = APIRouter(routes=[route for part in _PARTS for route in part.routes])
