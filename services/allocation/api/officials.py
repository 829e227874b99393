"""Officials' conflicts of interest: declared by themselves or an administrator, withdrawn by an administrator and never by themselves."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import select

from services.allocation.api.fields import READERS, SubjectPath
from services.allocation.domain.official import DeclareConflict, WithdrawConflict
from services.allocation.events import SubjectId
from services.allocation.events.authority import ConflictAbout
from services.allocation.tables import ConflictRow
from shared.auth import Caller, allow
from shared.fields import Body, Text
from shared.http import Page, Paging, Posting, same_fields
from shared.problems import Problem

router = APIRouter(prefix="/v1/officials", tags=["authority"])


class ConflictBody(Body):
    about: ConflictAbout
    name: Text = Field(description="a partner's code, a product, a company as requests name it, or a round")
    reason: Text = Field(description="names no person")


class ConflictView(BaseModel):
    official: str
    about: ConflictAbout
    name: str
    reason: str
    declared_on: date


class ConflictChange(BaseModel):
    official: str
    about: ConflictAbout
    name: str
    declared: bool


@router.post("/{subject}/conflicts", status_code=201)
async def declare_conflict(
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow(*READERS)], post: Posting
) -> ConflictChange:
    if subject != caller.subject and "administrator" not in caller.roles:
        raise Problem("forbidden", "a conflict is declared by whose it is, or by an administrator", field="path:subject")
    command = DeclareConflict(official=SubjectId(subject), about=body.about, name=body.name, reason=body.reason)
    await post.submit(f"official/{subject}", command)
    return ConflictChange(official=subject, about=body.about, name=body.name, declared=True)


@router.post("/{subject}/conflicts/withdraw")
async def withdraw_conflict(
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow("administrator")], post: Posting
) -> ConflictChange:
    command = WithdrawConflict(
        official=SubjectId(subject), about=body.about, name=body.name, reason=body.reason, by=SubjectId(caller.subject)
    )
    accepted = await post.submit(f"official/{subject}", command)
    return ConflictChange(official=subject, about=body.about, name=accepted.facts[0].event.name, declared=False)


@router.get("/{subject}/conflicts")
async def list_conflicts(subject: SubjectPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[ConflictView]:
    """One's own; an auditor and an administrator see everybody's."""
    if subject != caller.subject and caller.roles.isdisjoint({"auditor", "administrator"}):
        raise Problem("forbidden", "another person's conflicts are for auditors and administrators", field="path:subject")
    return await pages.of(select(ConflictRow).where(ConflictRow.official == subject), ConflictRow.key, same_fields(ConflictView))
