"""Consignees: who goods may go to, as the lists in force have them, and the partners' wishes that an award may go to another."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, ConsigneeField, limited_to, own_partner
from services.allocation.background.party_screening import consignee_of, lists_in_force, screen_consignee, versions
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.screening.consignee import ApproveChange, AskForConsignee, DecideConsigneeHit, RefuseChange
from services.allocation.events import AwardId, ChangeId, ConsigneeChangeAsked, HitId, PartnerCode, ProductId, SubjectId
from services.allocation.tables.book import AwardRow
from services.allocation.tables.screening import ChangeStatus, ConsigneeChangeRow, ConsigneeRow
from services.allocation.tables.tenders import TenderAwardRow
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1", tags=["screening"])

ConsigneePath = Annotated[str, Path(pattern=f"^cns_{TYPEID}$")]
ChangePath = Annotated[str, Path(pattern=f"^chg_{TYPEID}$")]
HitPath = Annotated[str, Path(pattern=f"^hit_{TYPEID}$")]
AwardField = Annotated[str, StringConstraints(pattern=f"^awd_{TYPEID}$")]


class ChangeBody(Body):
    """`consignee`: by the name that the papers of carriage will have, to the letter."""

    award: AwardField
    consignee: ConsigneeField
    reason: Text


class ConsigneeView(BaseModel):
    """`clear`: as of these lists, goods may go to it. `hits`: what its name is like on them."""

    consignee: str
    name: str
    lists: dict[str, int]
    hits: list[dict[str, Any]]
    beyond: int
    clear: bool
    screened_on: date


class ConsigneeChangeView(BaseModel):
    change: str
    award: str
    request: str
    product: str
    partner: str
    consignee: str
    name: str
    reason: str
    asked_on: date
    status: ChangeStatus
    answer: str | None
    answered_on: date | None


class ConsigneeHitChange(BaseModel):
    consignee: str
    hit: str
    status: Literal["confirmed"]
    clear: bool


@router.get("/consignees")
async def list_consignees(
    caller: Annotated[Caller, allow(*READERS)],
    pages: Paging,
    clear: Annotated[bool | None, Query()] = None,
    name: Annotated[str | None, Query(max_length=500)] = None,
) -> Page[ConsigneeView]:
    only = {ConsigneeRow.clear: clear, ConsigneeRow.name: name}
    return await pages.of(select(ConsigneeRow), ConsigneeRow.consignee, same_fields(ConsigneeView), only=only)


@router.post("/consignees/{consignee}/hits/{hit}/clear", status_code=202)
async def clear_consignee_hit(
    consignee: ConsigneePath, hit: HitPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """The consignee is another than the one on the list: once another person has signed that it is."""
    command = DecideConsigneeHit(hit=HitId(hit), outcome="cleared", reason=post.text(body.reason), by=SubjectId(caller.subject))
    return await propose(post, CONTROLS, f"consignee/{consignee}", command)


@router.post("/consignees/{consignee}/hits/{hit}/confirm")
async def confirm_consignee_hit(
    consignee: ConsigneePath, hit: HitPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ConsigneeHitChange:
    """The consignee is the one on the list: nothing is dispatched to it, for 72 hours; as long as it is on it, if a second person confirms
    it, too."""
    command = DecideConsigneeHit(
        hit=HitId(hit),
        outcome="confirmed",
        reason=post.text(body.reason),
        by=SubjectId(caller.subject),
        alone=await by_one_caller(reads, caller, post.now),
    )
    await post.submit(f"consignee/{consignee}", command)
    return ConsigneeHitChange(consignee=consignee, hit=hit, status="confirmed", clear=False)


@router.post("/consignee-changes", status_code=201)
async def ask_for_consignee(
    body: ChangeBody, caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> ConsigneeChangeView:
    """What was awarded may go to this consignee too, once an approver has said so. It is looked up in the lists in force at once."""
    partner = own_partner(caller)
    async with reads.session() as session:
        request, product = await _awarded(session, body.award, partner)
        lists = await lists_in_force(session)
    await screen_consignee(post.kernel, body.consignee, lists)
    consignee = consignee_of(body.consignee)
    command = AskForConsignee(
        change=ChangeId(post.new_id("chg")),
        award=AwardId(body.award),
        request=request,
        product=ProductId(product),
        partner=partner,
        consignee=consignee,
        name=body.consignee,
        reason=post.text(body.reason),
        by=SubjectId(caller.subject),
    )
    accepted = await post.submit(f"consignee/{consignee}", command)
    return ConsigneeChangeView(
        change=accepted.event(ConsigneeChangeAsked).change,
        award=body.award,
        request=request,
        product=product,
        partner=partner,
        consignee=consignee,
        name=body.consignee,
        reason=body.reason,
        asked_on=post.today,
        status=ChangeStatus.ASKED,
        answer=None,
        answered_on=None,
    )


async def _awarded(session: AsyncSession, award: str, partner: PartnerCode) -> tuple[str, str]:
    """(request or bid, product). Raises Problem `award_not_found`, also for another partner's."""
    if (row := await session.get(AwardRow, award)) is not None and row.partner == partner:
        return row.request, row.product
    if (sold := await session.get(TenderAwardRow, award)) is not None and sold.partner == partner:
        return sold.bid, sold.product
    raise Problem("award_not_found", f"there is no award {award}", field="/award")


