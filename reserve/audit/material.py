"""Material loans: each loan's contained grams followed from event to event, its returns settled again, its approvals verified."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.premium import Owed
from reserve.audit.report import Check, Findings
from services.loans.events.material import (
    ContainedChange,
    DeferralApproved,
    DeferralProposed,
    MaterialCashSettled,
    MaterialLent,
    MaterialLoanClosed,
    MaterialLoanOffered,
    MaterialReplaced,
    MaterialTakenBack,
    MaterialTermsApproved,
    MaterialTermsProposed,
    ReturnAssayed,
    ReturnCredited,
    ReturnReceived,
    ReturnRejected,
    ReturnSettled,
    ReturnTurnedBack,
)

_TERMS, _DEFERRAL = "material_loan", "material_deferral"  # what an approver's signature says that it approves


class _Return(msgspec.Struct):
    received: ReturnReceived
    contents: dict[str, Fraction] = {}  # assayer -> content of the element
    settled_g: int | None = None


class _Loan(msgspec.Struct):
    undrawn_g: int  # mass of the award that was not lent
    terms: MaterialTermsProposed | None = None
    deferrals: dict[str, DeferralProposed] = {}
    returns: dict[str, _Return] = {}
    books: Counter[str] = msgspec.field(default_factory=Counter)
    owed: Owed = msgspec.field(default_factory=Owed)


class Material:
    """All material loans."""

    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._loans: dict[str, _Loan] = {}

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if isinstance(event, MaterialLoanOffered):
            self._loans[event.loan] = _Loan(event.mass_g)
        loan = self._loans.get(getattr(event, "loan", ""))
        if loan is None:
            return
        match event:
            case MaterialTermsProposed():
                loan.terms = event
            case MaterialTermsApproved():
                self._verify(place, record, event, loan.terms, _TERMS)
            case DeferralProposed():
                loan.deferrals[event.deferral] = event
            case DeferralApproved():
                self._verify(place, record, event, loan.deferrals.pop(event.deferral, None), _DEFERRAL)
        faults = [*_step(loan, event), *_book(loan, event)]
        if faults or isinstance(event, ReturnSettled | MaterialLoanClosed) or hasattr(event, "change"):
            self._findings.look(Check.LENT, not faults, place, "; ".join(faults))

    def _verify(
        self,
        place: str,
        record: Recorded,
        event: MaterialTermsApproved | DeferralApproved,
        proposed: MaterialTermsProposed | DeferralProposed | None,
        purpose: str,
    ) -> None:
        fine = proposed is not None and proposed.document == event.document
        if isinstance(event, DeferralApproved) and isinstance(proposed, DeferralProposed):
            fine = fine and (event.condition, event.due_on) == (proposed.condition, proposed.due_on)
        self._findings.look(Check.APPROVALS, fine, place, "it was not approved as it was proposed")
        if proposed is not None:
            signed = {"purpose": purpose, "document": proposed.document, "proposed_by": proposed.proposed_by}
            self._approvers.verify(place, record, event.approval, **signed)


def _step(loan: _Loan, event: Any) -> Iterator[str]:
    """What is wrong with the event, which is applied, with regard to what is drawn and comes back."""
    match event:
        case MaterialLent():
            loan.undrawn_g -= event.mass_g
            loan.owed.lend(event.draw, event.lent_on, event.lent_g)
            if loan.undrawn_g < 0:
                yield f"{-loan.undrawn_g} g are lent beyond the award"
        case MaterialTakenBack():
            loan.owed.take_back(event.draw, event.lent_g)
        case DeferralApproved():
            loan.owed.defer(event.from_on, event.premium_pct)
        case MaterialCashSettled() | MaterialReplaced():
            loan.owed.pay(event.principal_g)
        case ReturnReceived():
            loan.returns[event.returned] = _Return(event, {"borrower": _content(event.own_assay, event.element)})
        case ReturnAssayed():
            if (returned := loan.returns.get(event.returned)) is not None:
                returned.contents[event.by] = _content(event.assay, returned.received.element)
        case ReturnSettled():
            yield from _settle(loan, event)
        case ReturnCredited() | ReturnRejected() | ReturnTurnedBack():
            returned = loan.returns.pop(event.returned, None)
            if returned is None or event.pending_g != returned.received.pending_g:
                yield f"{event.pending_g} g of {event.returned} are pending no longer, which were not"
            if isinstance(event, ReturnCredited) and (returned is None or event.contained_g != returned.settled_g):
                yield f"{event.returned} is credited with {event.contained_g} g, and was not settled at that"
            if isinstance(event, ReturnCredited) and returned is not None:
                yield from _credit(loan, event, returned.received.received_on)
        case MaterialLoanClosed():
            if loan.books["lent_g"] or loan.returns:
                yield f"it is closed, and {loan.books['lent_g']} g and the returns {sorted(loan.returns)} are out"


def _credit(loan: _Loan, event: ReturnCredited, on: date) -> Iterator[str]:
    """With the premium by its formula."""
    if loan.terms is not None:
        paid = loan.owed.paid_by(event.contained_g, on, loan.terms.terms.premium)
        if (said := (event.principal_g, event.premium_g, event.excess_g)) != paid:
            yield f"{event.returned} pays {paid} g of principal, premium and beyond, and is credited as {said}"
    loan.owed.pay(event.principal_g)


def _settle(loan: _Loan, event: ReturnSettled) -> Iterator[str]:
    """The mean of both sides' assays within the splitting limit; beyond it the umpire's, or that of the side which is nearer to it."""
    returned = loan.returns.get(event.returned)
    if returned is None or loan.terms is None or "independent" not in returned.contents:
        yield f"{event.returned} was not received, and assayed on both sides"
        return
    own, other = returned.contents["borrower"], returned.contents["independent"]
    umpire = returned.contents.get("umpire")
    if abs(own - other) <= Fraction(loan.terms.terms.splitting_limit):
        content = (own + other) / 2
    elif umpire is None:
        yield f"{own} and {other} are too far from each other, and no umpire was asked"
        return
    else:
        content = min((umpire, other, own), key=lambda each: _distance(each, own, other, umpire))
    contained_g = round(returned.received.mass_g * content)
    if (event.mass_g, Fraction(event.content), event.contained_g) != (returned.received.mass_g, content, contained_g):
        yield f"{event.returned} contains {contained_g} g at {content}, and is settled at {event.contained_g} g"
    returned.settled_g = event.contained_g


def _distance(each: Fraction, own: Fraction, other: Fraction, umpire: Fraction) -> Fraction:
    """From the umpire's content, which counts itself only if it lies between the two."""
    beyond = not min(own, other) <= umpire <= max(own, other)
    return Fraction(2) if beyond and each == umpire else abs(each - umpire)


