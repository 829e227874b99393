"""Holdings of equity: each holding's money followed from event to event, within its commitment, and its approval verified."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.equity import (
    DividendReceived,
    DividendReversed,
    HoldingApproved,
    HoldingChange,
    HoldingClosed,
    HoldingCommitted,
    HoldingFigures,
    HoldingProposed,
    HoldingTerms,
    HoldingWrittenDown,
    HoldingWrittenOff,
    SharesDivested,
    SharesSubscribed,
    UncalledCancelled,
    WriteDownProposed,
    WriteDownWithdrawn,
)

_PROPOSAL = "equity_proposal"  # what an approver's signature says that it approves
_WRITE_DOWN = "equity_write_down"


class _Holding(msgspec.Struct):
    terms: HoldingTerms
    document: str
    proposed_by: str
    uncalled_minor: int = 0
    subscribed_minor: int = 0
    units: int = 0
    books: Counter[str] = msgspec.field(default_factory=Counter)
    dividends: dict[str, int] = {}  # that count
    write_downs: dict[str, WriteDownProposed] = {}  # that wait for a signature


class Holdings:
    """All holdings."""

    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._holdings: dict[str, _Holding] = {}

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if isinstance(event, HoldingProposed):
            self._holdings[event.holding] = _Holding(event.terms, event.document, event.proposed_by)
        holding = self._holdings.get(getattr(event, "holding", ""))
        if holding is None:
            return
        if isinstance(event, HoldingApproved):
            fine = (event.document, event.commitment_minor) == (holding.document, holding.terms.commitment_minor)
            self._findings.look(Check.APPROVALS, fine, place, f"{event.holding} was not approved as it was proposed")
            signed = {"purpose": _PROPOSAL, "document": holding.document, "proposed_by": holding.proposed_by}
            self._approvers.verify(place, record, event.approval, **signed)
        self._see_write_down(place, record, holding, event)
        faults = list(_commit(holding, event))
        if faults or isinstance(event, SharesSubscribed):
            self._findings.look(Check.ADVANCES, not faults, place, "; ".join(faults))
        if isinstance(change := getattr(event, "change", None), HoldingChange):
            faults = list(_book(holding, event, change, event.after))
            self._findings.look(Check.MONEY, not faults, place, "; ".join(faults))

    def _see_write_down(self, place: str, record: Recorded, holding: _Holding, event: Any) -> None:
        match event:
            case WriteDownProposed():
                holding.write_downs[event.flow] = event
            case WriteDownWithdrawn():
                holding.write_downs.pop(event.flow, None)
            case HoldingWrittenDown() | HoldingWrittenOff():
                proposed = holding.write_downs.pop(event.flow, None)
                fine = proposed is not None and _is_as_proposed(proposed, event)
                self._findings.look(Check.APPROVALS, fine, place, f"{event.holding} was not written down as it was proposed")
                if proposed is not None:
                    signed = {"purpose": _WRITE_DOWN, "document": proposed.document, "proposed_by": proposed.proposed_by}
                    self._approvers.verify(place, record, event.approval, **signed)


def _is_as_proposed(proposed: WriteDownProposed, event: HoldingWrittenDown | HoldingWrittenOff) -> bool:
    if (proposed.on, proposed.document) != (event.on, event.document):
        return False
    if isinstance(event, HoldingWrittenOff):
        return proposed.amount_minor is None
    return proposed.amount_minor == event.amount_minor


def _commit(holding: _Holding, event: Any) -> Iterator[str]:
    """What is wrong with the event, which is applied, with regard to the commitment."""
    match event:
        case HoldingCommitted():
            holding.uncalled_minor = event.commitment_minor
        case UncalledCancelled():
            holding.uncalled_minor -= event.amount_minor
        case HoldingClosed():
            holding.uncalled_minor -= event.uncalled_minor
            if holding.uncalled_minor or holding.units:
                yield f"it is closed with {holding.units} shares, and {holding.uncalled_minor} to be paid"
        case SharesSubscribed():
            holding.uncalled_minor -= event.amount_minor
    if holding.uncalled_minor < 0:
        yield f"{-holding.uncalled_minor} is beyond the commitment"


def _book(holding: _Holding, event: Any, change: HoldingChange, after: HoldingFigures) -> Iterator[str]:
    """What is wrong with what the event changes in the books, which is booked."""
    changed = {name: getattr(change, name) for name in change.__struct_fields__}
    if sum(changed.values()):
        yield f"what it changes sums to {sum(changed.values())}"
    for name, minor in changed.items():
        holding.books[name] += minor
    if change.cash_minor != (cash_minor := _came_in(holding, event)):
        yield f"{change.cash_minor} came in, and it says {cash_minor}"
    for what, booked, said in (
        ("shares", holding.units, after.units),
        ("cost", holding.books["cost_minor"], after.cost_minor),
        ("subscriptions", holding.subscribed_minor, after.subscribed_minor),
        ("dividends", -holding.books["dividend_income_minor"], after.dividends_minor),
        ("loss", holding.books["written_down_minor"], after.written_down_minor),
        ("gains", -holding.books["divestment_income_minor"], after.proceeds_minor - after.sold_cost_minor),
        ("the rest of the commitment", holding.uncalled_minor, after.uncalled_minor),
    ):
        if booked != said or (what == "shares" and said < 0):
            yield f"{what} come to {booked}, and the holding says {said}"


def _came_in(holding: _Holding, event: Any) -> int:
    """Cash, by what the event is about; the shares that it moves are moved."""
    match event:
        case SharesSubscribed():
            holding.units += event.units
            holding.subscribed_minor += event.amount_minor
            return -event.amount_minor
        case SharesDivested():
            holding.units -= event.units
            return event.amount_minor
        case DividendReceived():
            holding.dividends[event.flow] = event.amount_minor
            return event.amount_minor
        case DividendReversed():
            return -holding.dividends.pop(event.flow, 0)
        case HoldingWrittenOff():
            holding.units -= event.units
            return 0
        case HoldingWrittenDown() | _:
            return 0
