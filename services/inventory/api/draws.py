"""Draws: goods that are the partner's and still here, until they are weighed and leave, or come back. A partner sees its own."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlmodel import col, select

from services.inventory.api.fields import READERS, DrawPath, Name, ProductField, ReleaseField, draws_for, limited_to
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.dispatch import (
    DeliverDraw,
    ReturnDraw,
)
from services.inventory.events import DrawDelivered, DrawId, RightAssigned, StockDrawn
from services.inventory.tables import AssignmentRow, DrawRow, DrawStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.journal.places import Histories
from shared.journal.record import Fact
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/draws", tags=["draws"])


class DrawDeliveryBody(Body):
    """The consignee's receipt."""

    delivered_on: Day
    received_by: Name  # the office that signed, never a person's name
    evidence: Text  # what shows it: "CMR 4711"
    dated_because: Dated | None = Field(default=None, description="needed where `delivered_on` is not today: why it is recorded later")


class ParcelView(BaseModel):
    lot: str
    depot: str
    nominal_unit_g: int
    units: int
    mass_g: int


class AssignmentView(BaseModel):
    right: str
    project: str
    mass_g: int


class GateView(BaseModel):
    gate: str
    evidence: str
    by: str
    until: date | None


class DrawView(BaseModel):
    """`place` is where the journal has it: its receipt proves this event."""

    draw: str
    product: str
    release: str
    partner: str
    status: DrawStatus
    mass_g: int  # of goods
    assigned_g: int  # of rights
    parcels: list[ParcelView]
    drawn_on: date
    place: str


class CorrectionView(BaseModel):
    carrier: str | None
    reference: str | None
    reason: str
    corrected_by: str
    corrected_on: date


class DrawDetail(DrawView):
    assignments: list[AssignmentView]
    weighed_g: int | None
    carrier: str | None
    consignee: str | None
    reference: str | None  # of the seal, or the waybill
    corrections: list[CorrectionView]
    gates: list[GateView]
    reason: str | None  # why it came back
    delivered_on: date | None
    received_by: str | None
    receipt: str | None  # what shows the delivery


class DrawnView(DrawView):
    """A draw as it was just made."""

    assignments: list[AssignmentView]
    remaining_g: int  # of the release


class DeliveryView(BaseModel):
    draw: str
    product: str
    status: DrawStatus
    consignee: str
    mass_g: int
    delivered_on: date
    received_by: str
    receipt: str


def view_drawn(facts: Sequence[Fact]) -> DrawnView:
    """A draw from its own events: goods, assignments, or goods and then assignments."""
    first = facts[0].event
    goods = first if isinstance(first, StockDrawn) else None
    assigned = [fact.event for fact in facts if isinstance(fact.event, RightAssigned)]
    return DrawnView(
        draw=first.draw,
        product=first.product,
        release=first.release,
        partner=first.partner,
        status=DrawStatus.DRAWN if goods is not None else DrawStatus.ASSIGNED,
        mass_g=goods.mass_g if goods is not None else 0,
        assigned_g=sum(each.mass_g for each in assigned),
        parcels=[ParcelView.model_validate(parcel, from_attributes=True) for parcel in (goods.parcels if goods is not None else ())],
        drawn_on=date.fromisoformat(facts[0].record.effective_on),
        place=facts[0].place,
        assignments=[AssignmentView(right=each.right, project=each.project, mass_g=each.mass_g) for each in assigned],
        remaining_g=facts[-1].event.remaining_g,
    )


def _view(histories: Histories, row: DrawRow) -> DrawView:
    return DrawView.model_validate(row.model_dump() | {"place": place_of(histories, row)})


def place_of(histories: Histories, row: DrawRow) -> str:
    return str(histories.place("inventory", row.shard, row.position))


@router.get("")
async def list_draws(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    release: Annotated[ReleaseField | None, Query()] = None,
    status: Annotated[DrawStatus | None, Query()] = None,
) -> Page[DrawView]:
    view = partial(_view, pages.kernel.journal.histories)
    only = {DrawRow.partner: limited_to(caller), DrawRow.product: product, DrawRow.release: release, DrawRow.status: status}
    return await pages.of(select(DrawRow), DrawRow.draw, view, only=only)


@router.get("/{draw}")
async def show_draw(
    draw: DrawPath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading, response: Response
) -> DrawDetail:
    async with reads.session() as session:
        row = await session.get(DrawRow, draw)
        if row is None or limited_to(caller) not in (None, row.partner):
            raise not_found("draw", draw)
        assigned = select(AssignmentRow).where(AssignmentRow.draw == draw).order_by(col(AssignmentRow.right), col(AssignmentRow.source))
        assignments = (await session.exec(assigned)).all()
        reads.etag(response, caller, stream_of(row.product), await version_of(session, row.product))
    place = place_of(reads.kernel.journal.histories, row)
    told = {"place": place, "assignments": [each.model_dump() for each in assignments], "corrections": row.corrections or []}
    return DrawDetail.model_validate(row.model_dump() | told)


@router.post("/{draw}/delivery")
async def deliver_draw(
    draw: DrawPath,
    body: DrawDeliveryBody,
    caller: Annotated[Caller, allow("operator", "partner", on_duty=True)],
    post: Posting,
    reads: Reading,
) -> DeliveryView:
    """The consignee has signed for the goods. A partner reports it for its draws, an operator for any."""
    partner = draws_for(caller)
    async with reads.session() as session:
        row = await session.get(DrawRow, draw)
    if row is None or partner not in (None, row.partner):
        raise not_found("draw", draw)
    command = DeliverDraw(
        draw=DrawId(draw),
        partner=partner,
        delivered_on=body.delivered_on,
        received_by=post.text(body.received_by),
        evidence=post.text(body.evidence),
        drawn_on=row.drawn_on,
        dated_because=body.dated_because,
        on=post.today,
    )
    event = (await post.submit(stream_of(row.product), command, effective_on=body.delivered_on)).event(DrawDelivered)
    return DeliveryView(
        draw=draw,
        product=event.product,
        status=DrawStatus.DELIVERED,
        consignee=event.consignee,
        mass_g=event.mass_g,
        delivered_on=event.delivered_on,
        received_by=event.received_by,
        receipt=event.evidence,
    )


@router.post("/{draw}/return", status_code=202)
async def return_draw(
    draw: DrawPath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, goods that have not left are stock again; their release stays drawn."""
    command = ReturnDraw(draw=DrawId(draw), reason=post.text(body.reason))
    return await propose(post, CONTROLS, await stockpile_of(reads, "draw", draw), command)
