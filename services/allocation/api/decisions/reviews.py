"""Reviews of certified decisions, by people who were not in them. A partner sees those that it asked for."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import concerns_of_round
from services.allocation.api.decisions.decisions import FINAL
from services.allocation.api.fields import READERS, RoundField, Sight, SubjectField, Texts, limited_to
from services.allocation.api.lookups import find_round, involved_in
from services.allocation.domain.decisions.review import AssignReview, ConcludeReview, RequestReview
from services.allocation.events import DecisionHash, ProductId, ReviewId, RoundId, SubjectId
from services.allocation.tables.book import RoundRow
from services.allocation.tables.screening import ReviewRow, ReviewStatus
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body
from shared.http.handlers import Page, Paging, Posting, Reading, Reads
from shared.http.problems import Problem
from shared.terms.acting_api import barred

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

ReviewPath = Annotated[str, Path(pattern=f"^rev_{TYPEID}$")]


class ReviewBody(Body):
    round: RoundField
    grounds: Texts


class AssignmentBody(Body):
    reviewer: SubjectField


class ConclusionBody(Body):
    outcome: Literal["upheld", "error_found"]
    findings: Texts


class ReviewView(BaseModel):
    review: str
    round: str
    product: str
    decision: str
    partner: str | None  # who asked for it; null: an operator did
    grounds: list[str]
    requested_on: date
    status: ReviewStatus
    reviewer: str | None
    outcome: Literal["upheld", "error_found"] | None
    findings: list[str] | None
    concluded_on: date | None


class ReviewChange(BaseModel):
    review: str
    status: ReviewStatus


@router.post("", status_code=201)
async def request_review(
    body: ReviewBody, caller: Annotated[Caller, allow("operator", "partner")], post: Posting, reads: Reading
) -> ReviewChange:
    """Of a certified decision: by a partner in it, or an operator. Releases and dispatches go on."""
    partner = limited_to(caller)
    async with reads.session() as session:
        row = await find_round(session, body.round, Sight(partner, None), "/round")
    certified = row.status in FINAL and row.decision is not None
    command = RequestReview(
        review=ReviewId(post.new_id("rev")),
        round=RoundId(body.round),
        product=ProductId(row.product),
        decision=DecisionHash(row.decision or "") if certified else None,
        partner=partner,
        grounds=post.texts(body.grounds),
        by=SubjectId(caller.subject),
    )
    await post.submit(f"review/{command.review}", command)
    return ReviewChange(review=command.review, status=ReviewStatus.REQUESTED)


@router.post("/{review}/assign")
async def assign_review(
    review: ReviewPath,
    body: AssignmentBody,
    caller: Annotated[Caller, allow("operator", "administrator")],
    post: Posting,
    reads: Reading,
) -> ReviewChange:
    """To someone who neither opened, proposed, approved nor certified the round, nor screened one of its requests. Again: to another."""
    involved, bar = await _standing_of(reads, review, body.reviewer)
    command = AssignReview(review=ReviewId(review), reviewer=SubjectId(body.reviewer), involved=involved, by=SubjectId(caller.subject))
    await post.submit(f"review/{review}", bar or command)
    return ReviewChange(review=review, status=ReviewStatus.ASSIGNED)


@router.post("/{review}/conclude")
async def conclude_review(
    review: ReviewPath, body: ConclusionBody, caller: Annotated[Caller, allow(*READERS)], post: Posting, reads: Reading
) -> ReviewChange:
    """By the one to whom it is assigned."""
    involved, bar = await _standing_of(reads, review, caller.subject)
    command = ConcludeReview(
        review=ReviewId(review),
        outcome=body.outcome,
        findings=post.texts(body.findings),
        involved=involved,
        by=SubjectId(caller.subject),
    )
    await post.submit(f"review/{review}", bar or command)
    return ReviewChange(review=review, status=ReviewStatus.CONCLUDED)


@router.get("")
async def list_reviews(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    round: Annotated[RoundField | None, Query()] = None,
    status: Annotated[ReviewStatus | None, Query()] = None,
) -> Page[ReviewView]:
    return await pages.of(
        select(ReviewRow),
        ReviewRow.review,
        _view,
        only={ReviewRow.partner: limited_to(caller), ReviewRow.round: round, ReviewRow.status: status},
    )


@router.get("/{review}")
async def show_review(review: ReviewPath, caller: Annotated[Caller, allow(*READERS, "partner")], reads: Reading) -> ReviewView:
    async with reads.session() as session:
        row = await _find(session, review)
    if limited_to(caller) not in (None, row.partner):
        raise _no_review(review)
    return _view(row)


def _view(row: ReviewRow) -> ReviewView:
    return ReviewView.model_validate(row, from_attributes=True)


async def _find(session: AsyncSession, review: str) -> ReviewRow:
    row = await session.get(ReviewRow, review)
    if row is None:
        raise _no_review(review)
    return row


async def _standing_of(reads: Reads, review: str, reviewer: str) -> tuple[tuple[SubjectId, ...], Problem | None]:
    """Who had a part in the round, or screened one of its requests: the reviewer too, if another account of theirs did. And what bars the
    reviewer by an interest."""
    async with reads.session() as session:
        row = await _find(session, review)
        round = await session.get(RoundRow, row.round)
        assert round is not None
        involved = await involved_in(session, [round.round, *round.requests], reviewer)
    bar = await barred(reads, reviewer, lambda session: concerns_of_round(session, round))
    return involved, bar


def _no_review(review: str) -> Problem:
    return Problem("review_not_found", f"there is no review {review}", field="path:review")
