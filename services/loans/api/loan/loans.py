"""Loans: an operator proposes, an approver approves, and the facility commits. A borrower sees its own."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.facility.facilities import connected_now, shortage_now
from services.loans.api.fields import READERS, Code, LoanPath, PositiveMinor, limited_to
from services.loans.api.loan.terms import LoanTermsBody
from services.loans.api.rates.rates import find_reference_rate
from services.loans.domain.approvals import interests_in
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.advances import CancelCommitment
from services.loans.domain.loan.agreement import ApproveLoan, ProposeLoan, WithdrawLoan
from services.loans.domain.loan.imports import headroom_for
from services.loans.domain.loan.state import IN_DEFAULT, Loan, LoanStatus, parties_to
from services.loans.domain.papers import LoanPaper
from services.loans.events.defaults import DefaultCause
from services.loans.events.loan import LoanApproved, LoanId, LoanProposed
from services.loans.tables.loan import LoanRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.acting_api import ApprovalBody, ApprovalView, barred, document_answer, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, propose, withdrawn_or_proposed

router = APIRouter(prefix="/v1/loans", tags=["loans"])

Operates = Annotated[Caller, allow("operator")]
SeesLoans = Annotated[Caller, allow(*READERS, "borrower")]


class CancellationBody(Body):
    """`amount_minor` left out: all that is neither advanced nor asked for."""

    amount_minor: PositiveMinor | None = None
    reason: Text


class LoanProposedView(BaseModel):
    loan: str
    status: LoanStatus
    document: str  # SHA-256 of the proposal: what an approver signs
    commitment_minor: int
    currency: str


class LoanApprovedView(BaseModel):
    loan: str
    status: LoanStatus
    document: str
    approval: ApprovalView


class LoanChange(BaseModel):
    loan: str
    status: LoanStatus
    reason: str | None


class LoanSummary(BaseModel):
    loan: str
    status: LoanStatus
    facility: str
    borrower: str
    project: str
    currency: str
    commitment_minor: int
    undrawn_minor: int
    principal_minor: int
    overdue_minor: int
    bucket: str  # of arrears, in days past due
    grade: str
    stage: int


class InDefaultView(BaseModel):
    """`lapses_at`: of one that is one person's word, unless a second one confirms it. `falls_due_on`: all of it, by notice, and
    `fallen_due` once it has. `claim_minor`: still owed when its security was realised."""

    cause: DefaultCause | None
    lapses_at: datetime | None
    falls_due_on: date | None
    fallen_due: bool
    claim_minor: int | None


class LoanView(LoanSummary):
    """`figures`: at the end of the last day that is booked; `GET .../standing` says how it stands on any day. `cross_defaults`: the
    borrower's other loans that are in default."""

    terms: dict[str, Any]
    document: str
    proposed_by: str
    approval: ApprovalView | None
    reason: str | None
    reference: str | None
    figures: dict[str, Any] | None
    provision_minor: int
    in_default: InDefaultView | None = None
    cross_defaults: list[str] = []


@router.post("", status_code=201)
async def propose_loan(body: LoanTermsBody, caller: Operates, post: Posting, reads: Reading) -> LoanProposedView:
    """What the facility could not take today is refused at once; whether it can take it counts when it is approved."""
    loan, terms = LoanId(post.new_id("lon")), body.terms()
    if terms.reference_rate is not None:
        async with reads.session() as session:
            await find_reference_rate(session, terms.reference_rate.rate, "/reference_rate/rate")
    document = Document(canonical(LoanPaper(loan=loan, terms=terms)))
    command = ProposeLoan(
        loan=loan,
        terms=terms,
        document=document.name,
        by=caller.subject,
        on=post.today,
        shortage=await shortage_now(reads, headroom_for(loan, terms)),
    )
    event = (await post.submit(f"loan/{loan}", command, documents=[document])).event(LoanProposed)
    return LoanProposedView(
        loan=loan,
        status=LoanStatus.PROPOSED,
        document=event.document,
        commitment_minor=event.terms.commitment_minor,
        currency=event.terms.currency,
    )


