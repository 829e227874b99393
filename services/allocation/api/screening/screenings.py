"""What a request has been through: acceptances with what stands behind each, objections and, for the Reserve's own people, hits."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.book.objections import ObjectionView, view_objection
from services.allocation.api.fields import READERS, RequestPath, sight_of
from services.allocation.api.lookups import find_request
from services.allocation.api.readiness.pre_clearance import PreClearanceView, pre_clearance
from services.allocation.api.screening.hits import HitView
from services.allocation.events import Criterion, PartyRole
from services.allocation.tables.screening import AcceptanceRow, HitStatus, ObjectionRow, RequestScreeningRow, ScreeningHitRow
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading

router = APIRouter(prefix="/v1/requests", tags=["screening"])


class FindingView(BaseModel):
    answer: Literal["met", "not_met", "not_stated"]
    finding: str


class AcceptanceView(BaseModel):
    """`findings` by the questions of 10 CFR 626.7, those that were looked at. Null: of an acceptance that states none."""

    accepted_g: int
    reasons: list[str]
    accepted_on: date
    findings: dict[Criterion, FindingView] | None
    not_pre_cleared: list[PartyRole] | None  # parties that the agreement did not have as cleared on that day
    objections_until: date | None


class PartiesView(BaseModel):
    """`lists`: those in which the parties were looked up last, with their versions."""

    lists: dict[str, int]
    beyond: int  # hits that are not listed, since they are too many
    hits: list[HitView]


class ScreeningView(BaseModel):
    """`pre_cleared`: as of today. `parties`: shown to the Reserve's own people alone."""

    request: str
    acceptances: list[AcceptanceView]  # the last one counts
    objections: list[ObjectionView]
    pre_cleared: list[PreClearanceView]
    parties: PartiesView | None


@router.get("/{request}/screening")
async def show_screening(
    request: RequestPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading
) -> ScreeningView:
    sight = sight_of(caller)
    async with reads.session() as session:
        row = await find_request(session, request, sight.partner, sight.nominee)
        accepted = select(AcceptanceRow).where(AcceptanceRow.request == request).order_by(col(AcceptanceRow.position))
        objections = select(ObjectionRow).where(ObjectionRow.request == request).order_by(col(ObjectionRow.objection))
        return ScreeningView(
            request=request,
            acceptances=[AcceptanceView.model_validate(each, from_attributes=True) for each in await session.exec(accepted)],
            objections=[view_objection(each) for each in await session.exec(objections)],
            pre_cleared=await pre_clearance(session, row, reads.today),
            parties=await _parties(session, request) if sight.partner is None else None,
        )


async def _parties(session: AsyncSession, request: str) -> PartiesView:
    screening = await session.get(RequestScreeningRow, request)
    hits = select(ScreeningHitRow).where(ScreeningHitRow.request == request, ScreeningHitRow.status != HitStatus.GONE.value)
    return PartiesView(
        lists={} if screening is None else screening.lists,
        beyond=0 if screening is None else screening.beyond,
        hits=[HitView.model_validate(row, from_attributes=True) for row in await session.exec(hits.order_by(col(ScreeningHitRow.hit)))],
    )
