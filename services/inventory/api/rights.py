"""Rights: claims on projects' future production, and what is delivered under them."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlmodel import select

from services.inventory.api.fields import READERS, Name, ProductField, RightPath
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.api.lots import LotDeliveryBody
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.rights import AddRight, MatureRight
from services.inventory.events import RightId, RightKind
from services.inventory.tables import RightRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams
from shared.http.handlers import Page, Paging, Posting, Reading, etag
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
