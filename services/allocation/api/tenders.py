"""Tenders: an operator opens, proposes, certifies and cancels; approvers approve. Bids come in by `bids.py`."""

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

from services.allocation.api.approvals import ApprovalBody, ApprovalView, signing_of
from services.allocation.api.authority import find_chains
from services.allocation.api.bids import BidView, bids_seen, opened_bids
from services.allocation.api.decisions import DECISION_FILE
from services.allocation.api.fields import READERS, PartnerField, ProductField, TenderPath, limited_to
from services.allocation.api.lookups import available_units, find_surroundings, valid_terms
from services.allocation.domain.sealed_bid import PRICE
from services.allocation.domain.tender import (
    ApproveTender,
    CancelTender,
    CertifyTender,
    ProposeTender,
)
from services.allocation.domain.tender_decision import (
    own_lines,
    read_tender_file,
)
from services.allocation.domain.tender_opening import MAX_APPROVALS, MAX_BIDDERS, MAX_RELEASE_DAYS, MAX_UNITS, OpenTender
from services.allocation.domain.tender_proposal import prepare_tender
from services.allocation.domain.tender_state import Tender
from services.allocation.events import (
    KeyId,
    PartnerCode,
    ProductId,
    SubjectId,
    TenderAward,
    TenderAwardGranted,
    TenderCertified,
    TenderId,
    TenderProposed,
    TenderTerms,
)
from services.allocation.tables import AwardStatus, StockRow
from services.allocation.tender_tables import TenderApprovalRow, TenderAwardRow, TenderRow, TenderStatus
from shared.auth import Caller, allow
from shared.authority import Chain
from shared.fields import Body, Instant, PositiveGrams, ReasonBody
from shared.http import Cursor, Limit, Page, Posting, Reading, Reads, page
from shared.journal import Document
from shared.postgres_journal import read_document
from shared.problems import Problem
from shared.record import canonical

router = APIRouter(prefix="/v1/tenders", tags=["tenders"])

Operates = Annotated[Caller, allow("operator")]
Sees = Annotated[Caller, allow(*READERS, "partner")]

type Price = Annotated[str, StringConstraints(pattern=PRICE)]
type AuthorityField = Annotated[str, StringConstraints(pattern="^[!-~]{1,100}$")]


class TenderBody(Body):
    """Prices are decimals, in minor units of the currency for a kilogram: `"2550.5"`. `unit_g`: the product's own unit unless it says."""

    product: ProductField
    units: Annotated[StrictInt, Field(ge=1, le=MAX_UNITS)]
    unit_g: PositiveGrams | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
    reserve_price: Price
    pricing: Annotated[str, StringConstraints(pattern="^(pay_as_bid|uniform)$")] = "pay_as_bid"
    tie_rule: Annotated[str, StringConstraints(pattern="^(pro_rata|lot)$")] = "pro_rata"
    cap_units: Annotated[StrictInt, Field(ge=1, le=MAX_UNITS)] | None = None  # all that is on offer, unless it says
    bidders: Annotated[list[PartnerField], Field(min_length=1, max_length=MAX_BIDDERS)]
    commit_until: Instant
    reveal_until: Instant
    approvals_needed: Annotated[StrictInt, Field(ge=1, le=MAX_APPROVALS)] = 1
    release_days: Annotated[StrictInt, Field(ge=1, le=MAX_RELEASE_DAYS)] = 90


class TermsView(BaseModel):
    product: str
    unit_g: int
    units: int
    currency: str
    reserve_price: str
    pricing: str
    tie_rule: str
    cap_units: int
    bidders: list[str]  # a partner sees itself
    commit_until: str
    reveal_until: str
    approvals_needed: int
    release_days: int


class TenderAwardView(BaseModel):
    award: str
    bid: str
    partner: str
    units: int
    mass_g: int
    amount_minor: int  # due


class GrantedView(TenderAwardView):
    status: AwardStatus


class TenderView(BaseModel):
    """A partner sees its own bid and award; of others' bids nobody sees anything before bidding has closed."""

    tender: str
    product: str
    status: TenderStatus
    terms: TermsView
    opened_on: date
    bids: list[BidView]
    decision: str | None
    proposed_by: str | None
    left_units: int | None
    approvals: list[ApprovalView]
    awards: list[GrantedView]
    expires_on: date | None
    certified_in: str | None
    reason: str | None


class OpenedTenderView(BaseModel):
    tender: str
    status: TenderStatus
    terms: TermsView


class ProposedTenderView(BaseModel):
    tender: str
    status: TenderStatus
    decision: str
    left_units: int
    awards: list[TenderAwardView]


class ApprovedTenderView(BaseModel):
    tender: str
    decision: str
    approval: ApprovalView
    authority: str  # that it was approved under


class CertifiedTenderView(BaseModel):
    tender: str
    status: TenderStatus
    decision: str
    expires_on: date
    awards: list[TenderAwardView]
    approvals: list[ApprovalView]
    certified_in: str


class CancelledTenderView(BaseModel):
    tender: str
    status: TenderStatus
    reason: str


