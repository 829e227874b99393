"""The HTTP API of inventory, a file a resource."""

from fastapi import APIRouter

from services.inventory.api import draws, holds, lots, products, releases, rights

# One flat list, releases first: routes are tried in order, and draws are what comes by the thousand.
router = APIRouter(routes=[route for part in (releases, draws, lots, products, rights, holds) for route in part.router.routes])
