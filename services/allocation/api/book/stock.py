"""Stock as allocation knows it from inventory: what a round may offer."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlmodel import col, select

from services.allocation.api.fields import READERS
from services.allocation.api.lookups import available_units, find_surroundings
from services.allocation.tables.supply import StockRow
from shared.clock import day_of
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading

router = APIRouter(prefix="/v1/stock", tags=["stock"])


class UnitsView(BaseModel):
    unit_g: int
    units: int


class StockView(BaseModel):
    """Grams are nominal. Lots that are expired or on hold are still counted: inventory has the last word."""

    product: str
    unit_g: int
    available_g: int  # in lots
    lots: list[UnitsView]
    rights_g: int  # firm, and not reserved
    protected_g: int  # of lots
    free_g: int  # the most that a round may offer


@router.get("")
async def list_stock(caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> list[StockView]:
    today = day_of(reads.kernel.clock.now(), reads.kernel.settings.zone)
    views = []
    async with reads.session() as session:
        for row in (await session.exec(select(StockRow).order_by(col(StockRow.product)))).all():
            around = await find_surroundings(session, row.product, [], None, today)
            lots = await available_units(session, row.product)
            views.append(
                StockView(
                    product=row.product,
                    unit_g=row.nominal_unit_g,
                    available_g=around.lots_g,
                    lots=[UnitsView(unit_g=unit_g, units=units) for unit_g, units in sorted(lots.items(), reverse=True)],
                    rights_g=around.rights_g,
                    protected_g=around.protected_g,
                    free_g=around.free_g,
                )
            )
    return views
