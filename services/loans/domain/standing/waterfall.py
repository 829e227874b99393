"""Waterfall: what money goes to, and what is lost when it never comes."""

from collections.abc import Sequence

from services.loans.domain.standing.accrual import Bill, Course, together


def pay_due(course: Course, amount_minor: int, *, due_first: bool = False) -> int:
    """Pays fees, then default interest, interest and principal, the oldest first within each. Gives what is left of the amount.

    Between a period's end and the business day on which it is due there are bills that are not due: `due_first`, they come last.
    """
    if due_first and (later := tuple(bill for bill in course.bills if bill.due > course.on)):
        course.bills = course.bills[: -len(later)]
        amount_minor = pay_due(course, amount_minor)
        course.bills += later
    if not course.bills and not course.default_interest_minor:
        return amount_minor
    bills = course.bills
    fees, left = _less([bill.fees_minor for bill in bills], amount_minor)
    (course.default_interest_minor,), left = _less([course.default_interest_minor], left)
    interest, left = _less([bill.interest_minor for bill in bills], left)
    principal, rest = _less([bill.principal_minor for bill in bills], left)
    course.repaid_minor += left - rest
    _keep(course, principal, interest, fees)
    return rest


def pay_from_credit(course: Course) -> None:
    if course.credit_minor:
        course.credit_minor = pay_due(course, course.credit_minor)


def prepay(course: Course, amount_minor: int) -> int:
    """Pays principal that is not due, and once all of it is paid, the interest that has accrued, if the amount is enough for it: nothing
    is left to bill then. Gives what is left."""
    paid = min(amount_minor, course.undue_minor)
    course.undue_minor -= paid
    course.repaid_minor += paid
    left = amount_minor - paid
    if course.undue_minor:
        return left
    interest = together(course.accrued, course.accrued_overdue).rounded()
    if left < interest:
        return left
    course.interest_income_minor += interest
    course.accrued.clear()
    course.accrued_overdue.clear()
    return left - interest


def recover(course: Course, amount_minor: int) -> int:
    """Money beyond all that is owed makes good what was written off. Gives what is left."""
    recovered = min(amount_minor, course.written_off_minor)
    course.written_off_minor -= recovered
    return amount_minor - recovered


def refund(course: Course, amount_minor: int) -> None:
    """Credit goes back. What is beyond it was refunded of a payment that never came, and is due at once."""
    course.cash_minor -= amount_minor
    credit = min(amount_minor, course.credit_minor)
    course.credit_minor -= credit
    course.add_bill(Bill(course.on, fees_minor=amount_minor - credit))


def write_off(course: Course, amount_minor: int) -> None:
    """Takes from what is owed: principal (the oldest due first, then what is not due), interest, default interest, fees. What is beyond all
    that is owed has no effect."""
    bills = course.bills
    principal, left = _less([bill.principal_minor for bill in bills], amount_minor)
    (course.undue_minor,), left = _less([course.undue_minor], left)
    interest, left = _less([bill.interest_minor for bill in bills], left)
    (course.default_interest_minor,), left = _less([course.default_interest_minor], left)
    fees, left = _less([bill.fees_minor for bill in bills], left)
    _keep(course, principal, interest, fees)
    course.written_off_minor += amount_minor - left


def _less(owed: Sequence[int], amount_minor: int) -> tuple[list[int], int]:
    """What is still owed of each, paid in turn, and what is left of the amount."""
    still = list(owed)
    for place, each in enumerate(still):
        if not amount_minor:
            break
        paid = min(each, amount_minor)
        still[place] -= paid
        amount_minor -= paid
    return still, amount_minor


def _keep(course: Course, principal: Sequence[int], interest: Sequence[int], fees: Sequence[int]) -> None:
    """The bills, with what is still owed of each."""
    still_owed = zip(course.bills, principal, interest, fees, strict=True)
    course.bills = tuple(
        Bill(bill.due, of_principal, of_interest, of_fees, bill.earned_until)
        for bill, of_principal, of_interest, of_fees in still_owed
        if of_principal or of_interest or of_fees
    )
    if not course.bills:
        course.accrued_default.clear()  # the part of a cent that was left of it
        if course.fallen_due:
            course.accrued_overdue.clear()
