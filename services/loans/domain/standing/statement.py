"""Statement: what happened to a loan in a period, line by line, each by the day that it counts for. What was owed before and all lines
together are what is owed after, account by account.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Literal, assert_never

import msgspec

from services.loans.domain.standing.accrual import Course, began
from services.loans.domain.standing.billing import next_billing, run_to
from services.loans.domain.standing.dated_facts import (
    Advanced,
    BroughtForward,
    DatedFact,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
)
from services.loans.domain.standing.standing import Account, books_of, minus
from services.loans.events.defaults import LoanAccelerated
from services.loans.events.loan import (
    ActApproved,
    AdvancePaid,
    BalanceBroughtForward,
    BookChange,
    CommitmentCancelled,
    DeliveryCredited,
    FeeCharged,
    LoanEvent,
    PaymentRecorded,
    RateReset,
    RecoveryRecorded,
)

type LineKind = Literal[
    "billed",
    "advance",
    "payment",
    "delivery",
    "recovery",
    "fee",
    "written_off",
    "brought_forward",
    "rate",
    "rescheduled",
    "commitment_reduced",
    "fallen_due",
    "refund",
]


class StatementEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`change`: of the books, by this line alone. `owed_minor`: after it, less than zero if more was paid than was owed."""

    on: date
    kind: LineKind
    fact: str | None  # the dated fact's id; None: a period's end, which needs nobody to tell it
    amount_minor: int | None
    change: BookChange
    owed_minor: int


def lines_of(account: Account, since: date, until: date) -> Iterator[StatementEntry]:
    """From the beginning of `since` to the end of `until`."""
    place = bisect_left(account.facts, since, key=lambda fact: fact.on)
    course = Course(account.contract, account.after[place - 1] if place else began(account.contract))
    run_to(course, since - timedelta(days=1))
    for fact, after in zip(account.facts[place:], account.after[place:], strict=True):
        if fact.on > until:
            break
        yield from _billed(course, fact.on)
        before, course = books_of(course), Course(account.contract, after)
        books = books_of(course)
        kind, amount_minor = _said(fact)
        yield StatementEntry(
            on=fact.on, kind=kind, fact=fact.id, amount_minor=amount_minor, change=minus(books, before), owed_minor=owed_by_books(books)
        )
    yield from _billed(course, until)


def _billed(course: Course, day: date) -> Iterator[StatementEntry]:
    """Period by period, to the end of a day."""
    while (end := next_billing(course)) <= day:
        before = books_of(course)
        run_to(course, end)
        books = books_of(course)
        if (change := minus(books, before)) != BookChange():
            billed = -(change.interest_income_minor + change.default_interest_income_minor + change.fee_income_minor)
            yield StatementEntry(on=end, kind="billed", fact=None, amount_minor=billed, change=change, owed_minor=owed_by_books(books))
    run_to(course, day)


def _said(fact: DatedFact) -> tuple[LineKind, int | None]:
    match fact:
        case BroughtForward():
            return "brought_forward", fact.advanced_minor - fact.repaid_minor
        case Reduced():
            return "commitment_reduced", fact.amount_minor
        case RateFrom():
            return "rate", None
        case Advanced():
            return "advance", fact.amount_minor
        case Rescheduled():
            return "rescheduled", None
        case FeeDue():
            return "fee", fact.amount_minor
        case FallenDue():
            return "fallen_due", None
        case Refunded():
            return "refund", fact.amount_minor
        case Paid():
            return "recovery" if fact.recovery else "delivery" if fact.in_kind else "payment", fact.amount_minor
        case WrittenOff():
            return "written_off", fact.amount_minor
        case _:
            assert_never(fact)


def owed_by_books(books: BookChange) -> int:
    """What is advanced or billed and not paid, less credit."""
    return books.principal_minor + books.interest_minor + books.default_interest_minor + books.fees_minor + books.credit_minor


def told_in(events: Iterable[tuple[int, LoanEvent]]) -> dict[str, int]:
    """The dated facts of a loan, by id: with the version of its stream that told of each."""
    told: dict[str, int] = {}
    cancelled_minor = 0
    for version, event in events:
        match event:
            case AdvancePaid():
                told[event.advance] = version
            case PaymentRecorded() | DeliveryCredited() | RecoveryRecorded():
                told[event.payment] = version
            case FeeCharged():
                told[event.fee] = version
            case ActApproved():
                told[event.act] = version
            case RateReset():
                told[f"{event.from_on}/{event.reset:04}"] = version
            case LoanAccelerated():
                told[f"accelerated/{event.on}"] = version
            case BalanceBroughtForward():
                told[event.reference] = version
            case CommitmentCancelled():
                told[f"cancelled/{cancelled_minor}"] = version
                cancelled_minor += event.amount_minor
            case _:
                pass
    return told
