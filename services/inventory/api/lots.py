"""Lots: taken in, assayed, and put right after a stock-take."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlmodel import select

from services.inventory.api.fields import READERS, AssayBody, ChangeUnits, LotPath, Name, PositiveUnits, ProductField, Serial
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.lots import AdjustStock, RecordAssay, TakeInLot
from services.inventory.events import AdjustmentCause, CustodyModel, LotId, Status
from services.inventory.tables import LotRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/lots", tags=["lots"])


class LotDeliveryBody(Body):
    """What comes into a depot."""

    depot: Name
    units: PositiveUnits
    nominal_unit_g: PositiveGrams
    serials: Annotated[tuple[Serial, ...], Field(max_length=1000)] = ()  # one a unit, or none
    origin: Text  # ISO 3166-1 alpha-2; a lot that says it in other words is for nobody who excludes an origin
    custody_model: CustodyModel
    assay: AssayBody
    expires_on: Day | None = None  # the last day on which it may be drawn

    def command(self, lot: str, on: date) -> TakeInLot:
        return TakeInLot(
            lot=LotId(lot),
            depot=self.depot,
            units=self.units,
            nominal_unit_g=self.nominal_unit_g,
            serials=self.serials,
            origin=self.origin,
            custody_model=self.custody_model,
            assay=self.assay.assay(),
            expires_on=self.expires_on,
            on=on,
        )


class LotBody(LotDeliveryBody):
    product: ProductField


class AdjustmentBody(Body):
    change_units: ChangeUnits  # more, or below zero fewer, than the books say
    cause: AdjustmentCause
    reason: Text


class AssayView(BaseModel):
    report: str
    laboratory: str
    assayed_on: date
    contents: dict[str, str]
    in_specification: bool


class LotView(BaseModel):
    lot: str
    product: str
    depot: str
    status: Status
    taken_in_units: int
    units: int  # in stock
    nominal_unit_g: int
    mass_g: int  # in stock
    serials: list[str]
    origin: str
    custody_model: CustodyModel
    assay: AssayView  # the ruling one
    expires_on: date | None
    right: str | None
    taken_in_on: date


def _view(row: LotRow) -> LotView:
    return LotView.model_validate(row.model_dump() | {"mass_g": row.units * row.nominal_unit_g})


@router.post("", status_code=202)
async def take_in_lot(body: LotBody, caller: Annotated[Caller, allow("operator")], post: Posting) -> ProposalView:
    """It is stock once another person has signed that it came."""
    return await propose(post, CONTROLS, stream_of(body.product), body.command(post.new_id("lot"), post.today))


@router.get("")
async def list_lots(
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, product: Annotated[ProductField | None, Query()] = None
) -> Page[LotView]:
    return await pages.of(select(LotRow), LotRow.lot, _view, only={LotRow.product: product})


@router.get("/{lot}")
async def show_lot(lot: LotPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> LotView:
    async with reads.session() as session:
        row = await session.get(LotRow, lot)
        if row is None:
            raise not_found("lot", lot)
        reads.etag(response, caller, stream_of(row.product), await version_of(session, row.product))
    return _view(row)


@router.post("/{lot}/assays", status_code=202)
async def record_assay(
    lot: LotPath,
    body: AssayBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, the report becomes the ruling one: what is still in stock of the lot is available or quarantined by it."""
    command = RecordAssay(lot=LotId(lot), assay=body.assay())
    return await propose(post, CONTROLS, await stockpile_of(reads, "lot", lot), command)


@router.post("/{lot}/adjustments", status_code=202)
async def adjust_stock(
    lot: LotPath,
    body: AdjustmentBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    command = AdjustStock(lot=LotId(lot), change_units=body.change_units, cause=body.cause, reason=post.text(body.reason))
    return await propose(post, CONTROLS, await stockpile_of(reads, "lot", lot), command)
