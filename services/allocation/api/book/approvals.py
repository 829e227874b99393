"""Approvals of rounds, and ratifications of what was decided in an emergency: signed by a person's own key, under their authority."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from services.allocation.api.authority.capacity import companies_of
from services.allocation.api.fields import RoundPath
from services.allocation.api.lookups import find_round
from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.emergency import RatifyRound
from services.allocation.events import RoundId
from shared.http.auth import Caller, allow
from shared.http.handlers import Posting, Reading
from shared.terms.acting_api import ApprovalBody, ApprovalView, signing_of

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])

Approves = Annotated[Caller, allow("approver", on_duty=True)]


class ApprovedView(BaseModel):
    round: str
    decision: str
    approval: ApprovalView
    authority: str  # that it was found to be under


class RatifiedView(ApprovedView):
    late: bool  # what was released was held, and is free now


@router.post("/{round}/approvals", status_code=201)
async def approve_round(round: RoundPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading) -> ApprovedView:
    signing = await signing_of(reads, body, caller, post.today)
    async with reads.session() as session:
        row = await find_round(session, round)
        companies = await companies_of(session, row.requests)
    command = ApproveRound(round=RoundId(round), signing=signing, companies=companies)
    accepted = await post.submit(f"book/{row.product}", command)
    event, cited = (fact.event for fact in accepted.facts[:2])
    return ApprovedView(round=round, decision=event.decision, approval=ApprovalView.of(event.approval), authority=cited.cited.authority)


@router.post("/{round}/ratification", status_code=201)
async def ratify_round(round: RoundPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading) -> RatifiedView:
    """By another person than those who decided it in an emergency; late, too: what is held is free again."""
    signing = await signing_of(reads, body, caller, post.today)
    async with reads.session() as session:
        row = await find_round(session, round)
        companies = await companies_of(session, row.requests)
    command = RatifyRound(round=RoundId(round), signing=signing, companies=companies)
    accepted = await post.submit(f"book/{row.product}", command)
    event, cited = (fact.event for fact in accepted.facts[:2])
    return RatifiedView(
        round=round,
        decision=event.decision,
        approval=ApprovalView.of(event.approval),
        authority=cited.cited.authority,
        late=event.late,
    )
