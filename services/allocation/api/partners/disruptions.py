"""Disruptions: an operator proposes to declare, revise or end one, and another person signs it. A partner sees those that hit it."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlmodel import col, select

from services.allocation.api.fields import READERS, DisruptionPath, PartnerField, ProductField, Texts, limited_to
from services.allocation.api.lookups import require_partners, require_products
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.partners.disruption import DeclareDisruption, EndDisruption, ReviseDisruption
from services.allocation.events import DisruptionId, PartnerCode, ProductId
from services.allocation.tables.partners import DisruptionRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.journal.postgres import read_version
from shared.terms.countersigning_api import ProposalView, propose

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


def _view(row: DisruptionRow) -> DisruptionView:
    return DisruptionView.model_validate(row, from_attributes=True)


@router.post("", status_code=202)
async def declare_disruption(
    body: DisruptionBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """It counts once another person has signed it."""
    async with reads.session() as session:
        await require_products(session, body.products, "/products")
        await require_partners(session, body.partners, "/partners")
    disruption = DisruptionId(post.new_id("dis"))
    command = DeclareDisruption(
        disruption=disruption,
        instrument=body.instrument,
        products=tuple(ProductId(product) for product in body.products),
        declared_scope=post.text(body.declared_scope),
        observed_scope=post.text(body.observed_scope),
        partners=tuple(PartnerCode(partner) for partner in body.partners),
        starts_on=body.starts_on,
        evidence=post.texts(body.evidence),
    )
    return await propose(post, CONTROLS, f"disruption/{disruption}", command)


@router.post("/{disruption}/revise", status_code=202)
async def revise_disruption(
    disruption: DisruptionPath,
    body: RevisionBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    async with reads.session() as session:
        await require_partners(session, body.partners, "/partners")
    command = ReviseDisruption(
        declared_scope=post.text(body.declared_scope),
        observed_scope=post.text(body.observed_scope),
        partners=tuple(PartnerCode(partner) for partner in body.partners),
        starts_on=body.starts_on,
        evidence=post.texts(body.evidence),
        reason=post.text(body.reason),
    )
    return await propose(post, CONTROLS, f"disruption/{disruption}", command)


@router.post("/{disruption}/end", status_code=202)
async def end_disruption(
    disruption: DisruptionPath, body: EndBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    return await propose(post, CONTROLS, f"disruption/{disruption}", EndDisruption(ends_on=body.ends_on, reason=post.text(body.reason)))


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
    async with reads.kernel.pool.acquire() as connection:  # what waits for a signature changes the stream, too, and no terms
        reads.etag(response, caller, f"disruption/{disruption}", await read_version(connection, f"disruption/{disruption}"))
    return _view(row)
