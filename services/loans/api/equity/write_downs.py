"""Write-downs of holdings: an operator proposes, a second person signs, and only then the books take the cost for lost."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlmodel import select

from services.loans.api.equity.holdings import BookedView, FlowPath, HoldingPath, Operates, Reader, booked, find_holding
from services.loans.api.fields import PositiveMinor
from services.loans.domain.controls import CONTROLS
from services.loans.domain.equity.write_downs import ApproveWriteDown, ProposeWriteDown, WithdrawWriteDown
from services.loans.domain.papers import WriteDownPaper
from services.loans.events.equity import EquityFlowId, WriteDownProposed
from services.loans.tables.equity import WriteDownRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.acting_api import ApprovalBody, ApprovalView, document_answer, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, withdrawn_or_proposed
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/holdings/{holding}/write-downs", tags=["equity"])


class WriteDownStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


class WriteDownBody(Body):
    amount_minor: PositiveMinor | None = Field(default=None, description="none: all is written off, and nothing is held any more")
    on: Day
    authority: Text
    reason: Text
    dated_because: Dated | None = Field(default=None, description="needed where `on` is not today: why it is recorded later")


class WriteDownView(BaseModel):
    flow: str
    holding: str
    status: WriteDownStatus
    amount_minor: int | None  # null: of all
    on: date
    authority: str
    reason: str
    document: str  # SHA-256: what the approver signs
    proposed_by: str
    approval: ApprovalView | None


class WriteDownWithdrawnView(BaseModel):
    flow: str
    holding: str
    status: WriteDownStatus


@router.post("", status_code=201)
async def propose_write_down(holding: HoldingPath, body: WriteDownBody, caller: Operates, post: Posting) -> WriteDownView:
    flow = EquityFlowId(post.new_id("eqf"))
    reason = post.text(body.reason)
    said = body.model_dump(exclude_none=True) | {"amount_minor": body.amount_minor, "reason": reason}
    paper = WriteDownPaper(holding=holding, write_down=flow, **said, proposed_by=caller.subject)
    document = Document(canonical(paper))
    command = ProposeWriteDown(
        flow=flow,
        amount_minor=body.amount_minor,
        written_on=body.on,
        authority=body.authority,
        reason=reason,
        document=document.name,
        by=caller.subject,
        on=post.today,
        dated_because=body.dated_because,
    )
    event = (await post.submit(f"equity/{holding}", command, documents=[document])).event(WriteDownProposed)
    return WriteDownView(
        flow=event.flow,
        holding=event.holding,
        status=WriteDownStatus.PROPOSED,
        amount_minor=event.amount_minor,
        on=event.on,
        authority=event.authority,
        reason=event.reason,
        document=event.document,
        proposed_by=event.proposed_by,
        approval=None,
    )


@router.post("/{flow}/approvals", status_code=201)
async def approve_write_down(
    holding: HoldingPath,
    flow: FlowPath,
    body: ApprovalBody,
    caller: Annotated[Caller, allow("approver")],
    post: Posting,
    reads: Reading,
) -> BookedView:
    command = ApproveWriteDown(flow=EquityFlowId(flow), signing=await signing_of(reads, body, caller, post.today), on=post.today)
    return booked(await post.submit(f"equity/{holding}", command))


@router.post("/{flow}/withdraw", responses=OR_PROPOSED)
async def withdraw_write_down(
    holding: HoldingPath, flow: FlowPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> WriteDownWithdrawnView | ProposalView:
    """By who has proposed it; what somebody else has, two withdraw."""
    command = WithdrawWriteDown(flow=EquityFlowId(flow), reason=post.text(body.reason))
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"equity/{holding}", command)
    if isinstance(done, ProposalView):
        return done
    return WriteDownWithdrawnView(flow=flow, holding=holding, status=WriteDownStatus.WITHDRAWN)


@router.get("")
async def list_write_downs(holding: HoldingPath, caller: Reader, pages: Paging) -> Page[WriteDownView]:
    async with pages.session() as session:
        await find_holding(session, holding)
        return await pages.of(
            select(WriteDownRow).where(WriteDownRow.holding == holding), WriteDownRow.flow, same_fields(WriteDownView), session=session
        )


@router.get("/{flow}/document", response_class=Response, responses=answers(WriteDownPaper))
async def show_write_down(holding: HoldingPath, flow: FlowPath, caller: Reader, reads: Reading) -> Response:
    """The bytes whose SHA-256 the approver signs."""
    async with reads.session() as session:
        row = await session.get(WriteDownRow, flow)
    if row is None or row.holding != holding:
        raise Problem("write_down_not_found", f"{holding} has no write-down {flow}", field="path:flow")
    return await document_answer(reads, row.document)