@router.get("/consignee-changes")
async def list_consignee_changes(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    status: Annotated[ChangeStatus | None, Query()] = None,
    award: Annotated[AwardField | None, Query()] = None,
) -> Page[ConsigneeChangeView]:
    only = {ConsigneeChangeRow.partner: limited_to(caller), ConsigneeChangeRow.status: status, ConsigneeChangeRow.award: award}
    return await pages.of(select(ConsigneeChangeRow), ConsigneeChangeRow.change, same_fields(ConsigneeChangeView), only=only)


@router.get("/consignee-changes/{change}")
async def show_consignee_change(
    change: ChangePath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading
) -> ConsigneeChangeView:
    async with reads.session() as session:
        return ConsigneeChangeView.model_validate(await _change(session, change, limited_to(caller)), from_attributes=True)


@router.post("/consignee-changes/{change}/approve")
async def approve_consignee_change(
    change: ChangePath, body: ReasonBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> ConsigneeChangeView:
    """By an approver, who will not dispatch to it. No list in force has its name, or a person has cleared it."""
    async with reads.session() as session:
        row = await _change(session, change, None)
        lists = await lists_in_force(session)
    await screen_consignee(post.kernel, row.name, lists)
    command = ApproveChange(
        change=ChangeId(change),
        lists=versions(lists),
        reason=post.text(body.reason),
        by=SubjectId(caller.subject),
        accounts=await accounts_of_caller(reads, caller),
    )
    await post.submit(f"consignee/{row.consignee}", command)
    return _answered(row, ChangeStatus.APPROVED, body, post)


@router.post("/consignee-changes/{change}/refuse")
async def refuse_consignee_change(
    change: ChangePath, body: ReasonBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> ConsigneeChangeView:
    async with reads.session() as session:
        row = await _change(session, change, None)
    command = RefuseChange(change=ChangeId(change), reason=post.text(body.reason), by=SubjectId(caller.subject))
    await post.submit(f"consignee/{row.consignee}", command)
    return _answered(row, ChangeStatus.REFUSED, body, post)


async def _change(session: AsyncSession, change: str, partner: PartnerCode | None) -> ConsigneeChangeRow:
    row = await session.get(ConsigneeChangeRow, change)
    if row is None or partner not in (None, row.partner):
        raise Problem("consignee_change_not_found", f"there is no change {change}", field="path:change")
    return row


def _answered(row: ConsigneeChangeRow, status: ChangeStatus, body: ReasonBody, post: Posting) -> ConsigneeChangeView:
    said = {"status": status, "answer": body.reason, "answered_on": post.today}
    return ConsigneeChangeView.model_validate(row.model_dump() | said)
