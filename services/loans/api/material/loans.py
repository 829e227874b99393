"""Material loans: terms, signatures and what is owed. A partner sees its own; operators agree terms, approvers sign them."""

from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StrictInt
from sqlmodel import select

from services.loans.api.fields import Code, Currency, Element, Number, WholeMinor
from services.loans.api.material.fields import (
    Approves,
    Condition,
    MaterialPath,
    Operates,
    Place,
    SeesMaterial,
    find_material_loan,
    limited_to_partner,
    material_state,
    stream_of,
    today,
)
from services.loans.domain.controls import CONTROLS
from services.loans.domain.material.owed import EXAMPLE, FORMULA, factor, owed
from services.loans.domain.material.state import MaterialLoan, MaterialStatus
from services.loans.domain.material.terms import MAX_STEP_DAYS, ApproveTerms, ProposeTerms, WithdrawMaterialLoan, terms_document
from services.loans.domain.papers import MaterialTermsPaper
from services.loans.events.facility import FacilityId
from services.loans.events.material import MaterialTerms, MaterialTermsApproved, MaterialTermsProposed, Premium, Security, SecurityKind
from services.loans.tables.material import MaterialEntryRow, MaterialLoanRow, ProductRow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.terms.acting_api import ApprovalBody, ApprovalView, document_answer, signing_of
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/material-loans", tags=["material loans"])


class PremiumBody(Body):
    base_pct: Number = "1"
    step_pct: Number = "0.5"
    step_days: Annotated[StrictInt, Field(ge=1, le=MAX_STEP_DAYS)] = 30


class SecurityBody(Body):
    kind: SecurityKind
    value_minor: WholeMinor
    haircut: Number = Field(default="0", description="the share of its value that does not count")
    required_cover: Number = Field(default="1", description="of the value of what is owed")
    call_days: Annotated[StrictInt, Field(ge=0, le=366)] | None = Field(
        default=None, description="within how many days a call is met, or the loan is in default; left out: a call has no day"
    )


class MaterialTermsBody(Body):
    """`element` left out: the one of which the product states the largest share."""

    facility: Code = "lending"
    element: Element | None = None
    due_on: Day
    return_place: Place
    premium: PremiumBody = PremiumBody()
    splitting_limit: Number = Field(default="0.002", description="of the mass: two assays that differ by no more are settled at their mean")
    currency: Currency = "AUD"
    security: SecurityBody
    deferral_conditions: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    deferral_pct: Number = Field(default="1", description="further premium, for each deferral")
    cash_basis: Text


class MaterialProposedView(BaseModel):
    loan: str
    status: MaterialStatus
    document: str  # SHA-256 of the terms: what an approver signs
    element: str
    content: str


class MaterialApprovedView(BaseModel):
    loan: str
    status: MaterialStatus
    document: str
    contained_g: int  # that the facility is asked for
    approval: ApprovalView


class MaterialLoanSummary(BaseModel):
    loan: str
    status: MaterialStatus
    partner: str
    product: str
    award: str
    release: str
    mass_g: int
    undrawn_g: int
    return_on: date
    draw_by: date
    element: str | None
    due_on: date | None
    committed_g: int
    lent_g: int
    out_g: int  # without premium
    pending_g: int  # of returns that wait to be credited
    returned_g: int
    premium_g: int
    excess_g: int
    overdue: bool
    defaulted: bool
    default_lapses_at: datetime | None  # of one that is one person's word, unless a second one confirms it


class MaterialLoanView(MaterialLoanSummary):
    """`owed_g`: today, with premium. Grams are contained ones of `element`, but `mass_g` and `undrawn_g`."""

    facility: str | None
    terms: dict[str, Any] | None
    document: str | None
    proposed_by: str | None
    approval: ApprovalView | None
    currency: str | None
    security_minor: int
    call_minor: int
    marked: dict[str, Any] | None
    reason: str | None
    owed_g: int


class MaterialEntryView(BaseModel):
    """A line of the loan's history. `told`: the event as it is stored."""

    version: int
    kind: str
    on: date
    recorded_on: date
    told: dict[str, Any]
    place: str


class TrancheView(BaseModel):
    draw: str
    lent_on: date
    lent_g: int
    out_g: int
    days_held: int
    factor: str  # by which what is out is multiplied
    owed_g: int


class PremiumView(BaseModel):
    """What is owed at the end of a day if nothing more comes back, by draw."""

    loan: str
    on: date
    element: str
    formula: str
    example: str
    base_pct: str
    step_pct: str
    step_days: int
    further_pct: list[str]  # of the deferrals that count by then
    tranches: list[TrancheView]
    principal_g: int
    premium_g: int
    owed_g: int


@router.get("")
async def list_material_loans(
    caller: SeesMaterial, pages: Paging, status: Annotated[MaterialStatus | None, Query()] = None
) -> Page[MaterialLoanSummary]:
    return await pages.of(
        select(MaterialLoanRow),
        MaterialLoanRow.loan,
        same_fields(MaterialLoanSummary),
        only={MaterialLoanRow.partner: limited_to_partner(caller), MaterialLoanRow.status: status},
    )


@router.get("/{loan}")
async def show_material_loan(loan: MaterialPath, caller: SeesMaterial, reads: Reading, response: Response) -> MaterialLoanView:
    async with reads.session() as session:
        row = await find_material_loan(session, loan, caller)
    state, _ = await material_state(reads, loan, caller)
    reads.etag(response, caller, stream_of(loan), row.version)
    return MaterialLoanView.model_validate(row.model_dump() | {"owed_g": _owed_g(state, today(reads))})


