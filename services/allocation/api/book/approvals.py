"""Approvals of rounds, and ratifications of what was decided in an emergency: signed by a person's own key, under their authority."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import capacity_of, companies_of
from services.allocation.api.fields import InstrumentField, RoundPath
from services.allocation.api.lookups import find_round
from services.allocation.domain.authority.approver import Approver
from services.allocation.domain.authority.signing import Signing
from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.emergency import RatifyRound
from services.allocation.events import Approval, KeyId, RoundId
from shared.http.auth import Caller, allow
from shared.http.fields import Body
from shared.http.handlers import Post, Posting, Reading, Reads
from shared.terms.approval import Approval as SignedApproval
from shared.terms.approval import verify_approval

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])

Approves = Annotated[Caller, allow("approver")]


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


class ApprovedView(BaseModel):
    round: str
    decision: str
    approval: ApprovalView
    authority: str  # that it was found to be under


class RatifiedView(ApprovedView):
    late: bool  # what was released was held, and is free now


@router.post("/{round}/approvals", status_code=201)
async def approve_round(round: RoundPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading) -> ApprovedView:
    async with reads.session() as session:
        row = await find_round(session, round)
        signing = await signing_of(body, caller, post, session, reads)
        companies = await companies_of(session, row)
    command = ApproveRound(round=RoundId(round), signing=signing, companies=companies)
    accepted = await post.submit(f"book/{row.product}", command)
    event, cited = (fact.event for fact in accepted.facts[:2])
    return ApprovedView(round=round, decision=event.decision, approval=approval_view(event.approval), authority=cited.cited.authority)


@router.post("/{round}/ratification", status_code=201)
async def ratify_round(round: RoundPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading) -> RatifiedView:
    """By another person than those who decided it in an emergency; late, too: what is held is free again."""
    async with reads.session() as session:
        row = await find_round(session, round)
        signing = await signing_of(body, caller, post, session, reads)
        companies = await companies_of(session, row)
    command = RatifyRound(round=RoundId(round), signing=signing, companies=companies)
    accepted = await post.submit(f"book/{row.product}", command)
    event, cited = (fact.event for fact in accepted.facts[:2])
    return RatifiedView(
        round=round,
        decision=event.decision,
        approval=approval_view(event.approval),
        authority=cited.cited.authority,
        late=event.late,
    )


def approval_view(approval: Approval) -> ApprovalView:
    return ApprovalView(**msgspec.to_builtins(approval))


async def signing_of(body: ApprovalBody, caller: Caller, post: Post, session: AsyncSession, reads: Reads) -> Signing:
    approval = msgspec.convert(body.model_dump(exclude={"authority"}), SignedApproval)
    approver, _ = await reads.state(f"approver/{caller.subject}")
    assert isinstance(approver, Approver)
    key = approver.keys.get(KeyId(approval.key_id))
    return Signing(
        approval=approval,
        key="unknown" if key is None else "revoked" if key.revoked else "enrolled",
        signature_valid=key is not None and verify_approval(approval, key.public_key),
        capacity=await capacity_of(session, caller.subject, post.today, body.authority),
    )
