"""Partners: registered by an administrator; each sees itself, and its keys."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlmodel import select

from services.allocation.api.fields import READERS, PartnerField, PartnerPath, limited_to
from services.allocation.domain.partners.partner import RegisterPartner
from services.allocation.events import PartnerCode, PartnerRegistered
from services.allocation.tables.partners import PartnerKeyRow, PartnerRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/partners", tags=["partners"])


class PartnerBody(Body):
    partner: PartnerField
    name: Text


class PartnerView(BaseModel):
    partner: str
    name: str


class PartnerKeyView(BaseModel):
    """`agreement`: that names its fingerprint; none: another key of the partner has signed for it."""

    key: str
    public_key: str
    agreement: str | None
    registered_on: date
    revoked_on: date | None


class PartnerDetail(PartnerView):
    """`keys`: its own, of which one signs each of its draws, requests and objections, once there has ever been one."""

    keys: list[PartnerKeyView]


def _view(row: PartnerRow) -> PartnerView:
    return PartnerView(partner=row.partner, name=row.name)


@router.post("", status_code=201)
async def register_partner(body: PartnerBody, caller: Annotated[Caller, allow("administrator")], post: Posting) -> PartnerView:
    command = RegisterPartner(partner=PartnerCode(body.partner), name=body.name)
    event = (await post.submit(f"partner/{body.partner}", command)).event(PartnerRegistered)
    return PartnerView(partner=event.partner, name=event.name)


@router.get("")
async def list_partners(caller: Annotated[Caller, allow(*READERS, "partner")], pages: Paging) -> Page[PartnerView]:
    return await pages.of(select(PartnerRow), PartnerRow.partner, _view, only={PartnerRow.partner: limited_to(caller)})


@router.get("/{partner}")
async def show_partner(
    partner: PartnerPath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading, response: Response
) -> PartnerDetail:
    async with reads.session() as session:
        row = await session.get(PartnerRow, partner)
        own = select(PartnerKeyRow).where(PartnerKeyRow.partner == partner).order_by(PartnerKeyRow.id)
        keys = [PartnerKeyView.model_validate(key, from_attributes=True) for key in await session.exec(own)]
    if row is None or limited_to(caller) not in (None, partner):
        raise Problem("partner_not_found", f"there is no partner {partner}", field="path:partner")
    reads.etag(response, caller, f"partner/{partner}", row.version)
    return PartnerDetail(partner=row.partner, name=row.name, keys=keys)
