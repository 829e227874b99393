"""Acts: what changes a committed loan (a condition amended or waived, another schedule, a write-off) is proposed by one person and signed
by another, over the SHA-256 of its document."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StrictBool
from sqlmodel import select

from services.loans.api.fields import READERS, ActPath, LoanPath, Number, PositiveMinor
from services.loans.api.loan.loans import Operates, SeesLoans, find_loan
from services.loans.api.loan.payments import Reference
from services.loans.api.loan.terms import ConditionBody, Name, ScheduleBody
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.agreement import ApproveAct, ProposeAct, WithdrawAct
from services.loans.domain.papers import LoanActPaper
from services.loans.events.loan import ActApproved, ActId, ActProposed
from services.loans.events.terms import Amendment, CovenantKind
from services.loans.tables.loan import ActRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.acting_api import ApprovalBody, ApprovalView, document_answer, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, withdrawn_or_proposed

router = APIRouter(prefix="/v1/loans", tags=["acts"])


class ActStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


class AmendConditionBody(Body):
    type: Literal["amend_condition"]
    name: Name
    text: Text
    condition: ConditionBody


class WaiveConditionBody(Body):
    type: Literal["waive_condition"]
    name: Name
    until: Day | None = None


class RestructureBody(Body):
    type: Literal["restructure"]
    schedule: ScheduleBody
    rate_pct: Number | None = None
    capitalise_overdue: StrictBool = False


class WriteOffBody(Body):
    type: Literal["write_off"]
    amount_minor: PositiveMinor
    on: Day


class WaiveCovenantBody(Body):
    type: Literal["waive_covenant"]
    kind: CovenantKind
    until: Day


class AccelerateBody(Body):
    """Notice that all of a loan in default falls due on a day: no earlier than its terms say, counted from the signature."""

    type: Literal["accelerate"]
    on: Day


class ReinstateBody(Body):
    """A default is taken back: the loan is owed by its schedule, as if it had never fallen due at once."""

    type: Literal["reinstate"]


class EndEnforcementBody(Body):
    """The security of a loan that has fallen due is realised: what is still owed is a claim."""

    type: Literal["end_enforcement"]


class RefundBody(Body):
    """What was paid beyond all that was owed goes back to the borrower."""

    type: Literal["refund"]
    amount_minor: PositiveMinor
    reference: Reference
    on: Day


class ActBody(Body):
    content: Annotated[
        AmendConditionBody
        | WaiveConditionBody
        | RestructureBody
        | WriteOffBody
        | WaiveCovenantBody
        | AccelerateBody
        | ReinstateBody
        | EndEnforcementBody
        | RefundBody,
        Field(discriminator="type"),
    ]
    reason: Text


class ActView(BaseModel):
    act: str
    loan: str
    status: ActStatus
    content: dict[str, Any]
    reason: str
    document: str  # SHA-256: what an approver signs
    proposed_by: str
    approval: ApprovalView | None


class ActApprovedView(BaseModel):
    act: str
    loan: str
    status: ActStatus
    document: str
    approval: ApprovalView
    figures: dict[str, Any]  # how the loan stands with it


class ActChange(BaseModel):
    act: str
    loan: str
    status: ActStatus
    reason: str


@router.post("/{loan}/acts", status_code=201)
async def propose_act(loan: LoanPath, body: ActBody, caller: Operates, post: Posting) -> ActView:
    act, content = ActId(post.new_id("act")), _content(body)
    reason = post.text(body.reason)
    document = Document(canonical(LoanActPaper(loan=loan, act=act, content=content, reason=reason)))
    command = ProposeAct(act=act, content=content, reason=reason, document=document.name, by=caller.subject, on=post.today)
    event = (await post.submit(f"loan/{loan}", command, documents=[document])).event(ActProposed)
    return ActView(
        act=event.act,
        loan=loan,
        status=ActStatus.PROPOSED,
        content=msgspec.to_builtins(event.content),
        reason=event.reason,
        document=event.document,
        proposed_by=event.proposed_by,
        approval=None,
    )


def _content(body: ActBody) -> Amendment:
    given = body.content.model_dump()
    if isinstance(body.content, RestructureBody):
        given["schedule"] = body.content.schedule.terms()
    content: Amendment = msgspec.convert(given, Amendment)
    return content


@router.post("/{loan}/acts/{act}/approvals", status_code=201)
async def approve_act(
    loan: LoanPath,
    act: ActPath,
    body: ApprovalBody,
    caller: Annotated[Caller, allow("approver")],
    post: Posting,
    reads: Reading,
) -> ActApprovedView:
    """It has its effect at once."""
    command = ApproveAct(act=ActId(act), signing=await signing_of(reads, body, caller, post.today), on=post.today)
    event = (await post.submit(f"loan/{loan}", command)).event(ActApproved)
    return ActApprovedView(
        act=act,
        loan=loan,
        status=ActStatus.APPROVED,
        document=event.document,
        approval=ApprovalView.of(event.approval),
        figures=msgspec.to_builtins(event.after),
    )


@router.post("/{loan}/acts/{act}/withdraw", responses=OR_PROPOSED)
async def withdraw_act(
    loan: LoanPath, act: ActPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> ActChange | ProposalView:
    """By who has proposed it; what somebody else has, two withdraw."""
    command = WithdrawAct(act=ActId(act), reason=post.text(body.reason))
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"loan/{loan}", command)
    if isinstance(done, ProposalView):
        return done
    return ActChange(act=act, loan=loan, status=ActStatus.WITHDRAWN, reason=body.reason)


@router.get("/{loan}/acts")
async def list_acts(loan: LoanPath, caller: SeesLoans, pages: Paging) -> Page[ActView]:
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(select(ActRow).where(ActRow.loan == loan), ActRow.act, same_fields(ActView), session=session)


@router.get("/{loan}/acts/{act}/document", response_class=Response, responses=answers(LoanActPaper))
async def show_act_document(loan: LoanPath, act: ActPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> Response:
    """The document to the byte: its SHA-256 is what is signed."""
    async with reads.session() as session:
        row = await session.get(ActRow, act)
    if row is None or row.loan != loan:
        raise Problem("act_not_found", f"there is no act {act}", field="path:act")
    return await document_answer(reads, row.document)