def _book(loan: _Loan, event: Any) -> Iterator[str]:
    """What is wrong with what the event changes in the books, which is booked."""
    if not isinstance(change := getattr(event, "change", None), ContainedChange):
        return
    changed = {name: getattr(change, name) for name in change.__struct_fields__}
    if sum(changed.values()):
        yield f"what it changes sums to {sum(changed.values())} g"
    if changed != (said := dict.fromkeys(changed, 0) | _said(event)):
        yield f"it changes {changed}, and says {said}"
    for name, grams in changed.items():
        loan.books[name] += grams
    if loan.books["lent_g"] < 0:
        yield f"{-loan.books['lent_g']} g are paid beyond what was lent"
    if isinstance(event, MaterialCashSettled) and loan.books["lent_g"]:
        yield f"all is settled in cash, and {loan.books['lent_g']} g are out"


def _said(event: Any) -> dict[str, int]:
    """What the books change by, from what the event is about."""
    match event:
        case MaterialLent():
            return {"stock_g": -event.lent_g, "lent_g": event.lent_g}
        case MaterialTakenBack():  # what other goods have paid off before is owed to the partner
            return {"stock_g": event.change.stock_g, "lent_g": -event.lent_g, "excess_g": event.lent_g - event.change.stock_g}
        case ReturnCredited():
            paid = {"lent_g": -event.principal_g, "premium_g": -event.premium_g, "excess_g": -event.excess_g}
            return {"stock_g": event.contained_g} | paid
        case MaterialCashSettled():
            return {"lent_g": -event.principal_g, "premium_g": -event.premium_g, "cash_g": event.principal_g + event.premium_g}
        case MaterialReplaced():
            return {"lent_g": -event.principal_g, "premium_g": -event.premium_g, "replaced_g": event.bought_g}
        case _:
            return {}


def _content(assay: Any, element: str) -> Fraction:
    return Fraction(assay.contents.get(element, "0"))