@router.get("/{loan}/history")
async def list_history(loan: MaterialPath, caller: SeesMaterial, pages: Paging) -> Page[MaterialEntryView]:
    """Everything that happened to it, in order."""
    async with pages.session() as session:
        await find_material_loan(session, loan, caller)
        return await pages.of(
            select(MaterialEntryRow).where(MaterialEntryRow.loan == loan),
            MaterialEntryRow.version,
            same_fields(MaterialEntryView),
            session=session,
        )


@router.get("/{loan}/premium")
async def show_premium(
    loan: MaterialPath, caller: SeesMaterial, reads: Reading, on: Annotated[Day | None, Query(description="today, if left out")] = None
) -> PremiumView:
    """The formula, with a worked example, and what it comes to on a day."""
    await reads.arrived()
    state, _ = await material_state(reads, loan, caller)
    if (terms := state.terms) is None:
        raise Problem("nothing_lent", "its terms are not agreed")
    day = on or today(reads)
    found = owed(state.tranches, terms.premium, state.further, day)
    return PremiumView(
        loan=loan,
        on=day,
        element=terms.element,
        formula=FORMULA,
        example=EXAMPLE,
        base_pct=terms.premium.base_pct,
        step_pct=terms.premium.step_pct,
        step_days=terms.premium.step_days,
        further_pct=[each.pct for each in state.further if each.from_on <= day],
        tranches=[
            TrancheView(
                draw=each.draw,
                lent_on=each.lent_on,
                lent_g=each.lent_g,
                out_g=each.out_g,
                days_held=max(0, (day - each.lent_on).days),
                factor=str(factor(terms.premium, state.further, each.lent_on, day)),
                owed_g=owed([each], terms.premium, state.further, day).total_g,
            )
            for each in state.tranches
        ],
        principal_g=found.principal_g,
        premium_g=found.premium_g,
        owed_g=found.total_g,
    )


def _owed_g(loan: MaterialLoan, on: date) -> int:
    return 0 if loan.terms is None else owed(loan.tranches, loan.terms.premium, loan.further, on).total_g


@router.post("/{loan}/terms", status_code=201)
async def propose_terms(
    loan: MaterialPath, body: MaterialTermsBody, caller: Operates, post: Posting, reads: Reading
) -> MaterialProposedView:
    """For a second person's signature over the SHA-256 of their document."""
    state, _ = await material_state(reads, loan, caller)
    terms = await _terms(reads, state.product, body)
    document = Document(terms_document(state, terms))
    command = ProposeTerms(terms=terms, document=document.name, by=caller.subject, on=post.today)
    event = (await post.submit(stream_of(loan), command, documents=[document])).event(MaterialTermsProposed)
    return MaterialProposedView(
        loan=loan, status="proposed", document=event.document, element=event.terms.element, content=event.terms.content
    )


async def _terms(reads: Reads, product: str, body: MaterialTermsBody) -> MaterialTerms:
    """With the content that the product states of the element."""
    async with reads.session() as session:
        row = await session.get(ProductRow, product)
    if row is None:
        raise Problem("product_not_found", f"{product} is not registered")
    element = body.element or _principal(row.contents)
    if element not in row.contents:
        elements = ", ".join(sorted(row.contents))
        raise Problem("material_terms_invalid", f"{product} states nothing of {element}", field="/element", accepted=elements)
    return MaterialTerms(
        facility=FacilityId(body.facility),
        element=element,
        content=row.contents[element],
        due_on=body.due_on,
        return_place=body.return_place,
        premium=Premium(**body.premium.model_dump()),
        splitting_limit=body.splitting_limit,
        currency=body.currency,
        security=Security(**body.security.model_dump()),
        deferral_conditions=body.deferral_conditions,
        deferral_pct=body.deferral_pct,
        cash_basis=body.cash_basis,
    )


def _principal(contents: dict[str, str]) -> str:
    return max(sorted(contents), key=lambda element: Fraction(contents[element]))


@router.get("/{loan}/terms", response_class=Response, responses=answers(MaterialTermsPaper))
async def show_terms(loan: MaterialPath, caller: SeesMaterial, reads: Reading) -> Response:
    """The document to the byte: its SHA-256 is what is signed."""
    async with reads.session() as session:
        row = await find_material_loan(session, loan, caller)
    if row.document is None:
        raise Problem("nothing_to_approve", "no terms are proposed")
    return await document_answer(reads, row.document)


@router.post("/{loan}/approvals", status_code=201)
async def approve_terms(loan: MaterialPath, body: ApprovalBody, caller: Approves, post: Posting, reads: Reading) -> MaterialApprovedView:
    """The signature of a second person, for the purpose "material_loan". The facility is asked for headroom next."""
    command = ApproveTerms(signing=await signing_of(reads, body, caller, post.today), on=post.today)
    event = (await post.submit(stream_of(loan), command)).event(MaterialTermsApproved)
    return MaterialApprovedView(
        loan=loan,
        status="approved",
        document=event.document,
        contained_g=event.contained_g,
        approval=ApprovalView.of(event.approval),
    )


@router.post("/{loan}/withdraw", status_code=202)
async def withdraw_material_loan(loan: MaterialPath, body: ReasonBody, caller: Operates, post: Posting) -> ProposalView:
    """Before anything is committed. Signed, what its release had reserved is available again."""
    return await propose(post, CONTROLS, stream_of(loan), WithdrawMaterialLoan(reason=post.text(body.reason)))