@router.post("/{loan}/approvals", status_code=201)
async def approve_loan(
    loan: LoanPath, body: ApprovalBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> LoanApprovedView:
    """The signature of a second person, over the proposal's SHA-256. The facility is asked for its headroom next."""
    command = ApproveLoan(signing=await signing_of(reads, body, caller, post.today))
    bar = await barred(reads, caller.subject, lambda _: concerns_of(reads, loan))
    event = (await post.submit(f"loan/{loan}", bar or command)).event(LoanApproved)
    return LoanApprovedView(
        loan=loan,
        status=LoanStatus.APPROVED,
        document=event.document,
        approval=ApprovalView.of(event.approval),
    )


@router.post("/{loan}/withdraw", responses=OR_PROPOSED)
async def withdraw_loan(loan: LoanPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading) -> LoanChange | ProposalView:
    """Before it is committed: by who has proposed it; what somebody else has, two withdraw."""
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"loan/{loan}", WithdrawLoan(reason=post.text(body.reason)))
    if isinstance(done, ProposalView):
        return done
    return LoanChange(loan=loan, status=LoanStatus.WITHDRAWN, reason=body.reason)


@router.post("/{loan}/cancel-commitment", status_code=202)
async def cancel_commitment(loan: LoanPath, body: CancellationBody, caller: Operates, post: Posting) -> ProposalView:
    command = CancelCommitment(amount_minor=body.amount_minor, reason=post.text(body.reason), on=post.today)
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.get("")
async def list_loans(
    caller: SeesLoans,
    pages: Paging,
    status: Annotated[LoanStatus | None, Query()] = None,
    project: Annotated[Code | None, Query()] = None,
) -> Page[LoanSummary]:
    return await pages.of(
        select(LoanRow),
        LoanRow.loan,
        same_fields(LoanSummary),
        only={LoanRow.borrower: limited_to(caller), LoanRow.status: status, LoanRow.project: project},
    )


@router.get("/{loan}")
async def show_loan(loan: LoanPath, caller: SeesLoans, reads: Reading, response: Response) -> LoanView:
    async with reads.session() as session:
        row = await find_loan(session, loan, caller)
    reads.etag(response, caller, f"loan/{loan}", row.version)
    state, _ = await reads.state(f"loan/{loan}")
    view = LoanView.model_validate(row, from_attributes=True)
    view.cross_defaults = sorted(state.cross_defaults)
    if state.status in IN_DEFAULT:
        view.in_default = InDefaultView(
            cause=state.default_cause,
            lapses_at=None if state.declared is None else state.declared.lapses_at,
            falls_due_on=state.falls_due_on,
            fallen_due=state.accelerated is not None,
            claim_minor=state.claim_minor,
        )
    return view


@router.get("/{loan}/proposal", response_class=Response, responses=answers(LoanPaper))
async def show_loan_proposal(loan: LoanPath, caller: SeesLoans, reads: Reading) -> Response:
    """The document to the byte: its SHA-256 is what was signed."""
    async with reads.session() as session:
        row = await find_loan(session, loan, caller)
    return await document_answer(reads, row.document)


async def find_loan(session: AsyncSession, loan: str, caller: Caller) -> LoanRow:
    """Raises Problem `loan_not_found`, also for another borrower's."""
    row = await session.get(LoanRow, loan)
    if row is None or limited_to(caller) not in (None, row.borrower):
        raise Problem("loan_not_found", f"there is no loan {loan}", field="path:loan")
    return row


async def concerns_of(reads: Reads, loan: str) -> list[str]:
    """What nobody who signs the loan, or pays it out, has an interest in: its parties, and whom these are connected with."""
    state, _ = await reads.state(f"loan/{loan}")
    assert isinstance(state, Loan)
    if state.terms is None:
        return []
    parties = parties_to(state.terms)
    return interests_in((*parties, *await connected_now(reads, state.terms.facility, parties)))
