"""Officials' conflicts of interest: declared by themselves, or by an administrator for 72 hours, unless they or an approver confirm it.
That one is withdrawn an administrator proposes and an approver signs, neither of whom has it."""

from datetime import date, datetime
from typing import Annotated, Literal, assert_never

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.bars import barring_of, confirming_of
from services.allocation.api.authority.capacity import concerns_of_round
from services.allocation.api.authority.endorsing import EndorsedBody, endorsing_of
from services.allocation.api.decisions.decisions import FINAL
from services.allocation.api.fields import READERS, SubjectPath
from services.allocation.api.lookups import find_round, require_partners, require_products
from services.allocation.domain.authority.official import ConfirmConflict, DeclareConflict, NamePerson, WithdrawConflict
from services.allocation.domain.controls import CONTROLS
from services.allocation.events import DecisionHash, KeyId, ProductId, ReviewId, RoundId, SubjectId
from services.allocation.events.authority import ConflictAbout, ConflictConfirmed, PersonId, Tainted
from services.allocation.tables.authority import ConflictRow, PersonRow
from services.allocation.tables.book import ApprovalRow, RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Page, Paging, Post, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller
from shared.terms.authority import interest_in
from shared.terms.authority_tables import accounts_of
from shared.terms.countersigning_api import ProposalView, propose

MAX_TAINTED = 100  # rounds: what a person has decided before them is for a review that somebody asks for

router = APIRouter(prefix="/v1/officials", tags=["authority"])


class InterestBody(Body):
    about: ConflictAbout
    name: Text = Field(description="a partner's code, a product, a company as requests name it, or a round")


class ConflictBody(InterestBody):
    reason: Text = Field(description="names no person")


class ConflictView(BaseModel):
    official: str
    about: ConflictAbout
    name: str
    reason: str
    declared_on: date
    declared_by: str | None  # none: by an earlier build
    lapses_at: datetime | None  # unless it is confirmed
    confirmed_by: str | None


class ConflictChange(BaseModel):
    official: str
    about: ConflictAbout
    name: str
    declared: Literal[True]


@router.post("/{subject}/conflicts", status_code=201)
async def declare_conflict(
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow(*READERS)], post: Posting, reads: Reading
) -> ConflictChange:
    """A partner goes by its code, a product and a round by their ids. A company is any name: nobody registers those. What an administrator
    declares of another person bars them for 72 hours: longer, if they themselves or an approver confirm it."""
    if subject != caller.subject and "administrator" not in caller.roles:
        raise Problem("forbidden", "a conflict is declared by whose it is, or by an administrator", field="path:subject")
    async with reads.session() as session:
        await _require_known(session, body.about, body.name)
        tainted = await _tainted(session, post, subject, interest_in(body.about, body.name))
    command = DeclareConflict(
        official=SubjectId(subject),
        about=body.about,
        name=body.name,
        reason=post.text(body.reason),
        tainted=tainted,
        barring=await barring_of(reads, post, caller),
    )
    await post.submit(f"official/{subject}", command)
    return ConflictChange(official=subject, about=body.about, name=body.name, declared=True)


@router.post("/{subject}/conflicts/confirm")
async def confirm_conflict(
    subject: SubjectPath, body: InterestBody, caller: Annotated[Caller, allow(*READERS)], post: Posting, reads: Reading
) -> ConflictChange:
    """By whose it is, or by an approver who has a key and has not declared it: it does not lapse any more."""
    if subject != caller.subject and "approver" not in caller.roles:
        raise Problem("forbidden", "a conflict is confirmed by whose it is, or by an approver", field="path:subject")
    confirming = await confirming_of(reads, caller)
    command = ConfirmConflict(official=SubjectId(subject), about=body.about, name=body.name, confirming=confirming)
    confirmed = (await post.submit(f"official/{subject}", command)).event(ConflictConfirmed)
    return ConflictChange(official=subject, about=confirmed.about, name=confirmed.name, declared=True)


