"""Loans: each loan's money followed from event to event, its advances held against its commitment and conditions, its approvals verified.

Whatever day a movement counts for, an event says what it changes in the loan's books; so the books are sums, and need no schedule.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.defaults import LoanAccelerated, ShortfallClaimed
from services.loans.events.loan import (
    ActApproved,
    ActProposed,
    AdvanceCleared,
    AdvancePaid,
    BalanceBroughtForward,
    BookChange,
    CommitmentCancelled,
    DeliveryCredited,
    Figures,
    LoanApproved,
    LoanClosed,
    LoanCommitted,
    LoanImported,
    LoanProposed,
    PaymentRecorded,
    PaymentReversed,
    RecoveryRecorded,
    Seen,
)
from services.loans.events.terms import AmendCondition, LoanTerms, Refund, WaiveCondition

type _Paid = PaymentRecorded | DeliveryCredited | RecoveryRecorded

_PROPOSAL, _ACT = "loan_proposal", "loan_act"  # what an approver's signature says that it approves


class _Loan(msgspec.Struct):
    terms: LoanTerms
    document: str
    proposed_by: str = ""
    undrawn_minor: int = 0  # of the commitment
    advanced_minor: int = 0
    books: Counter[str] = msgspec.field(default_factory=Counter)
    payments: dict[str, _Paid] = {}  # that count
    references: set[str] = set()  # the bank's, of payments that count
    acts: dict[str, ActProposed] = {}
    waived: dict[str, date | None] = {}  # condition -> the last day
    after: Figures | None = None  # of the last event that moved money
    refunds: bool = False  # whether it was paid under a build that closes no loan which owes its borrower


class Loans:
    """All loans."""

    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._loans: dict[str, _Loan] = {}

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case LoanProposed():
                self._loans[event.loan] = _Loan(event.terms, event.document, event.proposed_by)
            case LoanImported():
                self._loans[event.loan] = _Loan(event.terms, event.document, event.imported_by)
        loan = self._loans.get(getattr(event, "loan", ""))
        if loan is None:
            return
        faults = list(_step(loan, event))
        if faults or isinstance(event, AdvancePaid | AdvanceCleared):
            self._findings.look(Check.ADVANCES, not faults, place, "; ".join(faults))
        if isinstance(change := getattr(event, "change", None), BookChange):
            faults = list(_book(loan, event, change, event.after))
            self._findings.look(Check.MONEY, not faults, place, "; ".join(faults))
            loan.after = event.after
        match event:
            case LoanAccelerated():
                owed, due = _owed(event.after), event.after.due_minor
                self._findings.look(Check.MONEY, owed == due, place, f"all has fallen due, and {due} of {owed} is")
            case ShortfallClaimed():
                owed = 0 if loan.after is None else _owed(loan.after)
                fine = owed == event.claim_minor
                self._findings.look(Check.MONEY, fine, place, f"{event.claim_minor} is claimed, and {owed} is owed")
            case LoanClosed() if loan.after is not None and loan.after.credit_minor:
                kept = f"{event.loan} is closed, and keeps {loan.after.credit_minor} of its borrower's"
                self._findings.under_rule(Check.MONEY, loan.refunds, place, kept)
            case LoanApproved():
                fine = event.document == loan.document and event.commitment_minor == loan.terms.commitment_minor
                self._findings.look(Check.APPROVALS, fine, place, f"{event.loan} was not approved as it was proposed")
                signed = {"purpose": _PROPOSAL, "document": loan.document, "proposed_by": loan.proposed_by}
                self._approvers.verify(place, record, event.approval, **signed)
            case ActApproved():
                self._approve_act(place, record, loan, event)

    def _approve_act(self, place: str, record: Recorded, loan: _Loan, event: ActApproved) -> None:
        proposed = loan.acts.pop(event.act, None)
        fine = proposed is not None and (proposed.content, proposed.document) == (event.content, event.document)
        self._findings.look(Check.APPROVALS, fine, place, f"{event.act} was not approved as it was proposed")
        if proposed is not None:
            signed = {"purpose": _ACT, "document": proposed.document, "proposed_by": proposed.proposed_by}
            self._approvers.verify(place, record, event.approval, **signed)


def _step(loan: _Loan, event: Any) -> Iterator[str]:
    """What is wrong with the event, which is applied, with regard to the commitment and its conditions."""
    match event:
        case LoanCommitted():
            loan.undrawn_minor = event.commitment_minor
            if event.commitment_minor != loan.terms.commitment_minor:
                yield f"{event.commitment_minor} is committed, and {loan.terms.commitment_minor} was approved"
        case CommitmentCancelled():
            if event.amount_minor > loan.undrawn_minor:
                yield f"{event.amount_minor} is cancelled of {loan.undrawn_minor}"
            loan.undrawn_minor -= event.amount_minor
        case AdvanceCleared():
            yield from _unmet(loan, event.seen, None)
        case BalanceBroughtForward():
            yield from _advance(loan, event.advanced_minor, event.undrawn_minor)
        case AdvancePaid():
            yield from _advance(loan, event.amount_minor, event.undrawn_minor)
            yield from _unmet(loan, event.seen, event.paid_on)
            if not loan.terms.available_from <= event.paid_on <= loan.terms.available_until:
                yield f"on {event.paid_on} nothing was to be advanced"
        case ActProposed():
            loan.acts[event.act] = event
        case ActApproved(content=WaiveCondition() as content):
            loan.waived[content.name] = content.until
        case ActApproved(content=AmendCondition() as content):
            loan.waived.pop(content.name, None)


def _advance(loan: _Loan, amount_minor: int, undrawn_minor: int) -> Iterator[str]:
    loan.advanced_minor += amount_minor
    loan.undrawn_minor -= amount_minor
    if loan.undrawn_minor < 0 or loan.undrawn_minor != undrawn_minor:
        yield f"{undrawn_minor} is said to be left of the commitment, and {loan.undrawn_minor} is"


def _unmet(loan: _Loan, seen: Iterable[Seen], on: date | None) -> Iterator[str]:
    """What no advance could have been let through with."""
    status = {each.name: each.evaluation.status for each in seen}
    for precedent in loan.terms.precedents:
        match status.get(precedent.name):
            case "met":
                pass
            case "waived" if precedent.name in loan.waived:
                until = loan.waived[precedent.name]
                if on is not None and until is not None and until < on:
                    yield f"{precedent.name} was waived through {until}"
            case "waived":
                yield f"{precedent.name} was never waived"
            case other:
                yield f"{precedent.name} was {other or 'not looked at'}"


def _book(loan: _Loan, event: Any, change: BookChange, after: Figures) -> Iterator[str]:
    """What is wrong with what the event changes in the books, which is booked."""
    changed = {name: getattr(change, name) for name in change.__struct_fields__}
    if sum(changed.values()):
        yield f"what it changes sums to {sum(changed.values())}"
    for name, minor in changed.items():
        loan.books[name] += minor
    if getattr(event, "reference", None) in loan.references:
        yield f"{event.reference} was paid before"
    if isinstance(event, PaymentReversed) and event.payment not in loan.payments:
        yield f"{event.payment} is reversed, and does not count"
    cash_minor, goods_minor = _came_in(loan, event)
    if (change.cash_minor, change.goods_minor) != (cash_minor, goods_minor):
        yield f"{change.cash_minor} in cash and {change.goods_minor} in goods came in, and it says {cash_minor} and {goods_minor}"
    for what, booked, said in (
        ("principal", loan.books["principal_minor"], after.principal_minor),
        ("interest", loan.books["interest_minor"], after.interest_minor),
        ("default interest", loan.books["default_interest_minor"], after.default_interest_minor),
        ("fees", loan.books["fees_minor"], after.fees_minor),
        ("credit", -loan.books["credit_minor"], after.credit_minor),
        ("advances", loan.advanced_minor, after.advanced_minor),
    ):
        if booked != said:
            yield f"{what} come to {booked}, and the loan says {said}"


def _owed(after: Figures) -> int:
    return after.principal_minor + after.interest_minor + after.accrued_minor + after.default_interest_minor + after.fees_minor


def _came_in(loan: _Loan, event: Any) -> tuple[int, int]:
    """Cash and goods, by what the event is about."""
    match event:
        case BalanceBroughtForward():
            return event.repaid_minor - event.advanced_minor, 0
        case AdvancePaid():
            return -event.amount_minor, 0
        case PaymentRecorded() | RecoveryRecorded():
            loan.payments[event.payment] = event
            loan.references.add(event.reference)
            loan.refunds = loan.refunds or event.due_first
            return event.amount_minor, 0
        case DeliveryCredited():
            loan.payments[event.payment] = event
            return 0, event.amount_minor
        case PaymentReversed():
            reversed = loan.payments.pop(event.payment, None)
            if reversed is None:
                return 0, 0
            if isinstance(reversed, DeliveryCredited):
                return 0, -reversed.amount_minor
            loan.references.discard(reversed.reference)
            return -reversed.amount_minor, 0
        case ActApproved(content=Refund() as content):
            return -content.amount_minor, 0
        case _:
            return 0, 0
