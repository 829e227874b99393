"""How a tender is opened: what its terms must be, by themselves and as things are."""

from datetime import datetime

import msgspec

from services.allocation.domain.tenders.bid import fault_of_price
from services.allocation.domain.tenders.sealed_bid import price_of
from services.allocation.domain.tenders.state import Reason
from services.allocation.events import PartnerCode, SubjectId, TenderId, TenderTerms
from shared.journal.decider import Refused

MAX_BIDDERS = 50
MAX_UNITS = 1_000_000
MAX_APPROVALS = 10
MAX_RELEASE_DAYS = 366


class OpenTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`sizes_g`, `free_g`: of the product's units, and of what may be offered of it; `qualified`: who has a valid agreement on it. As
    looked up."""

    tender: TenderId
    terms: TenderTerms
    sizes_g: tuple[int, ...]
    free_g: int
    qualified: tuple[PartnerCode, ...]
    by: SubjectId | None = None
    at: datetime


def fault_of_terms(terms: TenderTerms) -> Refused[Reason] | None:
    """What is wrong with the terms by themselves."""
    if not 1 <= terms.units <= MAX_UNITS:
        return Refused(Reason.UNITS_INVALID, f"{terms.units} units are on offer", "/units", f"1 to {MAX_UNITS}")
    try:
        if not price_of(terms.reserve_price):
            return Refused(Reason.RESERVE_PRICE_INVALID, "nothing is given away", "/reserve_price", "a price above 0")
    except ValueError as error:
        return Refused(Reason.RESERVE_PRICE_INVALID, str(error), "/reserve_price")
    if fault := fault_of_price(terms.reserve_price, terms.unit_g):
        return Refused(Reason.PRICE_NOT_WHOLE, fault.detail, "/reserve_price", fault.accepted)
    if not 1 <= terms.cap_units <= terms.units:
        return Refused(Reason.CAP_INVALID, "one bidder may have some of the offer", "/cap_units", f"1 to {terms.units} units")
    if not 1 <= len(terms.bidders) <= MAX_BIDDERS or len(set(terms.bidders)) < len(terms.bidders):
        return Refused(Reason.BIDDERS_INVALID, "a bidder is missing, or named twice", "/bidders", f"1 to {MAX_BIDDERS}, each once")
    if not 1 <= terms.approvals_needed <= MAX_APPROVALS:
        return Refused(Reason.APPROVALS_INVALID, "a tender needs approval", "/approvals_needed", f"1 to {MAX_APPROVALS} approvals")
    if not 1 <= terms.release_days <= MAX_RELEASE_DAYS:
        return Refused(Reason.RELEASE_DAYS_INVALID, "out of range", "/release_days", f"1 to {MAX_RELEASE_DAYS} days")
    return None


def fault_of_offer(command: OpenTender) -> Refused[Reason] | None:
    """What is wrong with the terms as things are."""
    terms = command.terms
    if not command.at < terms.commit_until < terms.reveal_until:
        return Refused(
            Reason.TIMES_INVALID, "bids are sealed, and then revealed", "/commit_until", "an instant to come, and a later /reveal_until"
        )
    if terms.unit_g not in command.sizes_g:
        sizes = ", ".join(map(str, command.sizes_g)) or "none"
        return Refused(Reason.UNIT_UNKNOWN, f"{terms.product} is not kept in units of {terms.unit_g} g", "/unit_g", sizes)
    if missing := sorted(set(terms.bidders) - set(command.qualified)):
        return Refused(Reason.AGREEMENT_MISSING, f"{', '.join(missing)} has no valid agreement on {terms.product}", "/bidders")
    return fault_of_stock(terms, command.free_g, "/units")


def fault_of_stock(terms: TenderTerms, free_g: int, field: str | None) -> Refused[Reason] | None:
    """Protected stock is never offered."""
    if terms.units * terms.unit_g <= free_g:
        return None
    return Refused(
        Reason.SUPPLY_BEYOND_STOCK,
        "more is offered than is available and not protected",
        field,
        f"up to {free_g // terms.unit_g} units",
    )
