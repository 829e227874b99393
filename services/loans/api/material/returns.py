"""Returns of material loans: an operator receives goods and records the assays. A partner sees its own."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import select

from services.loans.api.fields import Code
from services.loans.api.material.fields import (
    AssayBody,
    AssayView,
    MaterialPath,
    Operates,
    Place,
    ReturnPath,
    SeesMaterial,
    Serial,
    Units,
    find_material_loan,
    of_event,
    stream_of,
)
from services.loans.api.material.laboratories import registered_as
from services.loans.domain.controls import CONTROLS
from services.loans.domain.material.returns import AssayReturn, ReceiveReturn, WithdrawReturn
from services.loans.events.material import Assayer, Basis, CustodyModel, ReturnedLot, ReturnId, ReturnReceived
from services.loans.tables.material import MaterialReturnRow
from shared.http.fields import Body, Day, PositiveGrams, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/material-loans", tags=["material loans"])

type ReturnStatus = Literal["received", "split", "settled", "credited", "rejected", "turned_back"]


class ReturnBody(Body):
    """Goods at the return place, with the borrower's own assay."""

    product: Code
    depot: Place
    units: Units
    nominal_unit_g: PositiveGrams
    serials: Annotated[tuple[Serial, ...], Field(max_length=1000)] = ()
    origin: Text
    custody_model: CustodyModel
    assay: AssayBody
    received_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `received_on` is not today: why it is recorded later")


class ReturnAssayBody(AssayBody):
    """`laboratory`: the id of a registered one, which is neither party's."""

    by: Assayer = "independent"


class LotView(BaseModel):
    product: str
    depot: str
    units: int
    nominal_unit_g: int
    serials: list[str]
    origin: str
    custody_model: CustodyModel


class ReceivedView(BaseModel):
    returned: str
    loan: str
    status: ReturnStatus
    element: str
    mass_g: int
    received_on: date
    pending_g: int  # contained, by the borrower's own assay


class MaterialReturnView(BaseModel):
    returned: str
    loan: str
    status: ReturnStatus
    mass_g: int
    received_on: date
    pending_g: int
    lot: LotView
    own_assay: AssayView
    independent: AssayView | None
    umpire: AssayView | None
    content: str | None  # that it is settled at
    basis: Basis | None
    contained_g: int | None
    taken_in_as: str | None
    reason: str | None


@router.post("/{loan}/returns", status_code=201)
async def receive_return(loan: MaterialPath, body: ReturnBody, caller: Operates, post: Posting) -> ReceivedView:
    """Pending until both sides have assayed it and inventory has taken it in; premium is owed up to the day of receipt."""
    lot = ReturnedLot(
        product=body.product,
        depot=body.depot,
        units=body.units,
        nominal_unit_g=body.nominal_unit_g,
        serials=body.serials,
        origin=body.origin,
        custody_model=body.custody_model,
    )
    command = ReceiveReturn(
        returned=ReturnId(post.new_id("mrt")),
        lot=lot,
        own_assay=body.assay.assay(),
        received_on=body.received_on,
        dated_because=body.dated_because,
        on=post.today,
    )
    event = (await post.submit(stream_of(loan), command)).event(ReturnReceived)
    return ReceivedView(
        returned=event.returned,
        loan=event.loan,
        status="received",
        element=event.element,
        mass_g=event.mass_g,
        received_on=event.received_on,
        pending_g=event.pending_g,
    )


@router.post("/{loan}/returns/{returned}/assays", status_code=202)
async def assay_return(
    loan: MaterialPath, returned: ReturnPath, body: ReturnAssayBody, caller: Operates, post: Posting, reads: Reading
) -> ProposalView:
    """The Reserve's independent assay, or the umpire's where the two are too far from each other. Signed, it settles the return."""
    registered = await registered_as(reads, body.laboratory, loan)
    command = AssayReturn(returned=ReturnId(returned), by=body.by, assay=body.assay(), registered=registered, on=post.today)
    return await propose(post, CONTROLS, stream_of(loan), command)


@router.post("/{loan}/returns/{returned}/withdraw", status_code=202)
async def withdraw_return(loan: MaterialPath, returned: ReturnPath, body: ReasonBody, caller: Operates, post: Posting) -> ProposalView:
    """It never came. Signed, it is owed as if nobody had booked it."""
    return await propose(post, CONTROLS, stream_of(loan), WithdrawReturn(returned=ReturnId(returned), reason=post.text(body.reason)))


@router.get("/{loan}/returns")
async def list_returns(loan: MaterialPath, caller: SeesMaterial, pages: Paging) -> Page[MaterialReturnView]:
    async with pages.session() as session:
        await find_material_loan(session, loan, caller)
        return await pages.of(
            select(MaterialReturnRow).where(MaterialReturnRow.loan == loan),
            MaterialReturnRow.returned,
            same_fields(MaterialReturnView),
            session=session,
        )


@router.get("/{loan}/returns/{returned}")
async def show_return(loan: MaterialPath, returned: ReturnPath, caller: SeesMaterial, reads: Reading) -> MaterialReturnView:
    async with reads.session() as session:
        await find_material_loan(session, loan, caller)
        row = await session.get(MaterialReturnRow, returned)
    if row is None or row.loan != loan:
        raise Problem("return_not_found", f"there is no return {returned}", field="path:returned")
    return of_event(MaterialReturnView, row)
