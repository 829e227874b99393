"""Awards: what certified rounds gave, each with the days of cover that it buys. A partner sees its own, a nominee those on its requests."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, AwardPath, ProductField, sight_of
from services.allocation.api.lookups import sees_request
from services.allocation.domain.decisions.renouncing import RenounceAward
from services.allocation.events import AwardId, DecisionHash, PartnerCode, ProductId, RequestId, RoundId
from services.allocation.tables.book import AwardRow, AwardStatus, RequestRow
from services.allocation.tables.decisions import SupersededRoundRow
from shared.http.auth import Caller, allow
from shared.http.fields import ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/awards", tags=["awards"])


class AwardView(BaseModel):
    award: str
    round: str
    request: str
    product: str
    partner: str
    mass_g: int
    daily_consumption_g: int
    days_of_cover: str  # at that consumption, in tenths of days: "12.5"
    decision: str
    expires_on: date  # as decided: where the Reserve has held the release since, inventory says its last day
    status: AwardStatus
    superseded_by: str | None = None  # the round that took the place of the award's: what was not drawn went back
    return_on: date | None  # of a loan: the last day on which it comes back
    failed_g: int  # what the partner does not get after all, by no doing of its own: its quota and carry are given back


def view_award(row: AwardRow) -> AwardView:
    return AwardView(**row.model_dump())


@router.get("")
async def list_awards(
    caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], pages: Paging, product: Annotated[ProductField | None, Query()] = None
) -> Page[AwardView]:
    sight = sight_of(caller)
    query, only = select(AwardRow), {AwardRow.partner: sight.partner, AwardRow.product: product}
    if sight.nominee is not None:
        query = query.where(col(AwardRow.request).in_(select(RequestRow.request).where(RequestRow.nominee == sight.nominee)))
    async with pages.session() as session:
        found = await pages.of(query, AwardRow.award, view_award, only=only, session=session)
        await _say_what_was_superseded(session, found.data)
    return found


async def _say_what_was_superseded(session: AsyncSession, awards: Sequence[AwardView]) -> None:
    rows = await session.exec(select(SupersededRoundRow).where(col(SupersededRoundRow.round).in_({award.round for award in awards})))
    superseded = {row.round: row for row in rows}
    for award in awards:
        if (row := superseded.get(award.round)) is not None and row.decision == award.decision:
            award.superseded_by = row.by_round


@router.get("/{award}")
async def show_award(award: AwardPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading) -> AwardView:
    async with reads.session() as session:
        row = await session.get(AwardRow, award)
        if row is None or not await sees_request(session, sight_of(caller), row.request):
            raise Problem("award_not_found", f"there is no award {award}", field="path:award")
        view = view_award(row)
        await _say_what_was_superseded(session, [view])
    return view


@router.post("/{award}/renounce")
async def renounce_award(
    award: AwardPath, body: ReasonBody, caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> AwardView:
    """The partner gives back what it has not drawn: it is available again. Its quota stays used."""
    async with reads.session() as session:
        row = await session.get(AwardRow, award)
        if row is None or not await sees_request(session, sight_of(caller), row.request):
            raise Problem("award_not_found", f"there is no award {award}", field="path:award")
    command = RenounceAward(
        award=AwardId(award),
        round=RoundId(row.round),
        request=RequestId(row.request),
        product=ProductId(row.product),
        partner=PartnerCode(row.partner),
        decision=DecisionHash(row.decision),
        status=row.status,
        reason=post.text(body.reason),
    )
    await post.submit(f"award/{award}", command)
    return view_award(row).model_copy(update={"status": AwardStatus.RENOUNCED})