class TenderSummary(BaseModel):
    tender: str
    product: str
    status: TenderStatus
    opened_on: date
    decision: str | None
    expires_on: date | None


@router.post("", status_code=201)
async def open_tender(body: TenderBody, caller: Operates, post: Posting, reads: Reading) -> OpenedTenderView:
    async with reads.session() as session:
        stock = await session.get(StockRow, body.product)
        if stock is None:
            raise Problem("product_not_found", f"{body.product} is not registered", field="/product")
        partners = [PartnerCode(partner) for partner in body.bidders]
        around = await find_surroundings(session, body.product, partners, None, post.today)
        sizes = {stock.nominal_unit_g, *await available_units(session, body.product)}
    terms = TenderTerms(
        product=ProductId(body.product),
        unit_g=body.unit_g or stock.nominal_unit_g,
        units=body.units,
        currency=body.currency,
        reserve_price=body.reserve_price,
        pricing="uniform" if body.pricing == "uniform" else "pay_as_bid",
        tie_rule="lot" if body.tie_rule == "lot" else "pro_rata",
        cap_units=body.cap_units or body.units,
        bidders=tuple(partners),
        commit_until=body.commit_until,
        reveal_until=body.reveal_until,
        approvals_needed=body.approvals_needed,
        release_days=body.release_days,
    )
    tender = TenderId(post.new_id("tnd"))
    command = OpenTender(
        tender=tender,
        terms=terms,
        sizes_g=tuple(sorted(sizes)),
        free_g=around.free_g,
        qualified=tuple(sorted(around.terms)),
        at=post.now,
    )
    accepted = await post.submit(f"tender/{tender}", command)
    return OpenedTenderView(tender=tender, status=TenderStatus.OPEN, terms=_terms(accepted.facts[0].event.terms, None))


@router.post("/{tender}/propose")
async def propose_tender(tender: TenderPath, caller: Operates, post: Posting, reads: Reading) -> ProposedTenderView:
    """Clears the bids that were revealed, once bidding has closed."""
    id, found = TenderId(tender), await find_tender(reads, tender)
    assert found.terms is not None
    bids = await opened_bids(reads, id, found.terms.bidders)
    async with reads.session() as session:
        around = await find_surroundings(session, found.terms.product, found.terms.bidders, None, post.today)
    versions = {partner: read.version for partner, read in around.terms.items()}
    prepared = None
    if bids is not None and not found.bidding:
        salts = [secrets.token_hex(16) for _ in bids]
        prepared = await asyncio.to_thread(prepare_tender, id, found.terms, bids, versions, salts)
    command = ProposeTender(by=SubjectId(caller.subject), free_g=around.free_g, cleared=None if prepared is None else prepared.cleared)
    documents = () if prepared is None else tuple(map(Document, prepared.documents))
    accepted = await post.submit(f"tender/{tender}", command, documents=documents)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, TenderProposed))
    return ProposedTenderView(
        tender=tender,
        status=TenderStatus.PROPOSED,
        decision=event.decision,
        left_units=event.left_units,
        awards=_awards(event.awards),
    )


