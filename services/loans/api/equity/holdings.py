"""Equity: operators propose holdings and record what becomes of them; a second person approves."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field, StrictInt
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.facility.facilities import shortage_now
from services.loans.api.fields import READERS, Code, Currency, Element, PositiveMinor, PositiveNumber, WholeMinor
from services.loans.domain.controls import CONTROLS
from services.loans.domain.equity.decider import ApproveHolding, CancelUncalled, ProposeHolding, WithdrawHolding
from services.loans.domain.equity.flows import DivestShares, ReceiveDividend, ReverseDividend, SubscribeShares, ValueHolding
from services.loans.domain.equity.state import HoldingStatus, keys_of
from services.loans.domain.facility.headroom import ReserveHeadroom
from services.loans.domain.papers import HoldingPaper
from services.loans.events.equity import CompanyCode, EquityFlowId, HoldingId, HoldingProposed, HoldingTerms, ShareClass
from services.loans.events.facility import CommitmentId, FacilityId
from services.loans.events.terms import Category, FundingAccount
from services.loans.tables.equity import EquityFlowRow, HoldingRow, ValuationRow
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.protocol import Document
from shared.journal.record import MAX_INTEGER, canonical
from shared.terms.acting_api import ApprovalBody, ApprovalView, document_answer, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, propose, withdrawn_or_proposed
from shared.terms.dating import Dated
from shared.writer.commands import Accepted

router = APIRouter(tags=["equity"])

HoldingPath = Annotated[str, Path(pattern=f"^eqh_{TYPEID}$")]
FlowPath = Annotated[str, Path(pattern=f"^eqf_{TYPEID}$")]
Operates = Annotated[Caller, allow("operator")]
Reader = Annotated[Caller, allow(*READERS)]
type Units = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]


class HoldingBody(Body):
    facility: Code = "cmf"
    account: FundingAccount
    instrument: Text = Field(description="that approves it: an Act, direction or delegation")
    company: Code
    project: Code
    elements: Annotated[list[Element], Field(min_length=1, max_length=20)]
    share_class: ShareClass
    currency: Currency = "AUD"
    commitment_minor: PositiveMinor
    units: Units
    unit_price_minor: PositiveNumber
    kyc: Text = Field(description="the reference of the check that cleared the company")
    category: Category


class SubscriptionBody(Body):
    reference: Text = Field(description="the bank's; each counts once")
    units: Units
    amount_minor: PositiveMinor
    paid_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `paid_on` is not today: why it is recorded later")


class ValuationBody(Body):
    value_minor: WholeMinor = Field(description="of all that was held at the end of the day")
    on: Day
    source: Text


class DividendBody(Body):
    reference: Text
    amount_minor: PositiveMinor
    received_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `received_on` is not today: why it is recorded later")


class DivestmentBody(Body):
    reference: Text
    units: Units
    amount_minor: WholeMinor
    received_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `received_on` is not today: why it is recorded later")


class FiguresView(BaseModel):
    units: int
    cost_minor: int  # of what is held, less what was written down
    subscribed_minor: int
    uncalled_minor: int
    dividends_minor: int
    proceeds_minor: int
    sold_cost_minor: int
    written_down_minor: int


class HoldingView(BaseModel):
    holding: str
    status: HoldingStatus
    facility: str
    company: str
    project: str
    currency: str
    terms: dict[str, Any]
    figures: FiguresView
    document: str  # SHA-256 of the proposal: what the approver signs
    proposed_by: str
    approval: ApprovalView | None
    reason: str | None


class HoldingProposedView(BaseModel):
    holding: str
    status: HoldingStatus
    document: str


class StatusView(BaseModel):
    holding: str
    status: HoldingStatus


class BookedView(BaseModel):
    """What an event changed, and the holding after it."""

    holding: str
    flow: str
    cash_minor: int  # received, or below zero paid
    cost_minor: int
    gain_minor: int
    closed: bool
    figures: FiguresView


class ValuedView(BaseModel):
    holding: str
    on: date
    units: int
    value_minor: int
    source: str


class FlowView(BaseModel):
    flow: str
    kind: str
    reference: str | None
    on: date
    units: int
    cash_minor: int
    cost_minor: int
    reversed: bool


@router.post("/v1/holdings", status_code=201)
async def propose_holding(body: HoldingBody, caller: Operates, post: Posting, reads: Reading) -> HoldingProposedView:
    """For a second person's signature over the SHA-256 of its document. What the facility could not take now is refused at once."""
    holding = HoldingId(post.new_id("eqh"))
    terms = HoldingTerms(
        **body.model_dump(exclude={"facility", "company", "elements"}),
        facility=FacilityId(body.facility),
        company=CompanyCode(body.company),
        elements=tuple(body.elements),
    )
    paper = HoldingPaper(holding=holding, terms=terms, proposed_by=caller.subject, proposed_on=post.today)
    document = Document(canonical(paper))
    wanted = ReserveHeadroom(
        facility=terms.facility,
        commitment=CommitmentId(holding),
        asset=terms.currency,
        amount=terms.commitment_minor,
        keys=keys_of(terms),
    )
    command = ProposeHolding(
        holding=holding,
        terms=terms,
        document=document.name,
        by=caller.subject,
        shortage=await shortage_now(reads, wanted),
    )
    event = (await post.submit(f"equity/{holding}", command, documents=[document])).event(HoldingProposed)
    return HoldingProposedView(holding=event.holding, status=HoldingStatus.PROPOSED, document=event.document)


