"""Books of a loan: an event brings a dated fact in, or takes one out, and carries the difference that it makes."""

from datetime import date, timedelta
from fractions import Fraction
from typing import assert_never

import msgspec

from services.loans.domain.loan.state import IN_DEFAULT, Loan, LoanStatus, Reason, fault_of_unreconciled
from services.loans.domain.standing.dated_facts import (
    Advanced,
    BroughtForward,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
)
from services.loans.domain.standing.periods import grid
from services.loans.domain.standing.standing import Account, books_on, bucket, figures_on, minus, plus, with_fact, without_fact
from services.loans.events.defaults import DefaultCause, DefaultCured, HowCured, LoanAccelerated, LoanDefaulted
from services.loans.events.loan import (
    ActApproved,
    AdvancePaid,
    ArrearsChanged,
    BalanceBroughtForward,
    BookChange,
    CommitmentCancelled,
    DeliveryCredited,
    FeeCharged,
    Figures,
    LoanEvent,
    LoanRepaid,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    RateReset,
    RecoveryRecorded,
)
from services.loans.events.terms import Amendment, Refund, Reinstate, Restructure, WriteOff
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText

type Booked = (
    BalanceBroughtForward
    | ActApproved
    | AdvancePaid
    | PaymentRecorded
    | DeliveryCredited
    | RecoveryRecorded
    | PaymentReversed
    | RateReset
    | FeeCharged
    | PeriodClosed
    | LoanAccelerated
)

MAX_AHEAD = timedelta(days=3660)  # of today, or of the end of the schedule if that is later; as long ago for an import
MAX_BOOKED_MINOR = MAX_INTEGER // 8
NO_CHANGE = BookChange()
NO_FIGURES = Figures(  # of an event that is not entered yet
    on=date.min,
    advanced_minor=0,
    repaid_minor=0,
    principal_minor=0,
    interest_minor=0,
    accrued_minor=0,
    default_interest_minor=0,
    fees_minor=0,
    credit_minor=0,
    due_minor=0,
    overdue_minor=0,
    overdue_since=None,
    next_due=None,
    next_due_minor=0,
)


def entered[Event: Booked](loan: Loan, event: Event, on: date) -> Event:
    """The event with what it changes in the books, through `on` or the last day that was booked, whichever is later."""
    account = account_after(loan, event)
    through = max(loan.booked_through, on)
    change = minus(books_on(account, through), loan.booked)
    return msgspec.structs.replace(event, change=change, after=figures_on(account, through))


def too_much(event: Booked, field: str) -> Refused[Reason] | None:
    """The books hold so many minor units and no more, and keep room for the interest that will come by itself."""
    amounts = [getattr(part, name) for part in (event.change, event.after) for name in part.__struct_fields__ if name.endswith("_minor")]
    if max(map(abs, amounts)) <= MAX_BOOKED_MINOR:
        return None
    return Refused(Reason.AMOUNT_INVALID, "it is more than the books can hold", field, f"together at most {MAX_BOOKED_MINOR}")


def enter(loan: Loan, event: Booked) -> Loan:
    """The loan with the event in its books. One that is repaid is so no longer where something is owed again: a payment never came, or a
    fee did."""
    return msgspec.structs.replace(
        loan,
        account=account_after(loan, event),
        booked=plus(loan.booked, event.change),
        booked_through=event.after.on,
        figures=event.after,
        status=LoanStatus.COMMITTED if loan.status is LoanStatus.REPAID and owes(event.after) else loan.status,
    )


def cancelled(loan: Loan, event: CommitmentCancelled) -> Loan:
    """The loan with so much less to be advanced."""
    assert loan.account is not None
    reduced = Reduced(id=f"cancelled/{loan.cancelled_minor}", on=event.on, amount_minor=event.amount_minor)
    return msgspec.structs.replace(
        loan, account=with_fact(loan.account, reduced), cancelled_minor=loan.cancelled_minor + event.amount_minor
    )


def account_after(loan: Loan, event: Booked) -> Account:
    """The loan's account with what the event says in it."""
    account = loan.account
    assert account is not None, "only a committed loan has books"
    match event:
        case BalanceBroughtForward():
            brought = BroughtForward(
                id=event.reference, on=event.as_of, advanced_minor=event.advanced_minor, repaid_minor=event.repaid_minor
            )
            return with_fact(account, brought)
        case AdvancePaid():
            return with_fact(account, Advanced(id=event.advance, on=event.paid_on, amount_minor=event.amount_minor))
        case PaymentRecorded() | DeliveryCredited() | RecoveryRecorded():
            return with_fact(
                account,
                Paid(
                    id=event.payment,
                    on=event.received_on,
                    amount_minor=event.amount_minor,
                    prepays="nothing" if isinstance(event, RecoveryRecorded) else event.prepays,
                    in_kind=isinstance(event, DeliveryCredited),
                    recovery=isinstance(event, RecoveryRecorded),
                    due_first=event.due_first,
                ),
            )
        case PaymentReversed():
            return without_fact(account, event.payment)
        case RateReset():
            assert loan.terms is not None
            rate_pct = str(Fraction(event.base_pct) + Fraction(loan.terms.margin_pct))
            terms = loan.terms.reference_rate
            compounds = event.published is not msgspec.UNSET and terms is not None and terms.compounded
            base_pct = event.base_pct if compounds else None
            id = f"{event.from_on}/{event.reset:04}"
            return with_fact(account, RateFrom(id=id, on=event.from_on, rate_pct=rate_pct, base_pct=base_pct))
        case FeeCharged():
            return with_fact(account, FeeDue(id=event.fee, on=event.due_on, amount_minor=event.amount_minor))
        case ActApproved():
            if isinstance(event.content, Reinstate):
                return account if loan.accelerated is None else without_fact(account, loan.accelerated)
            return _with_act(account, event.act, event.content)
        case LoanAccelerated():
            return with_fact(account, FallenDue(id=accelerated_id(event.on), on=event.on))
        case PeriodClosed():
            return account
        case _:
            assert_never(event)