@router.post("/{tender}/approvals", status_code=201)
async def approve_tender(
    tender: TenderPath, body: ApprovalBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> ApprovedTenderView:
    await find_tender(reads, tender)
    async with reads.session() as session:
        command = ApproveTender(signing=await signing_of(body, caller, post, session, reads))
    accepted = await post.submit(f"tender/{tender}", command)
    approved, cited = (fact.event for fact in accepted.facts)
    return ApprovedTenderView(
        tender=tender,
        decision=approved.decision,
        approval=ApprovalView(**msgspec.to_builtins(approved.approval)),
        authority=cited.cited.authority,
    )


@router.post("/{tender}/certify")
async def certify_tender(tender: TenderPath, caller: Operates, post: Posting, reads: Reading) -> CertifiedTenderView:
    """Makes the decision final. Inventory then releases all awards, or refuses them and the tender is to be proposed again."""
    found = await find_tender(reads, tender)
    assert found.terms is not None
    async with reads.session() as session:
        terms = await valid_terms(session, found.terms.product, found.terms.bidders, post.today)
        authorities = await _cited(session, found)
    command = CertifyTender(
        agreements={partner: read.version for partner, read in terms.items()},
        authorities=authorities,
        revoked=await _revoked(reads, found),
        on=post.today,
    )
    accepted = await post.submit(f"tender/{tender}", command)
    certified = next(fact for fact in accepted.facts if isinstance(fact.event, TenderCertified))
    granted = [fact.event for fact in accepted.facts if isinstance(fact.event, TenderAwardGranted)]
    return CertifiedTenderView(
        tender=tender,
        status=TenderStatus.CERTIFIED,
        decision=certified.event.decision,
        expires_on=certified.event.expires_on,
        awards=[TenderAwardView(**msgspec.to_builtins(event)) for event in granted],
        approvals=[ApprovalView(**msgspec.to_builtins(approval)) for approval in certified.event.approvals],
        certified_in=certified.place,
    )


@router.post("/{tender}/cancel")
async def cancel_tender(tender: TenderPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading) -> CancelledTenderView:
    await find_tender(reads, tender)
    await post.submit(f"tender/{tender}", CancelTender(reason=body.reason))
    return CancelledTenderView(tender=tender, status=TenderStatus.CANCELLED, reason=body.reason)


@router.get("")
async def list_tenders(
    caller: Sees,
    reads: Reading,
    request: Request,
    response: Response,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[TenderStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[TenderSummary]:
    """A partner sees those that it may bid in."""
    query = select(TenderRow)
    if (partner := limited_to(caller)) is not None:
        query = query.where(col(TenderRow.terms).contains({"bidders": [partner]}))
    if product is not None:
        query = query.where(TenderRow.product == product)
    if status is not None:
        query = query.where(TenderRow.status == status.value)
    async with reads.session() as session:
        return await page(
            session,
            query,
            key=col(TenderRow.tender),
            view=lambda row: TenderSummary.model_validate(row, from_attributes=True),
            cursor=cursor,
            limit=limit,
            request=request,
            response=response,
        )


@router.get("/{tender}")
async def show_tender(tender: TenderPath, caller: Sees, reads: Reading) -> TenderView:
    partner = limited_to(caller)
    async with reads.session() as session:
        row = await _find_row(session, tender, partner)
        approvals = select(TenderApprovalRow).where(TenderApprovalRow.tender == tender, TenderApprovalRow.decision == row.decision)
        awards = select(TenderAwardRow).where(TenderAwardRow.tender == tender)
        if partner is not None:
            awards = awards.where(TenderAwardRow.partner == partner)
        final = row.status in (TenderStatus.CERTIFIED, TenderStatus.RELEASED)
        hidden = partner is not None and not final
        return TenderView(
            tender=row.tender,
            product=row.product,
            status=TenderStatus(row.status),
            terms=_terms(msgspec.convert(row.terms, TenderTerms), partner),
            opened_on=row.opened_on,
            bids=await bids_seen(session, row, partner),
            decision=None if hidden else row.decision,
            proposed_by=None if hidden else row.proposed_by,
            left_units=None if partner is not None else row.left_units,
            approvals=[]
            if hidden
            else [
                ApprovalView.model_validate(each, from_attributes=True)
                for each in await session.exec(approvals.order_by(col(TenderApprovalRow.key)))
            ],
            awards=[
                GrantedView.model_validate(each, from_attributes=True)
                for each in await session.exec(awards.order_by(col(TenderAwardRow.award)))
            ],
            expires_on=row.expires_on,
            certified_in=row.certified_in,
            reason=row.reason,
        )


@router.get("/{tender}/decision", response_class=Response, responses=DECISION_FILE)
async def show_tender_decision(tender: TenderPath, caller: Sees, reads: Reading) -> Response:
    """With every bid opened; for a partner with its own, once it is certified."""
    partner = limited_to(caller)
    async with reads.session() as session:
        row = await _find_row(session, tender, partner)
    if row.file is None or (partner is not None and row.status not in (TenderStatus.CERTIFIED, TenderStatus.RELEASED)):
        raise Problem("decision_not_found", f"{tender} has no decision", field="path:tender")
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, row.file)
    assert document is not None, f"the document {row.file} is kept with the event that names it"
    content = bytes(document.content)
    if partner is not None:
        content = canonical(own_lines(read_tender_file(content), partner))
    return Response(content, media_type="application/json", headers={"ETag": f'"{row.decision}"'})


async def find_tender(reads: Reads, tender: str) -> Tender:
    """Raises Problem `tender_not_found`."""
    found, _ = await reads.state(f"tender/{tender}")
    assert isinstance(found, Tender)
    if found.id is None:
        raise Problem("tender_not_found", f"there is no tender {tender}", field="path:tender")
    return found


async def _find_row(session: AsyncSession, tender: str, partner: PartnerCode | None) -> TenderRow:
    """Raises Problem `tender_not_found`, also for one that the partner may not bid in."""
    row = await session.get(TenderRow, tender)
    if row is None or (partner is not None and partner not in row.terms["bidders"]):
        raise Problem("tender_not_found", f"there is no tender {tender}", field="path:tender")
    return row


async def _cited(session: AsyncSession, found: Tender) -> dict[str, Chain]:
    if found.proposal is None:
        return {}
    return await find_chains(session, {cited.authority for cited in found.proposal.cited.values()})


async def _revoked(reads: Reads, found: Tender) -> tuple[KeyId, ...]:
    """The keys of the approvals that are revoked by now."""
    if found.proposal is None:
        return ()
    revoked = []
    for approval in found.proposal.approvals.values():
        approver, _ = await reads.state(f"approver/{approval.subject}")
        if approver.keys[approval.key].revoked:
            revoked.append(approval.key)
    return tuple(revoked)


def _terms(terms: TenderTerms, partner: PartnerCode | None) -> TermsView:
    plain: dict[str, Any] = msgspec.to_builtins(terms)
    return TermsView(**(plain | {"bidders": list(terms.bidders) if partner is None else [partner]}))


def _awards(awards: Sequence[TenderAward]) -> list[TenderAwardView]:
    return [TenderAwardView(**msgspec.to_builtins(award)) for award in awards]
