"""What tenders' routes take and answer with."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field, StrictInt, StringConstraints

from services.allocation.api.book.approvals import ApprovalView
from services.allocation.api.fields import PartnerField, ProductField
from services.allocation.api.tenders.bids import BidView
from services.allocation.domain.tenders.opening import MAX_APPROVALS, MAX_BIDDERS, MAX_RELEASE_DAYS, MAX_UNITS
from services.allocation.domain.tenders.sealed_bid import PRICE
from services.allocation.events import PartnerCode, TenderAward, TenderTerms
from services.allocation.tables.book import AwardStatus
from services.allocation.tables.tenders import TenderStatus
from shared.http.fields import Body, Instant, PositiveGrams

type Price = Annotated[str, StringConstraints(pattern=PRICE)]


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


class TenderTermsView(BaseModel):
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
    terms: TenderTermsView
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
    terms: TenderTermsView


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


def view_terms(terms: TenderTerms, partner: PartnerCode | None) -> TenderTermsView:
    plain: dict[str, Any] = msgspec.to_builtins(terms)
    return TenderTermsView(**(plain | {"bidders": list(terms.bidders) if partner is None else [partner]}))


def view_awards(awards: Sequence[TenderAward]) -> list[TenderAwardView]:
    return [TenderAwardView(**msgspec.to_builtins(award)) for award in awards]
