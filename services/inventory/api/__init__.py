"""The HTTP API of inventory, a file a resource."""

from fastapi import APIRouter

from services.inventory.api import draws, holds, lots, products, releases, rights

router = APIRouter()
for _part in (products, lots, rights, holds, releases, draws):
    router.include_router(_part.router)
