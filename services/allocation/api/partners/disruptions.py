"""Disruptions: declared, revised and ended by an operator. A partner sees those that hit it."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlmodel import col, select

from services.allocation.api.fields import READERS, DisruptionPath, PartnerField, ProductField, Texts, limited_to
from services.allocation.api.lookups import require_partners, require_products
from services.allocation.domain.partners.disruption import DeclareDisruption, EndDisruption, ReviseDisruption
from services.allocation.events import DisruptionId, PartnerCode, ProductId
from services.allocation.tables.partners import DisruptionRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading, etag
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/disruptions", tags=["disruptions"])


class Known(Body):
    """What is known of a disruption."""

    declared_scope: Text
    observed_scope: Text
    partners: Annotated[list[PartnerField], Field(max_length=50)] = Field(description="the partners hit")
    starts_on: Day
    evidence: Texts


class DisruptionBody(Known):
    instrument: Text
    products: Annotated[list[ProductField], Field(min_length=1, max_length=50)]


class RevisionBody(Known):
    """What is known now, in full."""

    reason: Text


class EndBody(Body):
    ends_on: Day
    reason: Text


class DisruptionView(BaseModel):
    disruption: str
    instrument: str
    products: list[str]
    declared_scope: str
    observed_scope: str
    partners: list[str]
    starts_on: date
    ends_on: date | None
    evidence: list[str]


class DisruptionChange(BaseModel):
    disruption: str
    products: list[str]
    ends_on: date | None


def _view(row: DisruptionRow) -> DisruptionView:
    return DisruptionView.model_validate(row, from_attributes=True)


@router.post("", status_code=201)
async def declare_disruption(
    body: DisruptionBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> DisruptionView:
    async with reads.session() as session:
        await require_products(session, body.products, "/products")
        await require_partners(session, body.partners, "/partners")
    disruption = DisruptionId(post.new_id("dis"))
    command = DeclareDisruption(
        disruption=disruption,
        instrument=body.instrument,
        products=tuple(ProductId(product) for product in body.products),
        declared_scope=body.declared_scope,
        observed_scope=body.observed_scope,
        partners=tuple(PartnerCode(partner) for partner in body.partners),
        starts_on=body.starts_on,
        evidence=tuple(body.evidence),
    )
    accepted = await post.submit(f"disruption/{disruption}", command)
    return DisruptionView.model_validate(msgspec.to_builtins(accepted.facts[0].event) | {"ends_on": None})


@router.post("/{disruption}/revise")
async def revise_disruption(
    disruption: DisruptionPath,
    body: RevisionBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> DisruptionChange:
    async with reads.session() as session:
        await require_partners(session, body.partners, "/partners")
    command = ReviseDisruption(
        declared_scope=body.declared_scope,
        observed_scope=body.observed_scope,
        partners=tuple(PartnerCode(partner) for partner in body.partners),
        starts_on=body.starts_on,
        evidence=tuple(body.evidence),
        reason=body.reason,
    )
    accepted = await post.submit(f"disruption/{disruption}", command)
    return DisruptionChange(disruption=disruption, products=accepted.facts[0].event.products, ends_on=None)


@router.post("/{disruption}/end")
async def end_disruption(
    disruption: DisruptionPath, body: EndBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> DisruptionChange:
    accepted = await post.submit(f"disruption/{disruption}", EndDisruption(ends_on=body.ends_on, reason=body.reason))
    event = accepted.facts[0].event
    return DisruptionChange(disruption=disruption, products=event.products, ends_on=event.ends_on)


@router.get("")
async def list_disruptions(caller: Annotated[Caller, allow(*READERS, "partner")], pages: Paging) -> Page[DisruptionView]:
    query = select(DisruptionRow)
    if (partner := limited_to(caller)) is not None:
        query = query.where(col(DisruptionRow.partners).contains([partner]))
    return await pages.of(query, DisruptionRow.disruption, _view)


@router.get("/{disruption}")
async def show_disruption(
    disruption: DisruptionPath,
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    response: Response,
) -> DisruptionView:
    async with reads.session() as session:
        row = await session.get(DisruptionRow, disruption)
    if row is None or ((partner := limited_to(caller)) is not None and partner not in row.partners):
        raise Problem("disruption_not_found", f"there is no disruption {disruption}", field="path:disruption")
    etag(response, row.version)
    return _view(row)
