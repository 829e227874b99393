"""Tasks: what somebody is to do, by when, and why: limits that are near, and what expires. A partner sees those about its own things."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlmodel import col, select

from services.allocation.api.fields import READERS, limited_to
from services.allocation.tables.clocks import TaskRow
from shared.auth import Caller, allow
from shared.fields import Day
from shared.http import Cursor, Limit, Page, Reading, page

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


class TaskView(BaseModel):
    task: str
    kind: str
    about: str
    partner: str | None
    product: str | None
    what: str
    why: str
    due_on: date
    raised_on: date
    done_on: date | None


def _view(row: TaskRow) -> TaskView:
    return TaskView.model_validate(row, from_attributes=True)


@router.get("")
async def list_tasks(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    reads: Reading,
    request: Request,
    response: Response,
    kind: Annotated[str | None, Query(pattern="^[a-z_]{1,40}$")] = None,
    due: Annotated[Day | None, Query(description="those that are to be done by that day")] = None,
    done: Annotated[bool, Query(description="those that are done; otherwise those that are to be done")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[TaskView]:
    query = select(TaskRow).where(col(TaskRow.done_on).is_not(None) if done else col(TaskRow.done_on).is_(None))
    if (partner := limited_to(caller)) is not None:
        query = query.where(TaskRow.partner == partner)
    if kind is not None:
        query = query.where(TaskRow.kind == kind)
    if due is not None:
        query = query.where(col(TaskRow.due_on) <= due)
    async with reads.session() as session:
        return await page(session, query, key=col(TaskRow.task), view=_view, cursor=cursor, limit=limit, request=request, response=response)