async def _tainted(session: AsyncSession, post: Post, subject: str, interest: str) -> tuple[Tainted, ...]:
    """Of the last rounds that the person had a part in."""
    accounts = await accounts_of(session, subject)
    approved = select(ApprovalRow.round).where(col(ApprovalRow.subject).in_(accounts), col(ApprovalRow.lapsed).is_(False))
    had_a_part = or_(col(RoundRow.proposed_by).in_(accounts), col(RoundRow.round).in_(approved))
    undecided = RoundRow.status == RoundStatus.PROPOSED.value
    rounds = select(RoundRow).where(had_a_part, or_(undecided, col(RoundRow.status).in_(FINAL)))
    found: list[Tainted] = []
    for row in await session.exec(rounds.order_by(col(RoundRow.opened_on).desc(), col(RoundRow.round)).limit(MAX_TAINTED)):
        if interest not in await concerns_of_round(session, row):
            continue
        final = row.status in FINAL
        keys = select(ApprovalRow.key).where(
            ApprovalRow.round == row.round,
            ApprovalRow.decision == row.decision,
            col(ApprovalRow.subject).in_(accounts),
            col(ApprovalRow.lapsed).is_(False),
        )
        given: list[str | None] = list((await session.exec(keys.order_by(col(ApprovalRow.key)))).all())
        for key in given[:1] or [None] if final else given:
            tainted = Tainted(
                round=RoundId(row.round),
                product=ProductId(row.product),
                decision=DecisionHash(row.decision or ""),
                key=None if key is None else KeyId(key),
                review=ReviewId(post.new_id("rev", len(found))) if final else None,
            )
            found.append(tainted)
    return tuple(found)


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


@router.post("/{subject}/conflicts/withdraw", status_code=202)
async def withdraw_conflict(
    subject: SubjectPath, body: ConflictBody, caller: Annotated[Caller, allow("administrator")], post: Posting, reads: Reading
) -> ProposalView:
    """Signed by an approver, who has no such interest either."""
    command = WithdrawConflict(
        official=SubjectId(subject),
        about=body.about,
        name=body.name,
        reason=post.text(body.reason),
        by=SubjectId(caller.subject),
        accounts=tuple(sorted(await accounts_of_caller(reads, caller))),
    )
    return await propose(post, CONTROLS, f"official/{subject}", command)


class PersonBody(EndorsedBody):
    person: Annotated[str, StringConstraints(pattern="^per_[a-z0-9]{8,40}$")] = Field(description="an opaque id")


class PersonView(BaseModel):
    person: str
    official: str


@router.post("/{subject}/person", status_code=201)
async def name_person(
    subject: SubjectPath, body: PersonBody, caller: Annotated[Caller, allow("administrator")], post: Posting, reads: Reading
) -> PersonView:
    """Whose account it is, for ever: all accounts of a person count once, and what bars one of them bars the others. Endorsed by an
    approver whose account none of them is."""
    async with reads.session() as session:
        others = (await session.exec(select(PersonRow.subject).where(PersonRow.person == body.person))).all()
    command = NamePerson(
        official=SubjectId(subject),
        person=PersonId(body.person),
        others=frozenset(others),
        endorsing=await endorsing_of(reads, post, caller, body, ceremony=False),
    )
    await post.submit(f"official/{subject}", command)
    return PersonView(official=subject, person=body.person)


@router.get("/{subject}/conflicts")
async def list_conflicts(subject: SubjectPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[ConflictView]:
    """One's own; an auditor and an administrator see everybody's."""
    if subject != caller.subject and caller.roles.isdisjoint({"auditor", "administrator"}):
        raise Problem("forbidden", "another person's conflicts are for auditors and administrators", field="path:subject")
    return await pages.of(select(ConflictRow).where(ConflictRow.official == subject), ConflictRow.key, same_fields(ConflictView))
