"""Stock: what is there of each product, by lot; and one lot."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from services.console.asking import ROWS
from services.console.pages.requests import Cursor, Id
from services.console.spreadsheet import spreadsheet
from services.console.visit import Visiting

Product = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

LOTS = (
    *("lot", "product", "depot", "status", "taken_in_units", "units", "nominal_unit_g", "mass_g", "origin", "custody_model"),
    *("expires_on", "right", "taken_in_on"),
)

router = APIRouter()


@router.get("/stock")
async def list_products(visit: Visiting, cursor: Cursor = None) -> Response:
    found = await visit.reader.get("inventory", "/v1/products", cursor=cursor, limit=ROWS)
    return visit.page("stock.html", products=found)


@router.get("/stock/lots.csv")
async def lots_file(visit: Visiting) -> Response:
    return await spreadsheet(visit, "inventory", "/v1/lots", LOTS)


@router.get("/stock/{product}")
async def show_product(visit: Visiting, product: Product, cursor: Cursor = None) -> Response:
    get = visit.reader.get
    found, lots, holds = await asyncio.gather(
        get("inventory", f"/v1/products/{product}"),
        get("inventory", "/v1/lots", product=product, cursor=cursor, limit=ROWS),
        get("inventory", "/v1/holds", product=product, active="true", limit=ROWS),
    )
    return visit.page("product.html", found, product=found.data, lots=lots, holds=holds)


@router.get("/lots/{lot}")
async def show_lot(visit: Visiting, lot: Id) -> Response:
    found = await visit.reader.get("inventory", f"/v1/lots/{lot}")
    if found.problem is not None:
        return visit.page("lot.html", found)
    holds = await visit.reader.get("inventory", "/v1/holds", product=found.data["product"], active="true", limit=ROWS)
    return visit.page("lot.html", found, lot=found.data, holds=holds)
