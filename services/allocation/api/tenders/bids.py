"""Bids: a partner seals its own, and reveals it. Until bidding has closed nobody else hears that there is one."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.fields import TenderPath, own_partner
from services.allocation.domain.tenders.bid import Bid, CommitBid, RevealBid, stream_of
from services.allocation.domain.tenders.opening import MAX_UNITS
from services.allocation.domain.tenders.sealed_bid import MAX_STEPS, PRICE, SALT
from services.allocation.domain.tenders.state import Tender
from services.allocation.events import BidId, BidRevealed, BidStep, PartnerCode, TenderId, TenderTerms
from services.allocation.tables.tenders import BidRow, TenderRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body
from shared.http.handlers import Posting, Reading, Reads
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/tenders", tags=["tenders"])

Bids = Annotated[Caller, allow("partner")]


class CommitmentBody(Body):
    commitment: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]  # SHA-256(salt || canonical bid), hex


class StepBody(Body):
    price: Annotated[str, StringConstraints(pattern=PRICE)]  # minor units for a kilogram
    units: Annotated[StrictInt, Field(ge=1, le=MAX_UNITS)]


class RevealBody(Body):
    """What gives the commitment: the file of `reserve tender bid` has it."""

    salt: Annotated[str, StringConstraints(pattern=SALT)]
    steps: Annotated[list[StepBody], Field(min_length=1, max_length=MAX_STEPS)]


class StepView(BaseModel):
    price: str
    units: int


class BidView(BaseModel):
    """`committed_in`: of the event of which the ledger gives the receipt."""

    bid: str
    partner: str
    commitment: str
    committed_in: str
    salt: str | None
    steps: list[StepView] | None  # None: not revealed
    void: bool


class CommittedView(BaseModel):
    tender: str
    bid: str
    commitment: str


class RevealedView(BaseModel):
    tender: str
    bid: str
    steps: list[StepView]


@router.post("/{tender}/commitments", status_code=201)
async def commit_bid(tender: TenderPath, body: CommitmentBody, caller: Bids, post: Posting, reads: Reading) -> CommittedView:
    """Until `commit_until`; a later one takes the place of an earlier one."""
    partner = own_partner(caller)
    terms, closed = await _terms_for(reads, tender, partner)
    command = CommitBid(
        bid=BidId(post.new_id("bid")),
        tender=TenderId(tender),
        partner=partner,
        commitment=body.commitment,
        terms=terms,
        at=post.now,
    )
    await post.submit(stream_of(TenderId(tender), partner), closed or command)
    bid: str = (await _own_bid(reads, tender, partner)).id or command.bid
    return CommittedView(tender=tender, bid=bid, commitment=body.commitment)


@router.post("/{tender}/reveals", status_code=201)
async def reveal_bid(tender: TenderPath, body: RevealBody, caller: Bids, post: Posting, reads: Reading) -> RevealedView:
    """From `commit_until` to `reveal_until`, once."""
    partner = own_partner(caller)
    terms, closed = await _terms_for(reads, tender, partner)
    command = RevealBid(
        tender=TenderId(tender),
        partner=partner,
        salt=body.salt,
        steps=tuple(BidStep(price=step.price, units=step.units) for step in body.steps),
        terms=terms,
        at=post.now,
    )
    event = (await post.submit(stream_of(TenderId(tender), partner), closed or command)).event(BidRevealed)
    return RevealedView(tender=tender, bid=event.bid, steps=_steps(event.steps))


async def bids_seen(session: AsyncSession, row: TenderRow, partner: PartnerCode | None) -> list[BidView]:
    """All, once bidding has closed; a partner's own at any time."""
    query = select(BidRow).where(BidRow.tender == row.tender)
    if partner is not None:
        query = query.where(BidRow.partner == partner)
    elif not row.bids_known:
        return []
    return [BidView.model_validate(each, from_attributes=True) for each in await session.exec(query.order_by(col(BidRow.bid)))]


async def opened_bids(reads: Reads, tender: TenderId, bidders: Sequence[PartnerCode]) -> list[BidRevealed] | None:
    """Those that were revealed; None while one may still be."""
    found = [await _own_bid(reads, tender, partner) for partner in bidders]
    if not all(bid.settled for bid in found):
        return None
    return [bid.revealed for bid in found if bid.revealed is not None]


async def _own_bid(reads: Reads, tender: str, partner: PartnerCode) -> Bid:
    bid, _ = await reads.state(stream_of(TenderId(tender), partner))
    assert isinstance(bid, Bid)
    return bid


async def _terms_for(reads: Reads, tender: str, partner: PartnerCode) -> tuple[TenderTerms, Problem | None]:
    """With the problem `tender_closed`, once it is. Raises Problem `tender_not_found`, also for one that the partner may not bid in."""
    found, _ = await reads.state(f"tender/{tender}")
    assert isinstance(found, Tender)
    if found.terms is None or partner not in found.terms.bidders:
        raise Problem("tender_not_found", f"there is no tender {tender}", field="path:tender")
    return found.terms, Problem("tender_closed", f"{tender} is released or cancelled") if found.ended else None


def _steps(steps: Sequence[Any]) -> list[StepView]:
    return [StepView(**msgspec.to_builtins(step)) for step in steps]
