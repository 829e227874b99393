"""Rights: claims on projects' future production, and what is delivered under them."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlmodel import select

from services.inventory.api.fields import READERS, DrawField, Name, ProductField, RightPath
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.api.lots import LotDeliveryBody
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.deliveries import DeliverAssignment, PostponeDelivery
from services.inventory.domain.rights import AddRight, MatureRight
from services.inventory.events import DrawId, RightId, RightKind
from services.inventory.tables import OwedRow, RightRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams, Text
from shared.http.handlers import Page, Paging, Posting, Reading, etag, same_fields
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/rights", tags=["rights"])


class RightBody(Body):
    product: ProductField
    project: Name
    kind: RightKind
    mass_g: PositiveGrams
    window_from: Day
    window_to: Day


class MaturityBody(Body):
    """A delivery. `settled_g` of the claim ends with it; without it, all that is left of the claim."""

    settled_g: PositiveGrams | None = None
    delivery: LotDeliveryBody


class AssignedDeliveryBody(Body):
    """Of what was assigned to a partner: the project has delivered it."""

    draw: DrawField
    mass_g: PositiveGrams
    delivered_on: Day
    evidence: Text  # what shows it: "CMR 4711"


class PostponementBody(Body):
    window_to: Day  # the new last day
    cause: Literal["force_majeure", "agreed"]
    evidence: Text  # the project's notice, or the partners' word


class OwedView(BaseModel):
    """What a project owes a partner of a right that was assigned to it. `failed_g`: what had not come when the window passed."""

    draw: str
    right: str
    product: str
    project: str
    partner: str
    mass_g: int
    remaining_g: int  # neither delivered nor failed
    failed_g: int
    window_to: date | None


class AssignedDeliveryView(BaseModel):
    draw: str
    right: str
    partner: str
    mass_g: int
    remaining_g: int


class RightView(BaseModel):
    right: str
    product: str
    project: str
    kind: RightKind
    mass_g: int
    remaining_g: int
    window_from: date
    window_to: date


def _view(row: RightRow) -> RightView:
    return RightView.model_validate(row.model_dump())


@router.post("", status_code=202)
async def add_right(body: RightBody, caller: Annotated[Caller, allow("operator")], post: Posting) -> ProposalView:
    command = AddRight(
        right=RightId(post.new_id("rgt")),
        project=body.project,
        kind=body.kind,
        mass_g=body.mass_g,
        window_from=body.window_from,
        window_to=body.window_to,
        on=post.today,
    )
    return await propose(post, CONTROLS, stream_of(body.product), command)


@router.get("")
async def list_rights(
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, product: Annotated[ProductField | None, Query()] = None
) -> Page[RightView]:
    return await pages.of(select(RightRow), RightRow.right, _view, only={RightRow.product: product})


@router.get("/{right}")
async def show_right(right: RightPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> RightView:
    async with reads.session() as session:
        row = await session.get(RightRow, right)
        if row is None:
            raise not_found("right", right)
        etag(response, await version_of(session, row.product))
    return _view(row)


@router.post("/{right}/maturity", status_code=202)
async def mature_right(
    right: RightPath,
    body: MaturityBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, what was delivered becomes a lot."""
    delivery = body.delivery.command(post.new_id("lot"), post.today)
    command = MatureRight(right=RightId(right), settled_g=body.settled_g, delivery=delivery)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.get("/{right}/owed")
async def list_owed(right: RightPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[OwedView]:
    return await pages.of(select(OwedRow), OwedRow.id, same_fields(OwedView), only={OwedRow.right: right})


@router.post("/{right}/deliveries", status_code=201)
async def deliver_assignment(
    right: RightPath, body: AssignedDeliveryBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> AssignedDeliveryView:
    """In part or whole. What is still owed when the window has passed is failed: its partner's quota and carry are given back."""
    command = DeliverAssignment(
        draw=DrawId(body.draw),
        right=RightId(right),
        partner=None,
        mass_g=body.mass_g,
        delivered_on=body.delivered_on,
        evidence=post.text(body.evidence),
        on=post.today,
    )
    accepted = await post.submit(await stockpile_of(reads, "right", right), command)
    event = accepted.facts[0].event
    return AssignedDeliveryView(draw=event.draw, right=right, partner=event.partner, mass_g=event.mass_g, remaining_g=event.remaining_g)


@router.post("/{right}/postpone", status_code=202)
async def postpone_delivery(
    right: RightPath, body: PostponementBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """By force majeure, or as agreed. Signed, nothing that is owed under the right is failed until the new day has passed."""
    command = PostponeDelivery(
        right=RightId(right), window_to=body.window_to, cause=body.cause, evidence=post.text(body.evidence), on=post.today
    )
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)
