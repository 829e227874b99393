"""Carries: what rounding to whole units gave a partner too little, or too much. Not for the partner: its carry is made of what all
have claimed, and with its award tells the rule's parameter."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel import select

from services.allocation.api.fields import READERS, ProductField
from services.allocation.tables.book import CarryRow
from shared.http.auth import Caller, allow
from shared.http.handlers import Page, Paging, same_fields

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
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, product: Annotated[ProductField | None, Query()] = None
) -> Page[CarryView]:
    return await pages.of(select(CarryRow), CarryRow.id, same_fields(CarryView), only={CarryRow.product: product})
