"""Tenders: an operator opens, proposes, certifies and cancels; approvers approve. Bids come in by `bids.py`."""

import asyncio
import secrets
from collections.abc import Collection
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import READERS, ProductField, TenderPath, limited_to
from services.allocation.api.lookups import available_units, find_surroundings, valid_terms
from services.allocation.api.tenders.bids import bids_seen, opened_bids
from services.allocation.api.tenders.views import (
    ApprovedTenderView,
    CancelledTenderView,
    CertifiedTenderView,
    GrantedView,
    OpenedTenderView,
    ProposedTenderView,
    TenderAwardView,
    TenderBody,
    TenderSummary,
    TenderView,
    view_awards,
    view_terms,
)
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.tenders.decider import ApproveTender, CancelTender, CertifyTender, ProposeTender, concerns_of
from services.allocation.domain.tenders.decision import TenderFile, own_lines, read_tender_file
from services.allocation.domain.tenders.opening import OpenTender
from services.allocation.domain.tenders.proposal import prepare_tender
from services.allocation.domain.tenders.state import Tender
from services.allocation.events import (
    PartnerCode,
    ProductId,
    SubjectId,
    TenderAwardGranted,
    TenderCertified,
    TenderId,
    TenderOpened,
    TenderProposed,
    TenderTerms,
)
from services.allocation.tables.supply import StockRow
from services.allocation.tables.tenders import TenderApprovalRow, TenderAwardRow, TenderRow, TenderStatus
from shared.http.auth import Caller, allow
from shared.http.fields import ReasonBody
from shared.http.handlers import Page, Paging, Posting, Reading, Reads
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.postgres import read_document
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.acting_api import ApprovalBody, ApprovalView, barred, looked_up_again, signing_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, withdrawn_or_proposed

router = APIRouter(prefix="/v1/tenders", tags=["tenders"])

Operates = Annotated[Caller, allow("operator")]
Sees = Annotated[Caller, allow(*READERS, "partner")]


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
        by=SubjectId(caller.subject),
        at=post.now,
    )
    accepted = await post.submit(f"tender/{tender}", command)
    return OpenedTenderView(tender=tender, status=TenderStatus.OPEN, terms=view_terms(accepted.event(TenderOpened).terms, None))


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
    bar = await _bar(reads, caller, found)
    accepted = await post.submit(f"tender/{tender}", bar or command, documents=documents)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, TenderProposed))
    return ProposedTenderView(
        tender=tender,
        status=TenderStatus.PROPOSED,
        decision=event.decision,
        left_units=event.left_units,
        awards=view_awards(event.awards),
    )


