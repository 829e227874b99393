"""Standing: what a loan owes on any day. It follows from dated facts alone, in whatever order they came: a fact that is learnt late, or
was never true, is put in or taken out at its place, and what comes after it is worked out again.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Literal, assert_never

import msgspec

from services.loans.domain.standing.accrual import Bill, Course, Running, began, together
from services.loans.domain.standing.billing import (
    as_if_paid,
    bill_default_interest,
    bill_to_day,
    close_next,
    fall_due,
    keep_plan,
    next_billing,
    plan_anew,
    run_to,
)
from services.loans.domain.standing.dated_facts import (
    Advanced,
    BroughtForward,
    Contract,
    DatedFact,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
    order,
)
from services.loans.domain.standing.periods import grid, period_of
from services.loans.domain.standing.waterfall import pay_due, pay_from_credit, prepay, recover, refund, write_off
from services.loans.events.loan import BookChange, Figures

type Bucket = Literal["current", "1-30", "31-60", "61-90", "over 90"]


class Account(msgspec.Struct, frozen=True):
    """`facts` by day, kind and id; `after[k]`: how the loan stands once facts[:k + 1] have had their effect."""

    contract: Contract
    facts: tuple[DatedFact, ...] = ()
    after: tuple[Running, ...] = ()


class DueRow(msgspec.Struct, frozen=True, gc=False):
    """What will be due, and how much principal is left after it."""

    due: date
    principal_minor: int
    interest_minor: int
    fees_minor: int
    balance_minor: int


def opened(contract: Contract) -> Account:
    return Account(contract)


def with_fact(account: Account, fact: DatedFact) -> Account:
    """Its id is of no other fact."""
    at = bisect_right(account.facts, order(fact), key=order)
    return _folded(account, at, (fact, *account.facts[at:]))


def without_fact(account: Account, id: str) -> Account:
    at = next(at for at, fact in enumerate(account.facts) if fact.id == id)
    return _folded(account, at, account.facts[at + 1 :])


def _folded(account: Account, at: int, facts: tuple[DatedFact, ...]) -> Account:
    """The account with these facts from place `at` on."""
    course = Course(account.contract, account.after[at - 1] if at else began(account.contract))
    after = []
    for fact in facts:
        run_to(course, fact.on)
        _take(course, fact)
        after.append(course.running())
    return Account(account.contract, account.facts[:at] + facts, account.after[:at] + tuple(after))


def _take(course: Course, fact: DatedFact) -> None:
    match fact:
        case BroughtForward():
            owed = fact.advanced_minor - fact.repaid_minor
            course.cash_minor -= owed
            course.repaid_minor += fact.repaid_minor
            course.established = fact.advanced_minor > 0  # with the first advance its fee was charged there
            _lend(course, owed, fact.advanced_minor)
        case Reduced():
            course.undrawn_minor -= min(fact.amount_minor, course.undrawn_minor)
        case RateFrom():
            if fact.rate_pct != course.rate_pct:
                plan_anew(course, lowered=True)
            course.bear(fact.rate_pct, fact.base_pct)
        case Advanced():
            course.cash_minor -= fact.amount_minor
            _lend(course, fact.amount_minor, fact.amount_minor)
            if not course.established:
                course.established = True
                _charge(course, fact.on, course.contract.establishment_fee_minor)
        case Rescheduled():
            _reschedule(course, fact)
        case FeeDue():
            _charge(course, fact.on, fact.amount_minor)
        case FallenDue():
            fall_due(course)
        case Paid():
            _pay(course, fact)
        case Refunded():
            refund(course, fact.amount_minor)
        case WrittenOff():
            bill_to_day(course)
            if fact.amount_minor > sum(bill.principal_minor for bill in course.bills):
                plan_anew(course, lowered=True)
            write_off(course, fact.amount_minor)
        case _:
            assert_never(fact)


def _lend(course: Course, owed_minor: int, advanced_minor: int) -> None:
    plan_anew(course)
    if not course.undue_minor:
        course.last = course.grid.terms.periods - 1
    course.advanced_minor += advanced_minor
    course.undrawn_minor -= min(advanced_minor, course.undrawn_minor)
    if course.fallen_due:
        course.add_bill(Bill(course.on, principal_minor=owed_minor))
    else:
        course.undue_minor += owed_minor


def _charge(course: Course, due: date, amount_minor: int) -> None:
    course.fee_income_minor += amount_minor
    course.add_bill(Bill(due, fees_minor=amount_minor))
    pay_from_credit(course)


def _reschedule(course: Course, fact: Rescheduled) -> None:
    """Interest that has accrued is billed with the new schedule's first period. What has fallen due at once has no schedule any more."""
    if course.fallen_due:
        return
    bill_default_interest(course)
    if fact.capitalise_overdue:
        course.undue_minor += course.default_interest_minor + sum(bill.total_minor for bill in course.bills)
        course.bills, course.default_interest_minor = (), 0
        course.accrued_default.clear()
    course.grid = grid(fact.schedule)
    course.since = fact.on
    course.period, course.billed = period_of(course.grid, fact.on), False
    course.last = fact.schedule.periods - 1
    if fact.rate_pct is not None:
        course.bear(fact.rate_pct, None)
    course.planned, course.lowered, course.shortened = (), False, False


