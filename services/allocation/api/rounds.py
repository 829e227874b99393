"""Rounds: an operator opens, proposes, certifies and cancels; approvers approve. Decisions are read in `decisions.py`."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority import chains_held, companies_of, conflicts_of, find_chains
from services.allocation.api.decisions import AwardLine, award_lines, read_content
from services.allocation.api.fields import (
    READERS,
    DisruptionField,
    InstrumentField,
    ProductField,
    RequestField,
    RoundPath,
    Sight,
    sight_of,
)
from services.allocation.api.lookups import find_round, find_surroundings, own_requests
from services.allocation.api.supply import find_stock
from services.allocation.domain.approver import Approver
from services.allocation.domain.book_lapses import Surroundings
from services.allocation.domain.book_rounds import (
    MAX_APPROVALS,
    MAX_RELEASE_DAYS,
    MAX_REQUESTS,
    ApproveRound,
    CancelRound,
    CertifyRound,
    OpenRound,
    ProposeRound,
    approvals_needed,
)
from services.allocation.domain.book_state import Book, Proposal, Round, partners_of
from services.allocation.domain.proposal import Prepared, prepare
from services.allocation.domain.supply import asked_in, offer_from
from services.allocation.events import (
    AwardGranted,
    DisruptionId,
    KeyId,
    Method,
    ProductId,
    QuorumStep,
    ReleaseOrder,
    RequestId,
    RoundCertified,
    RoundId,
    RoundProposed,
    SubjectId,
)
from services.allocation.tables import ApprovalRow, AwardRow, DisruptionRow, RoundRow, RoundStatus
from shared.approval import Approval as SignedApproval
from shared.approval import verify_approval
from shared.auth import Caller, allow
from shared.fields import Body, PositiveGrams, ReasonBody, Text
from shared.http import Cursor, Limit, Page, Posting, Reading, Reads, page
from shared.journal import Document
from shared.problems import Problem

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])

Operates = Annotated[Caller, allow("operator")]


class RoundBody(Body):
    product: ProductField
    requests: Annotated[list[RequestField], Field(min_length=1, max_length=MAX_REQUESTS)]
    rule: Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")] = "pro_rata"
    policy: Text = "standing"
    policy_version: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1
    disruption: DisruptionField | None = None
    approvals_needed: Annotated[StrictInt, Field(ge=1, le=MAX_APPROVALS)] = 1
    release_days: Annotated[StrictInt, Field(ge=1, le=MAX_RELEASE_DAYS)] = 90


class ProposalBody(Body):
    supply_g: PositiveGrams  # offered: at most what is available and not protected


class ApprovalBody(Body):
    """The file that `reserve approve` makes, and the authority that the approver cites."""

    purpose: Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,39}$")]
    document: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    approver: Annotated[str, StringConstraints(pattern="^[!-~]{1,200}$")]
    key_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
    signature: Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]
    authority: InstrumentField | None = Field(default=None, description="none: the narrowest of the approver's that covers it")


class ApprovalView(BaseModel):
    subject: str
    key: str
    signature: str
    approved_on: date


class AwardView(BaseModel):
    award: str
    request: str
    partner: str
    mass_g: int
    days_of_cover: str  # what it buys at the stated consumption, in tenths of days


class QuorumView(BaseModel):
    above_g: int
    approvals: int


class RoundView(BaseModel):
    """`awards`: of a certified round; what is proposed stands in its decision. A partner sees its own requests and awards only."""

    round: str
    product: str
    status: RoundStatus
    requests: list[str]
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    approvals_needed: int  # by what is proposed, or else by the smallest award
    quorum: list[QuorumView]
    release_days: int
    opened_on: date
    decision: str | None
    proposed_by: str | None
    supply_g: int | None
    left_g: int | None
    approvals: list[ApprovalView]
    awards: list[AwardView]
    expires_on: date | None
    certified_in: str | None
    reason: str | None


class OpenedView(BaseModel):
    round: str
    product: str
    status: RoundStatus
    requests: list[str]
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    approvals_needed: int
    release_days: int


class ProposedView(BaseModel):
    round: str
    status: RoundStatus
    decision: str
    supply_g: int  # in whole units
    left_g: int
    awards: list[AwardLine]  # all requests, also those that get nothing


class ApprovedView(BaseModel):
    round: str
    decision: str
    approval: ApprovalView
    authority: str  # that it was found to be under


class CertifiedView(BaseModel):
    round: str
    status: RoundStatus
    decision: str
    expires_on: date
    awards: list[AwardView]
    approvals: list[ApprovalView]
    certified_in: str  # where the journal has it


class CancelledView(BaseModel):
    round: str
    status: RoundStatus
    reason: str


@router.post("", status_code=201)
async def open_round(body: RoundBody, caller: Operates, post: Posting, reads: Reading) -> OpenedView:
    if body.disruption is not None:
        async with reads.session() as session:
            if await session.get(DisruptionRow, body.disruption) is None:
                raise Problem("disruption_not_found", f"there is no disruption {body.disruption}", field="/disruption")
    command = OpenRound(
        round=RoundId(post.new_id("rnd")),
        requests=tuple(RequestId(request) for request in body.requests),
        disruption=None if body.disruption is None else DisruptionId(body.disruption),
        method=Method(rule=body.rule),
        policy=body.policy,
        policy_version=body.policy_version,
        quorum=(QuorumStep(above_g=0, approvals=body.approvals_needed),),
        release_days=body.release_days,
        on=post.today,
    )
    accepted = await post.submit(f"book/{body.product}", command)
    opened = accepted.facts[0].event
    return OpenedView(
        round=opened.round,
        product=opened.product,
        status=RoundStatus.OPEN,
        requests=body.requests,
        rule=opened.method.rule,
        policy=opened.policy,
        policy_version=opened.policy_version,
        disruption=opened.disruption,
        approvals_needed=opened.quorum[0].approvals,
        release_days=opened.release_days,
    )


@router.post("/{round}/propose")
async def propose_round(round: RoundPath, body: ProposalBody, caller: Operates, post: Posting, reads: Reading) -> ProposedView:
    """Works the decision out from the book as it is now. The book takes it only if nothing changed meanwhile."""
    async with reads.session() as session:
        row = await find_round(session, round)
        book, found = await _book_and_round(reads, row)
        around = await _surroundings(session, row, book, found, post.today)
        stock = await find_stock(session, row.product, post.today)
    prepared = None
    if found is not None and stock is not None and _can_be_worked_out(book, found, around, body.supply_g):
        salts = [secrets.token_hex(16) for _ in range(len(found.requests) + 1)]
        offer = await asyncio.to_thread(offer_from, stock, asked_in(book, found), body.supply_g, post.today)
        prepared = await asyncio.to_thread(prepare, RoundId(round), ProductId(row.product), book, found, around, offer, salts)
    command = ProposeRound(
        round=RoundId(round),
        supply_g=body.supply_g,
        by=SubjectId(caller.subject),
        on=post.today,
        surroundings=around,
        proposed=None if prepared is None else prepared.proposed,
    )
    accepted = await post.submit(f"book/{row.product}", command, documents=_documents(prepared))
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, RoundProposed))
    return ProposedView(
        round=round,
        status=RoundStatus.PROPOSED,
        decision=event.decision,
        supply_g=event.supply_g,
        left_g=event.left_g,
        awards=await award_lines(reads, event.file),
    )


@router.post("/{round}/approvals", status_code=201)
async def approve_round(
    round: RoundPath,
    body: ApprovalBody,
    caller: Annotated[Caller, allow("approver")],
    post: Posting,
    reads: Reading,
) -> ApprovedView:
    async with reads.session() as session:
        row = await find_round(session, round)
        held = await chains_held(session, caller.subject, body.authority)
        conflicts = await conflicts_of(session, caller.subject)
        companies = await companies_of(session, row)
    approval = msgspec.convert(body.model_dump(exclude={"authority"}), SignedApproval)
    key = (await _approver(reads, caller.subject)).keys.get(KeyId(approval.key_id))
    command = ApproveRound(
        round=RoundId(round),
        approval=approval,
        by=SubjectId(caller.subject),
        key="unknown" if key is None else "revoked" if key.revoked else "enrolled",
        signature_valid=key is not None and verify_approval(approval, key.public_key),
        held=held,
        authority=body.authority,
        conflicts=conflicts,
        companies=companies,
        on=post.today,
    )
    accepted = await post.submit(f"book/{row.product}", command)
    event, cited = (fact.event for fact in accepted.facts[:2])
    return ApprovedView(
        round=round,
        decision=event.decision,
        approval=ApprovalView(**msgspec.to_builtins(event.approval)),
        authority=cited.cited.authority,
    )


@router.post("/{round}/certify")
async def certify_round(round: RoundPath, caller: Operates, post: Posting, reads: Reading) -> CertifiedView:
    """Makes the decision final. Inventory then releases all awards, or refuses them and the round is open again."""
    async with reads.session() as session:
        row = await find_round(session, round)
        book, found = await _book_and_round(reads, row)
        around = await _surroundings(session, row, book, found, post.today)
        authorities = {} if found is None or found.proposal is None else await find_chains(session, _cited(found.proposal))
    command = CertifyRound(
        round=RoundId(round),
        surroundings=around,
        order=await _release_order(reads, found),
        revoked=await _revoked(reads, found),
        authorities=authorities,
        on=post.today,
    )
    accepted = await post.submit(f"book/{row.product}", command)
    certified = next(fact for fact in accepted.facts if isinstance(fact.event, RoundCertified))
    return CertifiedView(
        round=round,
        status=RoundStatus.CERTIFIED,
        decision=certified.event.decision,
        expires_on=certified.event.expires_on,
        awards=[AwardView(**msgspec.to_builtins(fact.event)) for fact in accepted.facts if isinstance(fact.event, AwardGranted)],
        approvals=[ApprovalView(**msgspec.to_builtins(approval)) for approval in certified.event.approvals],
        certified_in=certified.place,
    )


@router.post("/{round}/cancel")
async def cancel_round(round: RoundPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading) -> CancelledView:
    async with reads.session() as session:
        row = await find_round(session, round)
    await post.submit(f"book/{row.product}", CancelRound(round=RoundId(round), reason=body.reason))
    return CancelledView(round=round, status=RoundStatus.CANCELLED, reason=body.reason)


class RoundSummary(BaseModel):
    round: str
    product: str
    status: RoundStatus
    rule: str
    disruption: str | None
    opened_on: date
    decision: str | None
    expires_on: date | None


@router.get("")
async def list_rounds(
    caller: Annotated[Caller, allow(*READERS)],
    reads: Reading,
    request: Request,
    response: Response,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[RoundStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RoundSummary]:
    query = select(RoundRow)
    if product is not None:
        query = query.where(RoundRow.product == product)
    if status is not None:
        query = query.where(RoundRow.status == status.value)
    async with reads.session() as session:
        return await page(
            session,
            query,
            key=col(RoundRow.round),
            view=lambda row: RoundSummary.model_validate(row, from_attributes=True),
            cursor=cursor,
            limit=limit,
            request=request,
            response=response,
        )


@router.get("/{round}")
async def show_round(round: RoundPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading) -> RoundView:
    """A partner, or a nominee, sees a round that one of its requests is in; of a decision, nothing before it is certified."""
    sight = sight_of(caller)
    async with reads.session() as session:
        row = await find_round(session, round, sight)
        approvals = select(ApprovalRow).where(
            ApprovalRow.round == round, ApprovalRow.decision == row.decision, col(ApprovalRow.lapsed).is_(False)
        )
        awards = select(AwardRow).where(AwardRow.round == round, AwardRow.decision == row.decision)
        view = RoundView(
            **row.model_dump(exclude={"file", "approvals_needed"}),
            approvals_needed=_needed(row),
            approvals=[
                ApprovalView.model_validate(each, from_attributes=True)
                for each in await session.exec(approvals.order_by(col(ApprovalRow.key)))
            ],
            awards=[
                AwardView.model_validate(each, from_attributes=True) for each in await session.exec(awards.order_by(col(AwardRow.request)))
            ],
        )
        return view if sight.partner is None else await _as_seen_by(session, sight, view)


def _needed(row: RoundRow) -> int:
    steps = msgspec.convert(row.quorum, tuple[QuorumStep, ...])
    return approvals_needed(steps, row.awarded_g or 0) if steps else row.approvals_needed  # none: opened by an earlier build


async def _as_seen_by(session: AsyncSession, sight: Sight, view: RoundView) -> RoundView:
    requests = await own_requests(session, view.requests, sight)
    awards = [award for award in view.awards if award.request in requests]
    changes: dict[str, Any] = {"requests": requests, "awards": awards, "supply_g": None, "left_g": None}
    if view.status is not RoundStatus.CANCELLED:
        changes["reason"] = None  # a decision falls for a reason that may name another partner, or what is another's
    if view.status not in (RoundStatus.CERTIFIED, RoundStatus.RELEASED):
        changes |= {"decision": None, "proposed_by": None, "approvals": []}
    return view.model_copy(update=changes)


def _can_be_worked_out(book: Book, round: Round, around: Surroundings, supply_g: int) -> bool:
    """Where not, the book says why."""
    return bool(round.requests) and partners_of(book, round) <= around.terms.keys() and 0 < supply_g <= around.free_g


async def _book_and_round(reads: Reads, row: RoundRow) -> tuple[Book, Round | None]:
    book, _ = await reads.state(f"book/{row.product}")
    assert isinstance(book, Book)
    return book, book.rounds.get(RoundId(row.round))


async def _surroundings(session: AsyncSession, row: RoundRow, book: Book, round: Round | None, on: date) -> Surroundings:
    partners = [] if round is None else sorted(partners_of(book, round))
    return await find_surroundings(session, row.product, partners, row.disruption, on)


async def _approver(reads: Reads, subject: str) -> Approver:
    approver, _ = await reads.state(f"approver/{subject}")
    assert isinstance(approver, Approver)
    return approver


def _cited(proposal: Proposal) -> set[str]:
    return {cited.authority for cited in proposal.cited.values()}


async def _revoked(reads: Reads, round: Round | None) -> tuple[KeyId, ...]:
    """The keys of the round's approvals that are revoked by now."""
    if round is None or round.proposal is None:
        return ()
    revoked = []
    for approval in round.proposal.approvals.values():
        if (await _approver(reads, approval.subject)).keys[approval.key].revoked:
            revoked.append(approval.key)
    return tuple(revoked)


async def _release_order(reads: Reads, round: Round | None) -> ReleaseOrder | None:
    if round is None or round.proposal is None or (name := round.proposal.release_order) is None:
        return None
    return msgspec.json.decode(await read_content(reads, name), type=ReleaseOrder)


def _documents(prepared: Prepared | None) -> Sequence[Document]:
    return () if prepared is None else (Document(prepared.published), Document(prepared.file), Document(prepared.release_order))