@router.post("/{tender}/approvals", status_code=201)
async def approve_tender(
    tender: TenderPath, body: ApprovalBody, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> ApprovedTenderView:
    await find_tender(reads, tender)
    command = ApproveTender(signing=await signing_of(reads, body, caller, post.today))
    accepted = await post.submit(f"tender/{tender}", command)
    approved, cited = (fact.event for fact in accepted.facts)
    return ApprovedTenderView(
        tender=tender,
        decision=approved.decision,
        approval=ApprovalView.of(approved.approval),
        authority=cited.cited.authority,
    )


async def _bar(reads: Reads, caller: Caller, tender: Tender) -> Problem | None:
    async def concerns(_: AsyncSession) -> Collection[str]:
        return concerns_of(tender)

    return await barred(reads, caller.subject, concerns)


@router.post("/{tender}/certify")
async def certify_tender(tender: TenderPath, caller: Operates, post: Posting, reads: Reading) -> CertifiedTenderView:
    """Makes the decision final. Inventory then releases all awards, or refuses them and the tender is to be proposed again."""
    found = await find_tender(reads, tender)
    assert found.terms is not None
    async with reads.session() as session:
        terms = await valid_terms(session, found.terms.product, found.terms.bidders, post.today)
    authorities, revoked = await looked_up_again(reads, found.proposal, concerns_of(found))
    command = CertifyTender(
        agreements={partner: read.version for partner, read in terms.items()},
        authorities=authorities,
        revoked=revoked,
        on=post.today,
    )
    accepted = await post.submit(f"tender/{tender}", await _bar(reads, caller, found) or command)
    certified = next(fact for fact in accepted.facts if isinstance(fact.event, TenderCertified))
    granted = [fact.event for fact in accepted.facts if isinstance(fact.event, TenderAwardGranted)]
    return CertifiedTenderView(
        tender=tender,
        status=TenderStatus.CERTIFIED,
        decision=certified.event.decision,
        expires_on=certified.event.expires_on,
        awards=[TenderAwardView(**msgspec.to_builtins(event)) for event in granted],
        approvals=[ApprovalView.of(approval) for approval in certified.event.approvals],
        certified_in=certified.place,
    )


@router.post("/{tender}/cancel", responses=OR_PROPOSED)
async def cancel_tender(
    tender: TenderPath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> CancelledTenderView | ProposalView:
    """By who opened it, as long as nobody has approved its decision; else it is proposed, and another person signs it."""
    await find_tender(reads, tender)
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"tender/{tender}", CancelTender(reason=post.text(body.reason)))
    if isinstance(done, ProposalView):
        return done
    return CancelledTenderView(tender=tender, status=TenderStatus.CANCELLED, reason=body.reason)


@router.get("")
async def list_tenders(
    caller: Sees,
    pages: Paging,
    product: Annotated[ProductField | None, Query()] = None,
    status: Annotated[TenderStatus | None, Query()] = None,
) -> Page[TenderSummary]:
    """A partner sees those that it may bid in; of a decision, nothing before it is certified."""
    query = select(TenderRow)
    if (partner := limited_to(caller)) is not None:
        query = query.where(col(TenderRow.terms).contains({"bidders": [partner]}))
    return await pages.of(
        query, TenderRow.tender, lambda row: _summary(row, partner), only={TenderRow.product: product, TenderRow.status: status}
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
        hidden = _is_hidden(row, partner)
        return TenderView(
            tender=row.tender,
            product=row.product,
            status=TenderStatus(row.status),
            terms=view_terms(msgspec.convert(row.terms, TenderTerms), partner),
            opened_on=row.opened_on,
            bids=await bids_seen(session, row, partner),
            decision=None if hidden else row.decision,
            proposed_by=None if hidden else row.proposed_by,
            left_units=None if partner is not None else row.left_units,
            approvals=[]
            if hidden
            else [ApprovalView.of(each) for each in await session.exec(approvals.order_by(col(TenderApprovalRow.key)))],
            awards=[
                GrantedView.model_validate(each, from_attributes=True)
                for each in await session.exec(awards.order_by(col(TenderAwardRow.award)))
            ],
            expires_on=row.expires_on,
            certified_in=row.certified_in,
            reason=None if partner is not None and row.status != TenderStatus.CANCELLED else row.reason,  # it may name another partner
        )


@router.get("/{tender}/decision", response_class=Response, responses=answers(TenderFile))
async def show_tender_decision(tender: TenderPath, caller: Sees, reads: Reading) -> Response:
    """With every bid opened; for a partner with its own, once it is certified."""
    partner = limited_to(caller)
    async with reads.session() as session:
        row = await _find_row(session, tender, partner)
    if row.file is None or _is_hidden(row, partner):
        raise Problem("decision_not_found", f"{tender} has no decision", field="path:tender")
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, row.file)
    assert document is not None, f"the document {row.file} is kept with the event that names it"
    content = bytes(document.content)
    if partner is not None:
        content = canonical(own_lines(read_tender_file(content), partner))
    return Response(content, media_type="application/json", headers={"ETag": f'"{row.decision}"'})


def _is_hidden(row: TenderRow, partner: PartnerCode | None) -> bool:
    """Whether the decision is not for this partner to see yet."""
    return partner is not None and row.status not in (TenderStatus.CERTIFIED, TenderStatus.RELEASED)


def _summary(row: TenderRow, partner: PartnerCode | None) -> TenderSummary:
    summary = TenderSummary.model_validate(row, from_attributes=True)
    return summary.model_copy(update={"decision": None}) if _is_hidden(row, partner) else summary


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
