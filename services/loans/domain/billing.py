"""Billing: what a period's end makes due."""

from datetime import date

from services.loans.domain.periods import due_date, period_end, period_of, planned, repays
from services.loans.domain.running import Course, accrue
from services.loans.domain.waterfall import pay_from_credit


def run_to(course: Course, day: date) -> None:
    """To the end of a day: periods that end until then are billed."""
    while (end := period_end(course.schedule, course.period)) <= day:
        if course.period >= course.schedule.periods and course.is_still():
            course.period = period_of(course.schedule, day)
            course.on = day
            return
        accrue(course, end)
        close_period(course)
    accrue(course, day)


def close_period(course: Course) -> None:
    """Bills what accrued in the period, rounded, and the principal that is due with it; credit pays as much of it as it can. Interest of a
    capitalised period becomes principal."""
    terms, period = course.schedule, course.period
    bill_default_interest(course)
    principal = _principal_due(course)
    interest = _accrued_interest(course)
    course.interest_income_minor += interest
    course.accrued.clear()
    course.accrued_overdue.clear()
    fees = course.accrued_fee.rounded()
    course.fee_income_minor += fees
    course.accrued_fee.clear()
    course.undue_minor -= principal
    if period < terms.capitalised_periods:
        course.undue_minor += interest
        interest = 0
    course.add_bill(due_date(terms, period), principal, interest, fees)
    course.period += 1
    pay_from_credit(course)


def bill_default_interest(course: Course) -> None:
    """At a period's end, and before anything is paid or written off. What rounding leaves is kept while anything is overdue: it makes no
    difference to the sum how often it was billed."""
    if not course.accrued_default.numerator:
        return
    billed = course.accrued_default.rounded()
    course.default_interest_minor += billed
    course.default_interest_income_minor += billed
    if course.bills:
        course.accrued_default.add(-billed, 1)
    else:
        course.accrued_default.clear()


def _accrued_interest(course: Course) -> int:
    if not course.accrued_overdue.numerator:
        return course.accrued.rounded()
    return round(course.accrued.fraction() + course.accrued_overdue.fraction())


def _principal_due(course: Course) -> int:
    """Planned payments are kept until something changes the plan. Interest on what is overdue is no part of them."""
    terms, period = course.schedule, course.period
    if period >= terms.periods - 1:
        return course.undue_minor
    if not course.undue_minor or not repays(terms, period):
        return 0
    if not course.planned:
        basis = course.basis()
        accrued = course.accrued
        accrued.add(0, basis)
        scale = accrued.denominator // basis
        owed = course.undue_minor * accrued.denominator + accrued.numerator
        course.planned = planned(terms, period, course.undue_minor, owed, course.rates().interest * scale, accrued.denominator)
        course.planned_from = period
    payment = course.planned[min(period - course.planned_from, len(course.planned) - 1)]
    if terms.kind == "equal_principal":
        return min(payment, course.undue_minor)
    interest = course.accrued.rounded()
    if payment < interest:
        # Interest on what was repaid since is not lent anew: it is paid now, and the payments after it are planned again.
        course.planned = ()
        return 0
    return min(payment - interest, course.undue_minor)
