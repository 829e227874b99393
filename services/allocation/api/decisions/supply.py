"""The stock of a product, lot by lot, as a round's supply is worked out from it."""

from datetime import date
from typing import Literal, cast

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import available_units
from services.allocation.domain.decisions.eligibility import Lot, Right, Stock, Stop
from services.allocation.tables.supply import LotRow, RightRow, StockRow, StopRow


async def find_stock(session: AsyncSession, product: str, on: date) -> Stock | None:
    """None: inventory has told of no such product yet."""
    if (stock := await session.get(StockRow, product)) is None:
        return None
    lots = select(LotRow).where(LotRow.product == product, LotRow.units > LotRow.pinned_units, col(LotRow.in_specification))
    rights = select(RightRow).where(
        RightRow.product == product, RightRow.kind == "firm_offtake", RightRow.window_to >= on, RightRow.mass_g > 0
    )
    stops = await session.exec(select(StopRow).where(StopRow.product == product))
    return Stock(
        nominal_unit_g=stock.nominal_unit_g,
        lots=[
            Lot(
                lot=row.lot,
                depot=row.depot,
                unit_g=row.unit_g,
                units=row.units - row.pinned_units,
                origin=row.origin,
                contents=row.contents,
                expires_on=row.expires_on,
            )
            for row in await session.exec(lots.order_by(col(LotRow.lot)))
        ],
        rights=[
            Right(right=row.right, mass_g=row.mass_g, window_from=row.window_from, window_to=row.window_to)
            for row in await session.exec(rights.order_by(col(RightRow.right)))
        ],
        stops=[Stop(scope=cast(_Scope, row.scope), target=row.target, expires_on=row.expires_on) for row in stops],
        free_units=await available_units(session, product),
        reserved_rights_g=stock.reserved_rights_g,
        protected_g=stock.protected_g,
    )


type _Scope = Literal["lot", "product", "partner", "depot", "all"]
