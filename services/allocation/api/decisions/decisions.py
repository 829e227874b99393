"""Decisions and certificates: what a round decided, on whose approval, for everyone to check as far as they may see."""

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, RoundPath, sight_of
from services.allocation.api.lookups import find_round, own_requests
from services.allocation.domain.book.state import APPROVALS, approvals_needed
from services.allocation.domain.decisions.decision import DecisionFile, DecisionLine, read_file
from services.allocation.domain.decisions.sealed import OwnFile
from services.allocation.domain.decisions.written_lines import WrittenLine, own_part
from services.allocation.domain.rules.cover import days_of_cover
from services.allocation.events import QuorumStep
from services.allocation.tables.authority import ApproverKeyRow
from services.allocation.tables.book import ApprovalRow, RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading, Reads
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.postgres import read_document

router = APIRouter(prefix="/v1/rounds", tags=["decisions"])

FINAL = (RoundStatus.CERTIFIED, RoundStatus.RELEASED)


class AwardLine(BaseModel):
    """What a decision says of one request."""

    request: str
    partner: str
    accepted_g: int  # of the accepted quantity, what the partner's quota allows
    entitlement_g: str  # a rational: what the rule gives before rounding to whole units
    award_g: int
    days_of_cover: str  # at the stated consumption, in tenths of days
    carry_out_g: str  # a rational: what rounding owes the partner


class CertifiedApprovalView(BaseModel):
    subject: str
    key: str
    public_key: str  # Ed25519, hex
    signature: str  # over the statement of `reserve approve`, hex
    approved_on: date


class CertificateView(BaseModel):
    """With the ledger's receipt for `certified_in`, everything that makes the allocation final."""

    round: str
    product: str
    decision: str  # SHA-256 of the canonical bytes of `published`
    published: dict[str, Any]
    approvals: list[CertifiedApprovalView]
    expires_on: date
    certified_in: str  # the event of which the ledger gives the receipt: "allocation/0/123"
    certificate: str  # where all of this is with its receipts: "/v1/certificates/{decision}"


@router.get("/{round}/decision", response_class=Response, responses=answers(DecisionFile, OwnFile))
async def show_decision(round: RoundPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading) -> Response:
    """The decision file: with every line opened; for a partner, or a nominee, with its own, once it is certified."""
    sight = sight_of(caller)
    async with reads.session() as session:
        row = await find_round(session, round, sight)
        own = None if sight.partner is None else await own_requests(session, row.requests, sight)
    if row.file is None or (own is not None and row.status not in FINAL):
        raise Problem("decision_not_found", f"{round} has no decision", field="path:round")
    content = await read_content(reads, row.file)
    if own is not None:
        assert row.decision is not None
        content = own_part(await read_content(reads, row.decision), content, set(own))
    return Response(content, media_type="application/json", headers={"ETag": f'"{row.decision}"'})


@router.get("/{round}/certificate")
async def show_round_certificate(
    round: RoundPath, caller: Annotated[Caller, allow(*READERS, "partner", "nominee")], reads: Reading
) -> CertificateView:
    """Of a certified round: the published part of its decision, the approvals with their keys, and where the journal has it."""
    async with reads.session() as session:
        row = await find_round(session, round, sight_of(caller))
        if row.status not in FINAL:
            raise Problem("certificate_not_found", f"{round} is not certified", field="path:round")
        approved = await approvals_of(session, row)
    return await _certificate(reads, row, approved)


async def approvals_of(session: AsyncSession, row: RoundRow) -> list[CertifiedApprovalView]:
    """Those that stand of the round's decision, by key."""
    approvals = (
        select(ApprovalRow, ApproverKeyRow.public_key)
        .join(
            ApproverKeyRow,
            (col(ApproverKeyRow.key) == col(ApprovalRow.key)) & (col(ApproverKeyRow.subject) == col(ApprovalRow.subject)),
        )
        .where(ApprovalRow.round == row.round, ApprovalRow.decision == row.decision, col(ApprovalRow.lapsed).is_(False))
        .order_by(col(ApprovalRow.key))
    )
    return [
        CertifiedApprovalView(
            subject=approval.subject,
            key=approval.key,
            public_key=public_key,
            signature=approval.signature,
            approved_on=approval.approved_on,
        )
        for approval, public_key in await session.exec(approvals)
    ]


def needed_approvals(row: RoundRow) -> int:
    """By what is proposed, or else by the smallest award."""
    if row.needed is not None:
        return row.needed
    if row.emergency is not None:
        return APPROVALS
    steps = msgspec.convert(row.quorum, tuple[QuorumStep, ...])
    return approvals_needed(steps, row.awarded_g or 0) if steps else row.approvals_needed  # none: opened by an earlier build


async def _certificate(reads: Reads, row: RoundRow, approvals: list[CertifiedApprovalView]) -> CertificateView:
    assert row.decision is not None
    assert row.expires_on is not None
    assert row.certified_in is not None
    published = msgspec.json.decode(await read_content(reads, row.decision))
    return CertificateView(
        round=row.round,
        product=row.product,
        decision=row.decision,
        published=published,
        approvals=approvals,
        expires_on=row.expires_on,
        certified_in=row.certified_in,
        certificate=f"/v1/certificates/{row.decision}",
    )


async def decision_file(reads: Reads, file: str) -> DecisionFile:
    return read_file(await read_content(reads, file))


def award_line(line: DecisionLine | WrittenLine) -> AwardLine:
    claimant = line.claimant
    assert claimant.daily_consumption_g is not None, "every request states its consumption"
    return AwardLine(
        request=claimant.request,
        partner=claimant.partner,
        accepted_g=claimant.accepted_g,
        entitlement_g=str(line.entitlement_g),
        award_g=line.award_g,
        days_of_cover=days_of_cover(line.award_g, claimant.daily_consumption_g),
        carry_out_g=str(line.carry_out_g),
    )


async def read_content(reads: Reads, name: str) -> bytes:
    """Of a kept document."""
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, name)
    assert document is not None, f"the document {name} is kept with the event that names it"
    return bytes(document.content)
