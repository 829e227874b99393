"""Officials' conflicts of interest: declared by themselves or an administrator, withdrawn by an administrator and never by themselves."""

from datetime import date
from typing import Annotated, assert_never

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, SubjectPath
from services.allocation.api.lookups import find_round, require_partners, require_products
from services.allocation.domain.authority.official import DeclareConflict, NamePerson, WithdrawConflict
from services.allocation.events import SubjectId
from services.allocation.events.authority import ConflictAbout, PersonId
from services.allocation.tables.authority import ConflictRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem

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
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow(*READERS)], post: Posting, reads: Reading
) -> ConflictChange:
    """A partner goes by its code, a product and a round by their ids. A company is any name: nobody registers those."""
    if subject != caller.subject and "administrator" not in caller.roles:
        raise Problem("forbidden", "a conflict is declared by whose it is, or by an administrator", field="path:subject")
    async with reads.session() as session:
        await _require_known(session, body.about, body.name)
    command = DeclareConflict(official=SubjectId(subject), about=body.about, name=body.name, reason=body.reason)
    await post.submit(f"official/{subject}", command)
    return ConflictChange(official=subject, about=body.about, name=body.name, declared=True)


async def _require_known(session: AsyncSession, about: ConflictAbout, name: str) -> None:
    """A name that is misspelt would bar from nothing. Names are compared without case. Raises Problem `.._not_found`."""
    match about:
        case "partner":
            await require_partners(session, [name.upper()], "/name")
        case "product":
            await require_products(session, [name.lower()], "/name")
        case "round":
            await find_round(session, name.lower(), field="/name")
        case "company":
            pass
        case _:
            assert_never(about)


@router.post("/{subject}/conflicts/withdraw")
async def withdraw_conflict(
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow("administrator")], post: Posting
) -> ConflictChange:
    command = WithdrawConflict(
        official=SubjectId(subject), about=body.about, name=body.name, reason=body.reason, by=SubjectId(caller.subject)
    )
    accepted = await post.submit(f"official/{subject}", command)
    return ConflictChange(official=subject, about=body.about, name=accepted.facts[0].event.name, declared=False)


class PersonBody(Body):
    person: Annotated[str, StringConstraints(pattern="^per_[a-z0-9]{8,40}$")] = Field(description="an opaque id")


class PersonView(PersonBody):
    official: str


@router.post("/{subject}/person", status_code=201)
async def name_person(
    subject: SubjectPath, body: PersonBody, caller: Annotated[Caller, allow("administrator")], post: Posting
) -> PersonView:
    """Whose account it is: all accounts of a person count once, and what bars one of them bars the others."""
    await post.submit(f"official/{subject}", NamePerson(official=SubjectId(subject), person=PersonId(body.person)))
    return PersonView(official=subject, person=body.person)


@router.get("/{subject}/conflicts")
async def list_conflicts(subject: SubjectPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[ConflictView]:
    """One's own; an auditor and an administrator see everybody's."""
    if subject != caller.subject and caller.roles.isdisjoint({"auditor", "administrator"}):
        raise Problem("forbidden", "another person's conflicts are for auditors and administrators", field="path:subject")
    return await pages.of(select(ConflictRow).where(ConflictRow.official == subject), ConflictRow.key, same_fields(ConflictView))
