"""Tasks: what somebody is to do, by when, and why: limits that are near, and what expires. A partner sees those about its own things."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel import col, select

from services.allocation.api.fields import READERS, limited_to
from services.allocation.tables.clocks import TaskRow
from shared.http.auth import Caller, allow
from shared.http.fields import Day
from shared.http.handlers import Page, Paging, same_fields

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


@router.get("")
async def list_tasks(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    kind: Annotated[str | None, Query(pattern="^[a-z_]{1,40}$")] = None,
    due: Annotated[Day | None, Query(description="those that are to be done by that day")] = None,
    done: Annotated[bool, Query(description="those that are done; otherwise those that are to be done")] = False,
) -> Page[TaskView]:
    query = select(TaskRow).where(col(TaskRow.done_on).is_not(None) if done else col(TaskRow.done_on).is_(None))
    if due is not None:
        query = query.where(col(TaskRow.due_on) <= due)
    return await pages.of(query, TaskRow.task, same_fields(TaskView), only={TaskRow.partner: limited_to(caller), TaskRow.kind: kind})
