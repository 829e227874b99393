"""What a tender has come to."""

from enum import StrEnum
from typing import assert_never

import msgspec

from services.allocation.domain.tender_decision import PURPOSE
from services.allocation.events import (
    AuthorityCited,
    BiddingClosed,
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
from shared.acting import Proposal, approved, cited_for


class Reason(StrEnum):
    """Why a tender stays as it is."""

    ALREADY_OPEN = "tender_already_open"
    NOT_FOUND = "tender_not_found"
    ENDED = "tender_closed"
    CERTIFIED = "tender_already_certified"
    NOT_PROPOSED = "tender_not_proposed"
    BIDDING_OPEN = "tender_bidding_open"
    NOTHING_SOLD = "tender_sells_nothing"
    UNITS_INVALID = "tender_units_invalid"
    UNIT_UNKNOWN = "tender_unit_unknown"
    RESERVE_PRICE_INVALID = "reserve_price_invalid"
    PRICE_NOT_WHOLE = "price_not_whole"
    CAP_INVALID = "tender_cap_invalid"
    BIDDERS_INVALID = "tender_bidders_invalid"
    AGREEMENT_MISSING = "agreement_missing"
    TIMES_INVALID = "tender_times_invalid"
    APPROVALS_INVALID = "approvals_needed_invalid"
    RELEASE_DAYS_INVALID = "release_days_invalid"
    SUPPLY_BEYOND_STOCK = "supply_beyond_stock"
    DECISION_STALE = "decision_stale"
    DECISION_UNSOUND = "decision_unsound"
    APPROVALS_MISSING = "approvals_missing"


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
    bidding: bool = True  # bids may still be sealed or revealed
    proposal: ProposedTender | None = None
    certified: bool = False
    ended: bool = False  # released or cancelled


def evolve(tender: Tender, event: TenderEvent | AuthorityCited) -> Tender:
    replace = msgspec.structs.replace
    match event:
        case TenderOpened():
            return Tender(id=event.tender, terms=event.terms)
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
            return replace(tender, proposal=approved(tender.proposal, event.approval))
        case AuthorityCited():
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
