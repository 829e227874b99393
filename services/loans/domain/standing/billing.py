"""Billing: what a period's end makes due."""

from datetime import date

import msgspec

from services.loans.domain.standing.accrual import Bill, Course, accrue, together
from services.loans.domain.standing.periods import billing_day, due_date, parts_of, period_end, period_of, planned, repays
from services.loans.domain.standing.waterfall import pay_from_credit


def run_to(course: Course, day: date) -> None:
    """To the end of a day: periods that end until then are billed."""
    while (at := next_billing(course)) <= day:
        if course.period >= course.grid.terms.periods and course.is_still():
            course.period, course.billed = period_of(course.grid, day), False
            course.on = day
            return
        bill_period(course, at)
    _end_period(course, day)
    accrue(course, day)


def next_billing(course: Course) -> date:
    """The day on which the next period is billed."""
    if course.fallen_due:
        return period_end(course.grid, course.period + course.billed)
    return billing_day(course.grid, course.period + course.billed, course.since)


def bill_period(course: Course, at: date) -> None:
    _end_period(course, at)
    accrue(course, at)
    close_period(course)


def _end_period(course: Course, day: date) -> None:
    """One that was billed before its end, and has ended by that day."""
    if course.billed and (end := period_end(course.grid, course.period)) <= day:
        accrue(course, end)
        course.period, course.billed = course.period + 1, False


def close_period(course: Course) -> None:
    """Bills what accrued in the period, rounded, and the principal that is due with it; credit pays as much of it as it can. Interest of a
    capitalised period becomes principal, and so does what a planned payment does not cover. Billed before its end, it is billed with the
    interest until then, which accrues no more: what is repaid or lent anew before its end makes a difference to that of the next."""
    terms, period, end = course.grid.terms, course.period, period_end(course.grid, course.period)
    early = course.on < end
    bill_default_interest(course)
    if early:
        _earn(course, course.undue_minor, end)
    principal = _principal_due(course)
    total = together(course.accrued, course.accrued_overdue)
    interest = max(0, total.rounded())
    course.interest_income_minor += interest
    course.clear_accrued()
    course.accrued_overdue.clear()
    if total.numerator < 0 and course.undue_minor > principal:
        course.accrued = total  # more was repaid than the interest that was billed before supposed
    fees = course.accrued_fee.rounded()
    course.fee_income_minor += fees
    course.accrued_fee.clear()
    course.undue_minor -= principal
    if period < terms.capitalised_periods and not course.fallen_due:
        course.undue_minor += interest
        interest = 0
    elif principal < 0:
        interest += principal
        principal = 0
    due = end if course.fallen_due else due_date(course.grid, period)
    if early:
        _earn(course, -course.undue_minor, end)
        course.add_bill(Bill(due, principal, interest, fees, end))
        course.billed = True
    else:
        course.add_bill(Bill(due, principal, interest, fees))
        course.period += 1
    course.lowered = False
    pay_from_credit(course)


def _earn(course: Course, principal_minor: int, end: date) -> None:
    """What so much principal earns until the period's end."""
    parts = parts_of(course.grid, course.period, course.since, course.on, end)
    course.accrued.add(principal_minor * course.rates().interest * parts, course.basis())


def plan_anew(course: Course, *, lowered: bool = False) -> None:
    """Before something changes the plan: at the period's end, payments are planned over the periods that remain."""
    course.lowered = course.lowered or lowered
    if course.shortened:
        course.shortened = False
        course.last = _repaid_in(course)
    course.planned = ()


def keep_plan(course: Course) -> None:
    """Before a prepayment that leaves the payments as they are, and makes them fewer."""
    ahead = as_if_paid(course)
    while not ahead.planned and ahead.period < ahead.last:
        close_next(ahead)
    course.planned, course.planned_from, course.shortened = ahead.planned, ahead.planned_from, True


def _repaid_in(course: Course) -> int:
    ahead = as_if_paid(course)
    while ahead.period < ahead.last:
        close_next(ahead)
        if not ahead.undue_minor:
            return ahead.period + ahead.billed - 1
    return course.last


def as_if_paid(course: Course) -> Course:
    """Its future, if all that is billed is paid on its day."""
    ahead = Course(course.contract, course.running())
    ahead.bills, ahead.default_interest_minor, ahead.credit_minor = (), 0, 0
    ahead.accrued_default.clear()
    if ahead.fallen_due:
        ahead.accrued_overdue.clear()
    return ahead


def close_next(ahead: Course) -> Bill:
    """The next period's end, in a future in which what is billed is paid."""
    nothing = Bill(due_date(ahead.grid, ahead.period + ahead.billed))
    bill_period(ahead, next_billing(ahead))
    bill = ahead.bills[0] if ahead.bills else nothing
    ahead.bills = ()
    return bill


def fall_due(course: Course) -> None:
    """All that is owed, with what has accrued; what was billed for a later day, too."""
    bill_default_interest(course)
    total = together(course.accrued, course.accrued_overdue)
    interest, fees, principal = max(0, total.rounded()), course.accrued_fee.rounded(), course.undue_minor
    course.clear_accrued()
    course.accrued_overdue.clear()
    course.accrued_fee.clear()
    if total.numerator < 0:
        course.accrued_overdue = total
    course.interest_income_minor += interest
    course.fee_income_minor += fees
    course.undue_minor = 0
    course.fallen_due = True
    course.bills = tuple(msgspec.structs.replace(bill, due=min(bill.due, course.on)) for bill in course.bills)
    course.add_bill(Bill(course.on, principal, interest, fees))
    pay_from_credit(course)


def bill_to_day(course: Course) -> None:
    """Before anything is paid or written off: default interest, and of what has fallen due at once, interest."""
    bill_default_interest(course)
    if course.fallen_due and (billed := course.accrued_overdue.rounded()) > 0:
        course.interest_income_minor += billed
        course.accrued_overdue.add(-billed, 1)
        course.add_bill(Bill(course.on, interest_minor=billed))


def bill_default_interest(course: Course) -> None:
    """At a period's end, and before anything is paid or written off. What rounding leaves is kept while anything is overdue: it makes no
    difference to the sum how often it was billed."""
    if billed := course.accrued_default.rounded():
        course.default_interest_minor += billed
        course.default_interest_income_minor += billed
        course.accrued_default.add(-billed, 1)


def _principal_due(course: Course) -> int:
    """Planned payments are kept until something changes the plan. Interest on what is overdue is no part of them."""
    terms, period = course.grid.terms, course.period
    if period >= course.last:
        return course.undue_minor
    if not course.undue_minor or not repays(terms, period):
        return 0
    if not course.planned:
        basis = course.basis()
        accrued = course.accrued
        accrued.add(0, basis)
        scale = accrued.denominator // basis
        owed = course.undue_minor * accrued.denominator + accrued.numerator
        rate = course.rates().interest * scale
        course.planned = planned(course.grid, period, course.last, course.undue_minor, owed, rate, accrued.denominator)
        course.planned_from = period
    if period < course.planned_from:
        return 0
    payment = course.planned[min(period - course.planned_from, len(course.planned) - 1)]
    if terms.kind == "equal_principal":
        return min(payment, course.undue_minor)
    interest = course.accrued.rounded()
    if payment < interest and course.lowered and period == course.planned_from:
        # Interest on what was repaid since, or at a rate that was, is not lent anew: it is paid alone, and the next are planned again.
        course.planned = ()
        return 0
    return min(payment - interest, course.undue_minor)
