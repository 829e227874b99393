"""Clocks to delivery: what each request has reached by when. A partner sees its own; an operator pauses and resumes them."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, PartnerField, ProductField, RequestPath, limited_to
from services.allocation.domain.clocks.clock import ConfirmPause, PauseClock, ResumeClock
from services.allocation.domain.clocks.state import MILESTONES
from services.allocation.events import SubjectId
from services.allocation.events.clocks import ClockPauseConfirmed, ClockPaused, ClockResumed, Milestone
from services.allocation.tables.clocks import ClockRow, ClockStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller, by_one_caller

router = APIRouter(prefix="/v1/clocks", tags=["clocks"])


class PauseBody(Body):
    reason: Text  # whom the reserve waits for, and for what
    since: Day | None = None  # the first day that does not count, at most three days ago; today, if it is not said


class MilestoneView(BaseModel):
    """`reached_on` null and `reached_g` above 0: part of the award is there."""

    milestone: Milestone
    limit_on: date | None
    reached_on: date | None
    reached_g: int
    of_g: int
    warned_on: date | None
    breach_told_on: date | None  # that the limit had passed; what is told later may be of a day before it


class ClockView(BaseModel):
    request: str
    product: str
    partner: str
    clock: str | None
    status: ClockStatus
    submitted_on: date | None
    next: Milestone | None
    limit_on: date | None  # of the next one
    breached: bool
    paused_since: date | None
    pause_reason: str | None
    pause_lapses_at: datetime | None  # unless a second person confirms it
    ended: str | None
    milestones: list[MilestoneView]


class ClockChange(BaseModel):
    request: str
    status: ClockStatus
    next: Milestone | None
    limit_on: date | None


def view_clock(row: ClockRow) -> ClockView:
    paused = row.status == ClockStatus.PAUSED
    return ClockView(
        **row.model_dump(
            include={"request", "product", "partner", "clock", "status", "submitted_on", "next", "limit_on", "breached", "ended"}
        ),
        paused_since=row.paused_since if paused else None,
        pause_reason=row.pause_reason if paused else None,
        pause_lapses_at=row.pause_lapses_at if paused and not row.pause_confirmed_by else None,
        milestones=[_milestone(row, milestone) for milestone in MILESTONES],
    )


def _milestone(row: ClockRow, milestone: Milestone) -> MilestoneView:
    reached: dict[str, Any] = row.reached.get(milestone, {"on": None, "reached_g": 0, "of_g": 0})
    return MilestoneView(
        milestone=milestone,
        limit_on=row.limits.get(milestone),
        reached_on=reached["on"],
        reached_g=reached["reached_g"],
        of_g=reached["of_g"],
        warned_on=row.warned.get(milestone),
        breach_told_on=row.breaches.get(milestone),
    )


async def clock_of(session: AsyncSession, request: str) -> ClockView | None:
    row = await session.get(ClockRow, request)
    return None if row is None else view_clock(row)


@router.get("")
async def list_clocks(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    partner: Annotated[PartnerField | None, Query()] = None,
    status: Annotated[ClockStatus | None, Query()] = None,
    breached: Annotated[bool | None, Query(description="a limit has passed, or was passed")] = None,
    due: Annotated[Day | None, Query(description="those whose next limit is on that day or before")] = None,
) -> Page[ClockView]:
    query = select(ClockRow)
    if (own := limited_to(caller)) is not None:
        query = query.where(ClockRow.partner == own)
    if due is not None:
        query = query.where(col(ClockRow.limit_on) <= due)
    only = {ClockRow.product: product, ClockRow.partner: partner, ClockRow.status: status, ClockRow.breached: breached}
    return await pages.of(query, ClockRow.request, view_clock, only=only)


@router.get("/{request}")
async def show_clock(request: RequestPath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading) -> ClockView:
    async with reads.session() as session:
        found = await clock_of(session, request)
    if found is None or limited_to(caller) not in (None, found.partner):
        raise Problem("clock_not_found", f"there is no clock of {request}", field="path:request")
    return found


@router.post("/{request}/pause")
async def pause_clock(
    request: RequestPath, body: PauseBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ClockChange:
    """The reserve waits for somebody else: the days until it is resumed do not count. By one person for 72 hours: until somebody resumes
    it, if a second one confirms it."""
    by = await by_one_caller(reads, caller, post.now)
    command = PauseClock(reason=post.text(body.reason), since=body.since or post.today, by=by, on=post.today)
    accepted = await post.submit(f"clock/{request}", command)
    return _changed(request, accepted.event(ClockPaused), ClockStatus.PAUSED)


@router.post("/{request}/pause/confirm")
async def confirm_pause(
    request: RequestPath, caller: Annotated[Caller, allow("operator", "approver")], post: Posting, reads: Reading
) -> ClockChange:
    """By a second person: it does not lapse any more."""
    command = ConfirmPause(by=SubjectId(caller.subject), accounts=await accounts_of_caller(reads, caller))
    accepted = await post.submit(f"clock/{request}", command)
    return _changed(request, accepted.event(ClockPauseConfirmed), ClockStatus.PAUSED)


@router.post("/{request}/resume")
async def resume_clock(request: RequestPath, caller: Annotated[Caller, allow("operator")], post: Posting) -> ClockChange:
    """What is not reached yet is due later by the days of the pause."""
    accepted = await post.submit(f"clock/{request}", ResumeClock(on=post.today))
    return _changed(request, accepted.event(ClockResumed), ClockStatus.RUNNING)


def _changed(request: str, event: Any, status: ClockStatus) -> ClockChange:
    return ClockChange(request=request, status=status, next=event.now.next, limit_on=event.now.limit_on)
