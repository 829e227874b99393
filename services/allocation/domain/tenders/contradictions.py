"""Contradictions of a tender's decision: its terms and bids by themselves and with each other; and what stands in one place alone."""

from collections.abc import Iterator

import msgspec

from services.allocation.domain.decisions.difference import Difference, NotCompared, contradiction
from services.allocation.domain.tenders.decision import TenderFile
from services.allocation.domain.tenders.opening import fault_of_terms
from services.allocation.domain.tenders.sealed_bid import fault_of_steps
from services.allocation.events import PartnerCode

_OPENED, _SEALED = "it stands in the tender as it was opened", "it stands in the bid as it was sealed"


def contradictions_of_tender(file: TenderFile) -> list[Difference]:
    """[]: what can be compared agrees. That the awards follow is for `recompute_tender`."""
    return [*_of_terms(file), *_of_bids(file)]


def tender_not_compared(file: TenderFile) -> list[NotCompared]:
    terms = [name for name in file.decision.terms.__struct_fields__ if name != "bidders"]
    return [
        NotCompared("tender", "it stands nowhere else in the file"),
        *(NotCompared(f"terms/{name}", _OPENED) for name in terms),
        *(NotCompared(f"lines/*/revealed/{name}", _SEALED) for name in ("bid", "partner", "salt", "steps")),
        NotCompared("lines/*/revealed/agreement_version", "the agreements are not in the file"),
        NotCompared("lines/*/salt", "it is random"),
    ]


def _of_terms(file: TenderFile) -> Iterator[Difference]:
    terms = file.decision.terms
    if terms.commit_until >= terms.reveal_until:
        yield contradiction("times_unfit", "terms/commit_until", terms.commit_until, terms.reveal_until, "terms/reveal_until")
    someone = msgspec.structs.replace(terms, bidders=(PartnerCode("XX"),))  # who may bid is not published
    if (fault := fault_of_terms(someone)) is not None:
        yield contradiction(str(fault.code), f"terms{fault.field}", fault.detail, fault.accepted, "every tender")


def _of_bids(file: TenderFile) -> Iterator[Difference]:
    bids: set[str] = set()
    partners: set[str] = set()
    for line in file.lines:
        bid = line.content.revealed
        where = f"lines/{bid.bid}/revealed"
        if bid.bid in bids:
            yield contradiction("bid_twice", f"{where}/bid", bid.bid, "a bid", "another line")
        if bid.partner in partners:
            yield contradiction("partner_bids_twice", f"{where}/partner", bid.partner, "one of its bids", "another line")
        if (fault := fault_of_steps(bid.steps)) is not None:
            yield contradiction("steps_unfit", f"{where}/steps", fault, "such steps", "no bid that was revealed")
        bids.add(bid.bid)
        partners.add(bid.partner)
