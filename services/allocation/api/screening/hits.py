"""Hits: parties of requests whose names are like one on a list. A person clears or confirms each; partners are told nothing of them."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from msgspec import structs
from pydantic import BaseModel
from sqlmodel import select

from services.allocation.api.authority.capacity import companies_of
from services.allocation.api.fields import READERS, ProductField, RequestField
from services.allocation.background.party_screening import entry_of, parties_of
from services.allocation.domain.book.screening import DecideHit
from services.allocation.domain.controls import CONTROLS
from services.allocation.events import HitId, PartyRole, RequestId, SubjectId
from services.allocation.tables.book import RequestRow
from services.allocation.tables.screening import HitStatus, ScreeningHitRow, ScreeningListRow
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.journal.texts import TypedText
from shared.terms.acting_api import by_one_caller
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/screening-hits", tags=["screening"])

HitPath = Annotated[str, Path(pattern=f"^hit_{TYPEID}$")]


class HitView(BaseModel):
    """`gone`: no list in force has it any more, or the request's parties are others."""

    hit: str
    request: str
    product: str
    role: PartyRole
    list: str
    version: int
    entry: str
    match: Literal["exact", "near"]
    found_on: date
    status: HitStatus
    reason: str | None
    decided_by: str | None
    decided_on: date | None
    lapses_at: datetime | None  # of one that is confirmed by one person, unless a second one confirms it, too


class HitWithNames(HitView):
    """With the two names, for the person who decides."""

    party: str
    partner: str
    listed_name: str
    listed_aliases: list[str]
    source: str
    listed_on: date


class HitChange(BaseModel):
    hit: str
    request: str
    status: HitStatus


@router.get("")
async def list_hits(
    caller: Annotated[Caller, allow(*READERS)],
    pages: Paging,
    status: Annotated[HitStatus | None, Query()] = None,
    product: Annotated[ProductField | None, Query()] = None,
    of: Annotated[RequestField | None, Query(description="a request")] = None,
) -> Page[HitView]:
    return await pages.of(
        select(ScreeningHitRow),
        ScreeningHitRow.hit,
        same_fields(HitView),
        only={ScreeningHitRow.status: status, ScreeningHitRow.product: product, ScreeningHitRow.request: of},
    )


@router.get("/{hit}")
async def show_hit(hit: HitPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> HitWithNames:
    async with reads.session() as session:
        row = await session.get(ScreeningHitRow, hit)
        if row is None:
            raise _no_hit(hit)
        asked = await session.get(RequestRow, row.request)
        found_in = await session.get(ScreeningListRow, f"{row.list}/{row.version}")
    assert asked is not None
    assert found_in is not None
    entry = await entry_of(reads.kernel, found_in.document, row.entry)
    return HitWithNames(
        **HitView.model_validate(row, from_attributes=True).model_dump(),
        party=parties_of(asked)[HitView.model_validate(row, from_attributes=True).role],
        partner=asked.partner,
        listed_name=entry.name,
        listed_aliases=list(entry.aliases),
        source=entry.source,
        listed_on=entry.listed_on,
    )


@router.post("/{hit}/clear", status_code=202)
async def clear_hit(
    hit: HitPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """The party is another than the one on the list: once another person has signed that it is."""
    stream, command = await _decision(hit, "cleared", post.text(body.reason), caller, reads)
    return await propose(post, CONTROLS, stream, command)


@router.post("/{hit}/confirm")
async def confirm_hit(
    hit: HitPath, body: ReasonBody, caller: Annotated[Caller, allow("operator", on_duty=True)], post: Posting, reads: Reading
) -> HitChange:
    """The party is the one on the list: the request is given nothing, for 72 hours; as long as it is on it, if a second person confirms it,
    too."""
    stream, command = await _decision(hit, "confirmed", post.text(body.reason), caller, reads)
    await post.submit(stream, structs.replace(command, alone=await by_one_caller(reads, caller, post.now)))
    return HitChange(hit=hit, request=command.request, status=HitStatus.CONFIRMED)


async def _decision(
    hit: str, outcome: Literal["cleared", "confirmed"], reason: TypedText, caller: Caller, reads: Reads
) -> tuple[str, DecideHit]:
    """The book that takes it, and what it takes."""
    async with reads.session() as session:
        row = await session.get(ScreeningHitRow, hit)
        if row is None:
            raise _no_hit(hit)
        companies = tuple(sorted(await companies_of(session, [row.request])))
    command = DecideHit(
        request=RequestId(row.request),
        hit=HitId(hit),
        outcome=outcome,
        reason=reason,
        by=SubjectId(caller.subject),
        companies=companies,
    )
    return f"book/{row.product}", command


def _no_hit(hit: str) -> Problem:
    return Problem("screening_hit_not_found", f"there is no hit {hit}", field="path:hit")