def _pay(course: Course, fact: Paid) -> None:
    bill_to_day(course)
    if fact.in_kind:
        course.goods_minor += fact.amount_minor
    else:
        course.cash_minor += fact.amount_minor
    left = pay_due(course, fact.amount_minor, due_first=fact.due_first)
    if left and (fact.recovery or fact.prepays != "nothing"):
        if fact.prepays == "term" and not fact.recovery:
            keep_plan(course)
        else:
            plan_anew(course, lowered=True)
        left = prepay(course, left)
    if left and fact.recovery:
        left = recover(course, left)
    course.credit_minor += left


def _at(account: Account, on: date) -> Course:
    """At the end of a day; before the loan began, as it began."""
    at = bisect_right(account.facts, on, key=lambda fact: fact.on)
    course = Course(account.contract, account.after[at - 1] if at else began(account.contract))
    run_to(course, on)
    return course


def books_on(account: Account, on: date) -> BookChange:
    """All that was booked until the end of a day."""
    return books_of(_at(account, on))


def books_of(course: Course) -> BookChange:
    return BookChange(
        cash_minor=course.cash_minor,
        goods_minor=course.goods_minor,
        principal_minor=course.undue_minor + sum(bill.principal_minor for bill in course.bills),
        interest_minor=sum(bill.interest_minor for bill in course.bills),
        default_interest_minor=course.default_interest_minor,
        fees_minor=sum(bill.fees_minor for bill in course.bills),
        credit_minor=-course.credit_minor,
        interest_income_minor=-course.interest_income_minor,
        default_interest_income_minor=-course.default_interest_income_minor,
        fee_income_minor=-course.fee_income_minor,
        written_off_minor=course.written_off_minor,
    )


def figures_on(account: Account, on: date) -> Figures:
    course = _at(account, on)
    principal, interest, fees, overdue = course.undue_minor, 0, 0, 0
    default_interest = max(0, course.accrued_default.rounded())  # billed before anything is paid
    due = course.default_interest_minor + default_interest
    if course.fallen_due:
        due += max(0, course.accrued_overdue.rounded())
    overdue_since = None
    for bill in course.bills:
        principal += bill.principal_minor
        interest += bill.interest_minor
        fees += bill.fees_minor
        if bill.due <= on:
            due += bill.total_minor
        if bill.due < on:
            overdue += bill.total_minor
            overdue_since = overdue_since or bill.due
    following = next((bill for bill, _ in _ahead(course) if bill.total_minor), None)
    return Figures(
        on=on,
        advanced_minor=course.advanced_minor,
        repaid_minor=course.repaid_minor,
        principal_minor=principal,
        interest_minor=interest,
        accrued_minor=max(0, together(course.accrued, course.accrued_overdue).rounded()) + default_interest,
        default_interest_minor=course.default_interest_minor,
        fees_minor=fees,
        credit_minor=course.credit_minor,
        due_minor=due,
        overdue_minor=overdue,
        overdue_since=overdue_since,
        next_due=None if following is None else following.due,
        next_due_minor=0 if following is None else following.total_minor,
        next_billing=_next_billing(course),
    )


def interest_on(account: Account, on: date) -> Fraction:
    """What has accrued of the current period, exactly: not billed yet. Default interest not included."""
    course = _at(account, on)
    return together(course.accrued, course.accrued_overdue).fraction()


def upcoming(account: Account, on: date) -> tuple[DueRow, ...]:
    """What will be due after a day, as things stand then: if nothing more is advanced, and all is paid when it is due."""
    return tuple(
        DueRow(bill.due, bill.principal_minor, bill.interest_minor, bill.fees_minor, balance) for bill, balance in _ahead(_at(account, on))
    )


def _ahead(course: Course) -> Iterator[tuple[Bill, int]]:
    """Each with the principal that is left after it."""
    for bill in course.bills:
        if bill.due > course.on:
            yield bill, course.undue_minor
    ahead = as_if_paid(course)
    while not ahead.is_still():
        yield close_next(ahead), ahead.undue_minor


def _next_billing(course: Course) -> date | None:
    """A period's end, or a month's beyond the last."""
    return None if course.is_still() else next_billing(course)


def bucket(figures: Figures, on: date) -> Bucket:
    """By the days since the oldest due date of what is overdue."""
    if figures.overdue_since is None or (days := (on - figures.overdue_since).days) < 1:
        return "current"
    if days <= 30:
        return "1-30"
    if days <= 60:
        return "31-60"
    return "61-90" if days <= 90 else "over 90"


_ACCOUNTS = BookChange.__struct_fields__


def plus(first: BookChange, second: BookChange) -> BookChange:
    return BookChange(**{name: getattr(first, name) + getattr(second, name) for name in _ACCOUNTS})


def minus(first: BookChange, second: BookChange) -> BookChange:
    return BookChange(**{name: getattr(first, name) - getattr(second, name) for name in _ACCOUNTS})
