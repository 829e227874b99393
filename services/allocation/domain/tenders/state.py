"""What a tender has come to."""

from typing import assert_never

import immutables
import msgspec

from services.allocation.domain.tenders.decision import PURPOSE
from services.allocation.events import (
    AuthorityCited,
    BiddingClosed,
    SubjectId,
    TenderApproved,
    TenderAwardGranted,
    TenderAwardWithdrawn,
    TenderCancelled,
    TenderCertified,
    TenderEvent,
    TenderId,
    TenderOpened,
    TenderProposed,
    TenderReleased,
    TenderReopened,
    TenderTerms,
)
from shared.journal.decider import Reasons
from shared.terms.acting import Proposal, approved, cited_for
from shared.terms.countersigning import ProposedCommand


class Reason(Reasons):
    """Why a tender stays as it is."""

    ALREADY_OPEN = "tender_already_open", 409, "The tender is open already"
    NOT_FOUND = "tender_not_found", 404, "There is no such tender"
    ENDED = "tender_closed", 409, "The tender is closed"
    CERTIFIED = "tender_already_certified", 409, "The tender is certified already"
    NOT_PROPOSED = "tender_not_proposed", 409, "The tender has no decision"
    BIDDING_OPEN = "tender_bidding_open", 409, "Bids may still be revealed"
    NOTHING_SOLD = "tender_sells_nothing", 409, "The decision sells nothing"
    UNITS_INVALID = "tender_units_invalid", 422, "Invalid number of units"
    UNIT_UNKNOWN = "tender_unit_unknown", 422, "Unknown unit size for the product"
    RESERVE_PRICE_INVALID = "reserve_price_invalid", 422, "Invalid reserve price"
    PRICE_NOT_WHOLE = "price_not_whole", 422, "The price of a unit is not a whole number of minor units"
    CAP_INVALID = "tender_cap_invalid", 422, "Invalid cap"
    BIDDERS_INVALID = "tender_bidders_invalid", 422, "The tender names a bidder twice, or none"
    AGREEMENT_MISSING = "agreement_missing", 409, "The partner has no valid agreement on the product"
    TIMES_INVALID = "tender_times_invalid", 422, "The tender's times are out of order"
    APPROVALS_INVALID = "approvals_needed_invalid", 422, "Too many approvals required"
    RELEASE_DAYS_INVALID = "release_days_invalid", 422, "The release period is too long"
    SUPPLY_BEYOND_STOCK = "supply_beyond_stock", 409, "The offer exceeds the stock that may be offered"
    DECISION_APPROVED = "decision_already_approved", 409, "Somebody has approved the decision"
    DECISION_STALE = "decision_stale", 409, "What the decision was made from has changed"
    DECISION_UNSOUND = "decision_unsound", 409, "The decision does not follow from the rule"
    APPROVALS_MISSING = "approvals_missing", 409, "Approvals are missing"


class ProposedTender(Proposal, frozen=True, kw_only=True):
    proposed: TenderProposed

    @property
    def mass_g(self) -> int:
        return sum(award.mass_g for award in self.proposed.awards)

    @property
    def amount_minor(self) -> int:
        return sum(award.amount_minor for award in self.proposed.awards)


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    id: TenderId | None = None  # None: not opened yet
    terms: TenderTerms | None = None
    opened_by: SubjectId | None = None
    signed: bool = False  # somebody has approved a decision of it, which may have been proposed anew since
    bidding: bool = True  # bids may still be sealed or revealed
    proposal: ProposedTender | None = None
    certified: bool = False
    ended: bool = False  # released or cancelled
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def evolve(tender: Tender, event: TenderEvent | AuthorityCited) -> Tender:
    replace = msgspec.structs.replace
    match event:
        case TenderOpened():
            return Tender(id=event.tender, terms=event.terms, opened_by=event.opened_by)
        case BiddingClosed():
            return replace(tender, bidding=False)
        case TenderProposed():
            assert tender.terms is not None, "what is proposed is open"
            proposal = ProposedTender(
                purpose=PURPOSE,
                document=event.decision,
                proposed_by=frozenset({event.proposed_by}),
                needed=tender.terms.approvals_needed,
                proposed=event,
            )
            return replace(tender, proposal=proposal)
        case TenderApproved():
            assert tender.proposal is not None, "what is approved is proposed"
            return replace(tender, proposal=approved(tender.proposal, event.approval), signed=True)
        case AuthorityCited():
            if event.matter != tender.id:  # of its cancelling
                return tender
            assert tender.proposal is not None, "what is approved is proposed"
            return replace(tender, proposal=cited_for(tender.proposal, event.cited))
        case TenderCertified():
            return replace(tender, certified=True)
        case TenderReopened():
            return replace(tender, certified=False, proposal=None)
        case TenderReleased() | TenderCancelled():
            return replace(tender, ended=True)
        case TenderAwardGranted() | TenderAwardWithdrawn():
            return tender
        case _:
            assert_never(event)
