"""Tenders, and the bids that are sealed until a tender's bidding ends.

A bid has a stream of its own: were it in the tender's, its version would tell each bidder how many others have bid.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from services.allocation.events.ids import AwardId, BidId, DecisionHash, PartnerCode, ProductId, SubjectId, TenderId
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval

type Pricing = Literal["pay_as_bid", "uniform"]
type TieRule = Literal["pro_rata", "lot"]


class TenderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What all bidders know. Prices are decimals, in minor units of the currency for a kilogram; a unit's price is whole minor units."""

    product: ProductId
    unit_g: Grams
    units: int  # on offer
    currency: str  # ISO 4217
    reserve_price: str  # nothing is sold below it
    pricing: Pricing
    tie_rule: TieRule
    cap_units: int  # the most that one bidder may have
    bidders: tuple[PartnerCode, ...]  # who may bid
    commit_until: datetime  # bids are sealed before this instant, and
    reveal_until: datetime  # opened from then until this one
    approvals_needed: int
    release_days: int  # how long what is bought may be drawn, from the day the tender is certified


class TenderOpened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.tender_opened.v1"):
    tender: TenderId
    terms: TenderTerms
    opened_by: SubjectId | None = None  # who cancels it alone; None: an earlier build did not say
    signed_stays: bool = False  # once somebody has approved a decision of it, only two cancel it; False: by an earlier build


class BidStep(msgspec.Struct, frozen=True, kw_only=True):
    """So many units more at this price."""

    price: str  # minor units for a kilogram, a decimal: "2550.5"
    units: int


class BidCommitted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.bid_committed.v1"):
    """A bid, sealed. A later one takes the place of an earlier one."""

    bid: BidId
    tender: TenderId
    partner: PartnerCode
    commitment: str  # SHA-256(salt || canonical bid), hex
    reveal_until: datetime


class BidRevealed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.bid_revealed.v1"):
    bid: BidId
    tender: TenderId
    partner: PartnerCode
    salt: str  # hex
    steps: tuple[BidStep, ...]  # the highest price first


class BidVoided(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.bid_voided.v1"):
    """It was not revealed in time."""

    bid: BidId
    tender: TenderId
    partner: PartnerCode


class BiddingClosed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.bidding_closed.v1"):
    """No bid is revealed any more."""

    tender: TenderId
    closed_at: datetime


class TenderAward(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision sells to one bidder; never nothing."""

    award: AwardId
    bid: BidId
    partner: PartnerCode
    units: int
    mass_g: Grams
    amount_minor: int  # due for all of it


class TenderProposed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_proposed.v1"):
    tender: TenderId
    decision: DecisionHash  # also the name of the document that is its published part
    file: str  # SHA-256 of the document with every line opened
    release_order: str  # SHA-256 of the `ReleaseOrder`
    proposed_by: SubjectId
    left_units: int  # what of the offer nobody buys
    awards: tuple[TenderAward, ...]
    agreements: dict[PartnerCode, int]  # of the bidders whose bids count: the version of each one's agreement


class TenderApproved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_approved.v1"):
    tender: TenderId
    decision: DecisionHash
    approval: Approval


class TenderAwardGranted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_award_granted.v1"):
    award: AwardId
    tender: TenderId
    bid: BidId
    product: ProductId
    partner: PartnerCode
    units: int
    mass_g: Grams
    amount_minor: int  # due
    currency: str
    decision: DecisionHash
    expires_on: date


class TenderAwardWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_award_withdrawn.v1"):
    """The tender came back from inventory: nothing was released under this award, and nothing is due."""

    award: AwardId
    tender: TenderId
    bid: BidId
    partner: PartnerCode
    reason: str


class TenderCertified(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_certified.v1"):
    """With its awards' events, in one commit: the decision is final, and inventory releases it."""

    tender: TenderId
    product: ProductId
    decision: DecisionHash
    release_order: str  # SHA-256 of the `ReleaseOrder`: what inventory releases
    expires_on: date
    approvals: tuple[Approval, ...]


class TenderReopened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_reopened.v1"):
    """Inventory has refused it. The bids stand: it is proposed and approved again, or cancelled."""

    tender: TenderId
    decision: DecisionHash
    reason: str


class TenderReleased(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_released.v1"):
    tender: TenderId
    decision: DecisionHash


class TenderCancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.tender_cancelled.v2"):
    tender: TenderId
    reason: TypedText


BidEvent = BidCommitted | BidRevealed | BidVoided
TenderEvent = (
    TenderOpened
    | BiddingClosed
    | TenderProposed
    | TenderApproved
    | TenderAwardGranted
    | TenderAwardWithdrawn
    | TenderCertified
    | TenderReopened
    | TenderReleased
    | TenderCancelled
)
