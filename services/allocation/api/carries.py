"""Carries: what rounding to whole units gave a partner too little, or too much. A partner sees its own."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlmodel import col, select

from services.allocation.api.fields import READERS, ProductField, sight_of
from services.allocation.tables import CarryRow
from shared.auth import Caller, allow
from shared.http import Cursor, Limit, Page, Reading, page

router = APIRouter(prefix="/v1/carries", tags=["carries"])


class CarryView(BaseModel):
    """Settled first by the next round of the product under this agreement. It confers no right."""

    product: str
    agreement: str
    partner: str
    carry_g: str  # a rational: what is owed, or below 0 what was given too much; never more than one unit
    expires_on: date | None  # the last day on which it counts
    cause: str  # the round that left it
    since: date


@router.get("")
async def list_carries(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    request: Request,
    response: Response,
    product: Annotated[ProductField | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[CarryView]:
    query = select(CarryRow)
    if (partner := sight_of(caller).partner) is not None:
        query = query.where(CarryRow.partner == partner)
    if product is not None:
        query = query.where(CarryRow.product == product)
    async with reads.session() as session:
        return await page(
            session,
            query,
            key=col(CarryRow.id),
            view=lambda row: CarryView.model_validate(row, from_attributes=True),
            cursor=cursor,
            limit=limit,
            request=request,
            response=response,
        )