def accelerated_id(on: date) -> str:
    """Of the dated fact that all has fallen due."""
    return f"accelerated/{on}"


def _with_act(account: Account, act: str, content: Amendment) -> Account:
    match content:
        case Restructure():
            changed = Rescheduled(
                id=act,
                on=content.schedule.start,
                schedule=content.schedule,
                rate_pct=content.rate_pct,
                capitalise_overdue=content.capitalise_overdue,
            )
            return with_fact(account, changed)
        case WriteOff():
            return with_fact(account, WrittenOff(id=act, on=content.on, amount_minor=content.amount_minor))
        case Refund():
            return with_fact(account, Refunded(id=act, on=content.on, amount_minor=content.amount_minor))
        case _:
            return account


def arrears(loan: Loan, after: Figures) -> list[LoanEvent]:
    """The bucket, if it is another one now."""
    assert loan.id is not None
    now = bucket(after, after.on)
    if now == loan.bucket:
        return []
    return [ArrearsChanged(loan=loan.id, bucket=now, overdue_minor=after.overdue_minor, overdue_since=after.overdue_since)]


def repaid(loan: Loan, after: Figures) -> list[LoanEvent]:
    """That this was the last of it: nothing is owed any more, and nothing will be advanced."""
    assert loan.id is not None
    may_end = loan.status is LoanStatus.COMMITTED or (loan.status in IN_DEFAULT and loan.accelerated is not None)
    ended = may_end and loan.advanced_minor and not loan.undrawn_minor and not owes(after)
    return [LoanRepaid(loan=loan.id, on=after.on)] if ended else []


def owed_again(loan: Loan, after: Figures, on: date) -> list[LoanEvent]:
    """Of a loan that had fallen due, and was repaid: it is in default as before."""
    if loan.status is not LoanStatus.REPAID or loan.accelerated is None or not owes(after):
        return []
    assert loan.id is not None
    assert loan.terms is not None
    reason = TypedText("what had been repaid is owed again")
    return [LoanDefaulted(loan=loan.id, on=on, reason=reason, cause="payment", facility=loan.terms.facility)]


def consequences(loan: Loan, after: Figures, *, reconciled: bool = True) -> list[LoanEvent]:
    """The bucket of arrears, whether a default for want of payment is cured, and whether that was the last of it. `reconciled`: whether
    what it follows from is more than one person's word."""
    back = cured(loan, "payment", "paid", after.on) if reconciled and not after.due_minor else []
    now = msgspec.structs.replace(loan, status=LoanStatus.COMMITTED) if back else loan
    return [*arrears(loan, after), *back, *repaid(now, after)]


def cured(loan: Loan, cause: DefaultCause, how: HowCured, on: date) -> list[LoanEvent]:
    """That a default for that cause is one no longer, unless all has fallen due by it, or it is paid by one person's word."""
    if how == "paid" and fault_of_unreconciled(loan) is not None:
        return []
    if loan.status is not LoanStatus.DEFAULTED or loan.default_cause != cause or loan.accelerated is not None:
        return []
    assert loan.id is not None
    assert loan.terms is not None
    return [DefaultCured(loan=loan.id, on=on, how=how, facility=loan.terms.facility)]


def owes(figures: Figures) -> bool:
    """Whether anything is owed, or has accrued that will be billed: a fee on what was not advanced, too."""
    return owed_minor(figures) > 0 or figures.next_billing is not None


def owed_minor(figures: Figures) -> int:
    """All that a borrower owes on that day, due or not, with what is not billed yet."""
    return figures.principal_minor + figures.interest_minor + figures.accrued_minor + figures.default_interest_minor + figures.fees_minor


def day_fault(loan: Loan, day: date, on: date, field: str) -> Refused[Reason] | None:
    """Money counts for a day from the commitment on, and for none that has not come yet."""
    if (early := early_fault(loan, day, field)) is not None:
        return early
    if day > on:
        return Refused(Reason.DATE_IN_FUTURE, f"{day} has not come yet", field, f"{on} or earlier")
    return None


def planned_fault(loan: Loan, day: date, on: date, field: str) -> Refused[Reason] | None:
    """What is agreed now may count for a day to come, but for none so far off that it can only be a slip of the pen."""
    assert loan.account is not None
    return far_fault(loan.account, day, on, field) or early_fault(loan, day, field)


def far_fault(account: Account, day: date, on: date, field: str) -> Refused[Reason] | None:
    """A day that nobody asks about in earnest: all periods until then would be worked out."""
    schedules = (account.contract.schedule, *(running.schedule for running in account.after[-1:]))
    last = max(on + MAX_AHEAD, *(grid(schedule).bounds[-1] for schedule in schedules))
    return Refused(Reason.DATE_IN_FUTURE, f"{day} is too far ahead", field, f"{last} or earlier") if day > last else None


def early_fault(loan: Loan, day: date, field: str) -> Refused[Reason] | None:
    assert loan.account is not None
    first = loan.account.contract.committed_on
    return Refused(Reason.DATE_BEFORE_LOAN, f"{day} is before the loan", field, f"{first} or later") if day < first else None
