"""What a tender has come to."""

from enum import StrEnum
from typing import assert_never

import immutables
import msgspec

from services.allocation.events import (
    Approval,
    AuthorityCited,
    BiddingClosed,
    KeyId,
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
from shared.terms.authority import Cited


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
    APPROVED_BEFORE = "approval_duplicate"
    APPROVALS_MISSING = "approvals_missing"


class TenderProposal(msgspec.Struct, frozen=True, kw_only=True):
    proposed: TenderProposed
    approvals: immutables.Map[KeyId, Approval] = immutables.Map()
    cited: immutables.Map[str, Cited] = immutables.Map()  # by approver

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
    proposal: TenderProposal | None = None
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
            return replace(tender, proposal=TenderProposal(proposed=event))
        case TenderApproved():
            assert tender.proposal is not None, "what is approved is proposed"
            approvals = tender.proposal.approvals.set(event.approval.key, event.approval)
            return replace(tender, proposal=replace(tender.proposal, approvals=approvals))
        case AuthorityCited():
            assert tender.proposal is not None, "what is approved is proposed"
            cited = tender.proposal.cited.set(event.cited.by, event.cited)
            return replace(tender, proposal=replace(tender.proposal, cited=cited))
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