@router.post("/v1/holdings/{holding}/approvals", status_code=201)
async def approve_holding(
    holding: HoldingPath, body: ApprovalBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> StatusView:
    """The facility is asked for the commitment next."""
    await post.submit(f"equity/{holding}", ApproveHolding(signing=await signing_of(reads, body, caller, post.today)))
    return StatusView(holding=holding, status=HoldingStatus.APPROVED)


@router.post("/v1/holdings/{holding}/withdraw", responses=OR_PROPOSED)
async def withdraw_holding(
    holding: HoldingPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> StatusView | ProposalView:
    """Before it is committed: by who has proposed it; what somebody else has, two withdraw."""
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"equity/{holding}", WithdrawHolding(reason=post.text(body.reason)))
    return done if isinstance(done, ProposalView) else StatusView(holding=holding, status=HoldingStatus.WITHDRAWN)


@router.post("/v1/holdings/{holding}/cancel-uncalled", status_code=202)
async def cancel_uncalled(holding: HoldingPath, body: ReasonBody, caller: Operates, post: Posting) -> ProposalView:
    """Signed, what is not paid of the commitment never will be: the facility has it again."""
    return await propose(post, CONTROLS, f"equity/{holding}", CancelUncalled(reason=post.text(body.reason)))


@router.post("/v1/holdings/{holding}/subscriptions", status_code=202)
async def subscribe_shares(holding: HoldingPath, body: SubscriptionBody, caller: Operates, post: Posting) -> ProposalView:
    command = SubscribeShares(flow=EquityFlowId(post.new_id("eqf")), **body.model_dump(), reported_on=post.today, on=post.today)
    return await propose(post, CONTROLS, f"equity/{holding}", command)


@router.post("/v1/holdings/{holding}/valuations", status_code=202)
async def value_holding(holding: HoldingPath, body: ValuationBody, caller: Operates, post: Posting) -> ProposalView:
    """A later one of the same day replaces it."""
    command = ValueHolding(value_minor=body.value_minor, valued_on=body.on, source=post.text(body.source), on=post.today)
    return await propose(post, CONTROLS, f"equity/{holding}", command)


@router.post("/v1/holdings/{holding}/dividends", status_code=201)
async def receive_dividend(holding: HoldingPath, body: DividendBody, caller: Operates, post: Posting) -> BookedView:
    command = ReceiveDividend(flow=EquityFlowId(post.new_id("eqf")), **body.model_dump(), on=post.today)
    return booked(await post.submit(f"equity/{holding}", command, effective_on=body.received_on))


@router.post("/v1/holdings/{holding}/dividends/{flow}/reverse", status_code=202)
async def reverse_dividend(holding: HoldingPath, flow: FlowPath, body: ReasonBody, caller: Operates, post: Posting) -> ProposalView:
    return await propose(post, CONTROLS, f"equity/{holding}", ReverseDividend(flow=EquityFlowId(flow), reason=post.text(body.reason)))


@router.post("/v1/holdings/{holding}/divestments", status_code=202)
async def divest_shares(holding: HoldingPath, body: DivestmentBody, caller: Operates, post: Posting) -> ProposalView:
    """At the average cost of what is held; the last of the shares closes the holding."""
    command = DivestShares(flow=EquityFlowId(post.new_id("eqf")), **body.model_dump(), reported_on=post.today, on=post.today)
    return await propose(post, CONTROLS, f"equity/{holding}", command)


@router.get("/v1/holdings")
async def list_holdings(
    caller: Reader,
    pages: Paging,
    project: Annotated[Code | None, Query()] = None,
    status: Annotated[HoldingStatus | None, Query()] = None,
) -> Page[HoldingView]:
    return await pages.of(select(HoldingRow), HoldingRow.holding, _view, only={HoldingRow.project: project, HoldingRow.status: status})


@router.get("/v1/holdings/{holding}")
async def show_holding(holding: HoldingPath, caller: Reader, reads: Reading, response: Response) -> HoldingView:
    async with reads.session() as session:
        row = await find_holding(session, holding)
    reads.etag(response, caller, f"equity/{holding}", row.version)
    return _view(row)


@router.get("/v1/holdings/{holding}/proposal", response_class=Response, responses=answers(HoldingPaper))
async def show_holding_proposal(holding: HoldingPath, caller: Reader, reads: Reading) -> Response:
    """The bytes whose SHA-256 the approver signs."""
    async with reads.session() as session:
        row = await find_holding(session, holding)
    return await document_answer(reads, row.document)


@router.get("/v1/holdings/{holding}/flows")
async def list_flows(holding: HoldingPath, caller: Reader, pages: Paging) -> Page[FlowView]:
    async with pages.session() as session:
        await find_holding(session, holding)
        return await pages.of(
            select(EquityFlowRow).where(EquityFlowRow.holding == holding), EquityFlowRow.flow, same_fields(FlowView), session=session
        )


@router.get("/v1/holdings/{holding}/valuations")
async def list_valuations(holding: HoldingPath, caller: Reader, pages: Paging) -> Page[ValuedView]:
    async with pages.session() as session:
        await find_holding(session, holding)
        return await pages.of(
            select(ValuationRow).where(ValuationRow.holding == holding), ValuationRow.on, same_fields(ValuedView), session=session
        )


async def find_holding(session: AsyncSession, holding: str) -> HoldingRow:
    """Raises Problem `holding_not_found`."""
    row = await session.get(HoldingRow, holding)
    if row is None:
        raise Problem("holding_not_found", f"there is no holding {holding}", field="path:holding")
    return row


def _view(row: HoldingRow) -> HoldingView:
    return HoldingView.model_validate(row, from_attributes=True)


def booked(accepted: Accepted) -> BookedView:
    event = accepted.facts[0].event
    return BookedView(
        holding=event.holding,
        flow=event.flow,
        cash_minor=event.change.cash_minor,
        cost_minor=event.change.cost_minor,
        gain_minor=-event.change.divestment_income_minor,
        closed=len(accepted.facts) > 1,
        figures=FiguresView.model_validate(event.after, from_attributes=True),
    )
