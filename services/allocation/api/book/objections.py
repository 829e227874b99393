"""Objections: a partner does not agree with what was accepted of its request; an operator answers. Rounds go on meanwhile."""

from collections.abc import Collection
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, StrictBool
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import concerns_of_requests
from services.allocation.api.fields import READERS, RequestField, RequestPath, Texts, limited_to, own_partner
from services.allocation.api.lookups import among, find_request, involved_in
from services.allocation.api.partners.signing import SALT, SIGNATURE, SaltField, committed, signed_objection
from services.allocation.background.party_screening import lists_in_force, versions
from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.events import ObjectionId, ObjectionRaised, RequestId, SubjectId
from services.allocation.tables.book import RequestRow
from services.allocation.tables.screening import ObjectionRow, ObjectionStatus
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body, PositiveGrams
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.terms.acting_api import barred
from shared.terms.signing_api import SignatureField

router = APIRouter(tags=["screening"])

ObjectionPath = Annotated[str, Path(pattern=f"^obj_{TYPEID}$")]


class ObjectionBody(Body):
    reasons: Texts
    signature: SignatureField | None = SIGNATURE
    salt: SaltField | None = SALT


class AnswerBody(Body):
    upheld: StrictBool
    accepted_g: PositiveGrams | None = None  # what is accepted instead; only of an upheld one that no round has decided on yet
    reasons: Texts


class ObjectionView(BaseModel):
    objection: str
    request: str
    product: str
    partner: str
    accepted_g: int  # what it objects to
    reasons: list[str]
    raised_on: date
    status: ObjectionStatus
    answer: list[str] | None  # its reasons
    answered_by: str | None
    answered_on: date | None


class ObjectionChange(BaseModel):
    objection: str
    request: str
    status: ObjectionStatus


@router.post("/v1/requests/{request}/objections", status_code=201)
async def raise_objection(
    request: RequestPath, body: ObjectionBody, caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> ObjectionChange:
    """To the last acceptance, until its day for objections has passed."""
    partner = own_partner(caller)
    async with reads.session() as session:
        row = await find_request(session, request, partner)
    command = RaiseObjection(
        objection=ObjectionId(post.new_id("obj")),
        request=RequestId(request),
        reasons=tuple(committed(post, body.salt, f"{request}.reasons.{number}", each) for number, each in enumerate(body.reasons)),
        by=SubjectId(caller.subject),
        on=post.today,
    )
    accepted = await post.submit(f"book/{row.product}", await signed_objection(reads, post, body, partner, command))
    return ObjectionChange(objection=accepted.event(ObjectionRaised).objection, request=request, status=ObjectionStatus.OPEN)


@router.post("/v1/objections/{objection}/answer")
async def answer_objection(
    objection: ObjectionPath, body: AnswerBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ObjectionChange:
    """By somebody who has neither accepted or screened its request nor had a part in its round. Upheld after a decision, it is a task until
    that is superseded."""
    async with reads.session() as session:
        row = await session.get(ObjectionRow, objection)
        lists = versions(await lists_in_force(session))
        if row is None:
            raise _no_objection(objection)
        request = await session.get(RequestRow, row.request)
        matters = [row.request] if request is None or request.round is None else [row.request, request.round]
        involved = await involved_in(session, matters, caller.subject)
    command = AnswerObjection(
        objection=ObjectionId(objection),
        upheld=body.upheld,
        accepted_g=body.accepted_g,
        reasons=post.texts(body.reasons),
        by=SubjectId(caller.subject),
        involved=involved,
        lists=lists,
        on=post.today,
    )
    about = (row.product, [row.request])
    bar = await barred(reads, caller.subject, lambda session: concerns_of_requests(session, *about))
    await post.submit(f"book/{row.product}", bar or command)
    status = ObjectionStatus.UPHELD if body.upheld else ObjectionStatus.NOT_UPHELD
    return ObjectionChange(objection=objection, request=row.request, status=status)


@router.get("/v1/objections")
async def list_objections(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    status: Annotated[ObjectionStatus | None, Query()] = None,
    to: Annotated[RequestField | None, Query(description="a request")] = None,
) -> Page[ObjectionView]:
    return await pages.of(
        select(ObjectionRow),
        ObjectionRow.objection,
        view_objection,
        only={ObjectionRow.partner: limited_to(caller), ObjectionRow.status: status, ObjectionRow.request: to},
    )


@router.get("/v1/objections/{objection}")
async def show_objection(objection: ObjectionPath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading) -> ObjectionView:
    async with reads.session() as session:
        row = await session.get(ObjectionRow, objection)
    if row is None or limited_to(caller) not in (None, row.partner):
        raise _no_objection(objection)
    return view_objection(row)


async def open_objections(session: AsyncSession, requests: Collection[str]) -> list[str]:
    """Those that have no answer yet."""
    query = select(ObjectionRow.objection).where(among(ObjectionRow.request, requests), ObjectionRow.status == ObjectionStatus.OPEN.value)
    return sorted((await session.exec(query)).all())


def view_objection(row: ObjectionRow) -> ObjectionView:
    return ObjectionView.model_validate(row, from_attributes=True)


def _no_objection(objection: str) -> Problem:
    return Problem("objection_not_found", f"there is no objection {objection}", field="path:objection")
