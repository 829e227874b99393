"""What partners hold of material loans: deferrals of the day, security against it, and what is done where nothing comes back in kind."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlmodel import select

from services.loans.api.fields import PositiveMinor, WholeMinor
from services.loans.api.material.fields import (
    Approves,
    Condition,
    DeferralPath,
    MaterialPath,
    Operates,
    PriceMinor,
    SeesMaterial,
    find_material_loan,
    material_state,
    of_event,
    stream_of,
)
from services.loans.domain.controls import CONTROLS
from services.loans.domain.material.defaults import (
    ConfirmMaterialDefault,
    DeclareMaterialDefault,
    RecordReplacement,
)
from services.loans.domain.material.held import (
    MarkSecurity,
    SettleInCash,
    TopUpSecurity,
)
from services.loans.domain.material.terms import ApproveDeferral, ProposeDeferral, deferral_document
from services.loans.domain.papers import DeferralPaper
from services.loans.events.material import DeferralApproved, DeferralId, DeferralProposed, MaterialDefaultConfirmed, MaterialDefaulted
from services.loans.tables.material import DeferralRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.terms.acting_api import ApprovalBody, ApprovalView, accounts_of_caller, by_one_caller, document_answer, signing_of
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/material-loans", tags=["material loans"])

Asks = Annotated[Caller, allow("operator", "partner")]


class DeferralBody(Body):
    condition: Condition  # one that the terms name
    evidence: Text
    due_on: Day


class MarkBody(Body):
    price_minor: PriceMinor
    quoted_on: Day
    source: Text


class TopUpBody(Body):
    amount_minor: PositiveMinor
    reference: Text


class CashBody(Body):
    price_minor: PriceMinor
    source: Text  # the price that the terms name
    reference: Text


class ReplacementBody(Body):
    bought_g: PositiveGrams  # contained
    cost_minor: WholeMinor
    source: Text


class DeferralView(BaseModel):
    deferral: str
    loan: str
    condition: str
    evidence: str
    due_on: date
    premium_pct: str  # further premium
    document: str  # SHA-256: what an approver signs
    proposed_by: str
    status: Literal["proposed", "approved"]
    approval: ApprovalView | None


class DeferredView(BaseModel):
    loan: str
    deferral: str
    due_on: date
    premium_pct: str
    from_on: date
    approval: ApprovalView


class DefaultView(BaseModel):
    loan: str
    owed_g: int
    on: date
    reason: str
    lapses_at: datetime  # unless a second person confirms it


class MaterialDefaultConfirmedView(BaseModel):
    loan: str
    confirmed_by: str


@router.post("/{loan}/deferrals", status_code=201)
async def propose_deferral(loan: MaterialPath, body: DeferralBody, caller: Asks, post: Posting, reads: Reading) -> DeferralView:
    """Asked for by the partner or for it; an approver signs the SHA-256 of its document, for the purpose "material_deferral"."""
    state, _ = await material_state(reads, loan, caller)
    deferral = DeferralId(post.new_id("dfr"))
    evidence = post.text(body.evidence)
    document = Document(deferral_document(state, deferral, body.condition, evidence, body.due_on))
    command = ProposeDeferral(
        deferral=deferral,
        condition=body.condition,
        evidence=evidence,
        due_on=body.due_on,
        document=document.name,
        by=caller.subject,
    )
    event = (await post.submit(stream_of(loan), command, documents=[document])).event(DeferralProposed)
    asked = {name: getattr(event, name) for name in DeferralView.model_fields if hasattr(event, name)}
    return DeferralView(**asked, status="proposed", approval=None)


@router.get("/{loan}/deferrals")
async def list_deferrals(loan: MaterialPath, caller: SeesMaterial, pages: Paging) -> Page[DeferralView]:
    async with pages.session() as session:
        await find_material_loan(session, loan, caller)
        return await pages.of(
            select(DeferralRow).where(DeferralRow.loan == loan), DeferralRow.deferral, same_fields(DeferralView), session=session
        )


@router.get("/{loan}/deferrals/{deferral}/document", response_class=Response, responses=answers(DeferralPaper))
async def show_deferral_document(loan: MaterialPath, deferral: DeferralPath, caller: SeesMaterial, reads: Reading) -> Response:
    """The document to the byte: its SHA-256 is what is signed."""
    async with reads.session() as session:
        await find_material_loan(session, loan, caller)
        row = await session.get(DeferralRow, deferral)
    if row is None or row.loan != loan:
        raise Problem("deferral_not_found", f"there is no deferral {deferral}", field="path:deferral")
    return await document_answer(reads, row.document)


@router.post("/{loan}/deferrals/{deferral}/approvals", status_code=201)
async def approve_deferral(
    loan: MaterialPath, deferral: DeferralPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading
) -> DeferredView:
    command = ApproveDeferral(deferral=DeferralId(deferral), signing=await signing_of(reads, body, caller, post.today), on=post.today)
    return of_event(DeferredView, (await post.submit(stream_of(loan), command)).event(DeferralApproved))


@router.post("/{loan}/security/marks", status_code=202)
async def mark_security(loan: MaterialPath, body: MarkBody, caller: Operates, post: Posting) -> ProposalView:
    """The security against the value of what is owed, at a price; what it falls short is called once another person has signed it."""
    command = MarkSecurity(price_minor=body.price_minor, quoted_on=body.quoted_on, source=post.text(body.source), on=post.today)
    return await propose(post, CONTROLS, stream_of(loan), command)


@router.post("/{loan}/security/top-ups", status_code=202)
async def top_up_security(loan: MaterialPath, body: TopUpBody, caller: Operates, post: Posting) -> ProposalView:
    """More security, which counts towards a call once another person has found it, and signed."""
    command = TopUpSecurity(amount_minor=body.amount_minor, reference=body.reference)
    return await propose(post, CONTROLS, stream_of(loan), command)


@router.post("/{loan}/cash-settlement", status_code=202)
async def settle_in_cash(loan: MaterialPath, body: CashBody, caller: Operates, post: Posting) -> ProposalView:
    """All that is owed on the day of the signature is paid in money, at the price that the terms name."""
    command = SettleInCash(price_minor=body.price_minor, source=body.source, reference=body.reference, on=post.today)
    return await propose(post, CONTROLS, stream_of(loan), command)


@router.post("/{loan}/default", status_code=201)
async def declare_material_default(loan: MaterialPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading) -> DefaultView:
    """Of what is overdue, for 72 hours: longer, if a second person confirms it. Nothing is bought for it before."""
    by = await by_one_caller(reads, caller, post.now)
    command = DeclareMaterialDefault(reason=post.text(body.reason), on=post.today, by=by)
    return of_event(DefaultView, (await post.submit(stream_of(loan), command)).event(MaterialDefaulted))


@router.post("/{loan}/default/confirm")
async def confirm_material_default(
    loan: MaterialPath, caller: Annotated[Caller, allow("operator", "approver")], post: Posting, reads: Reading
) -> MaterialDefaultConfirmedView:
    """By a second person: it does not lapse any more."""
    command = ConfirmMaterialDefault(by=caller.subject, accounts=await accounts_of_caller(reads, caller))
    return of_event(MaterialDefaultConfirmedView, (await post.submit(stream_of(loan), command)).event(MaterialDefaultConfirmed))


@router.post("/{loan}/replacements", status_code=202)
async def record_replacement(loan: MaterialPath, body: ReplacementBody, caller: Operates, post: Posting) -> ProposalView:
    """What the Reserve bought after a default. Signed, its cost is taken from the security; what that does not cover is a claim."""
    command = RecordReplacement(bought_g=body.bought_g, cost_minor=body.cost_minor, source=post.text(body.source), on=post.today)
    return await propose(post, CONTROLS, stream_of(loan), command)
