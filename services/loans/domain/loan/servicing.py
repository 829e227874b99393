"""Servicing a loan: what is billed and reset, how it is graded, and how it ends. What is paid is in `loan_payments.py`."""

from datetime import date
from fractions import Fraction
from typing import assert_never

import msgspec

from services.loans.domain.loan.books import (
    MAX_AHEAD,
    NO_CHANGE,
    NO_FIGURES,
    arrears,
    consequences,
    enter,
    entered,
    owed_again,
    owed_minor,
    owes,
    planned_fault,
    too_much,
)
from services.loans.domain.loan.state import (
    OPEN,
    Decided,
    Loan,
    Reason,
    fault_of_unreconciled,
    followed_rate,
    keys_of,
    not_found,
    wrong_status,
)
from services.loans.domain.loan.terms import MAX_RATE_PCT, fault_of_terms
from services.loans.domain.rates.following import base_pct, borne_from
from services.loans.domain.standing.standing import figures_on
from services.loans.events.loan import (
    FeeCharged,
    LoanClosed,
    LoanEvent,
    LoanId,
    LoanImported,
    PeriodClosed,
    RateReset,
    Regraded,
)
from services.loans.events.rates import Publication, RateCode
from services.loans.events.terms import Grade, LoanTerms, Stage
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.dating import Dated, DatingReason, undated

FIXED = "fixed"  # a base rate that nobody publishes


class ImportLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A loan that another system kept until now."""

    loan: LoanId
    terms: LoanTerms
    document: str
    reference: str
    as_of: date
    advanced_minor: int
    repaid_minor: int
    by: str
    on: date


class ResetRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    base_pct: str
    source: TypedText
    from_on: date
    dated_because: Dated | None = None  # needed where that is before the day on which it is proposed
    reported_on: date | None = None  # that day; None: an earlier build did not say, and it is that of the signature
    on: date


class TakePublications(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Of the reference rate that the loan bears. Total."""

    rate: RateCode
    calendar: str
    publications: tuple[Publication, ...]
    on: date


class ChargeFee(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    fee: str
    text: TypedText
    amount_minor: int
    due_on: date
    dated_because: Dated | None = None
    reported_on: date | None = None
    on: date


class ClosePeriod(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: a due date has come. Total."""

    on: date


class LookAtArrears(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: what is overdue may be so for longer than its bucket says. Total."""

    on: date


class Regrade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    grade: Grade
    stage: Stage
    provision_minor: int
    reason: TypedText


class CloseLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText
    on: date


type ServicingCommand = ImportLoan | ResetRate | TakePublications | ChargeFee | ClosePeriod | LookAtArrears | Regrade | CloseLoan


def decide_servicing(command: ServicingCommand, loan: Loan) -> Decided:
    match command:
        case ImportLoan():
            return _import(command, loan)
        case ClosePeriod() | LookAtArrears():
            return _look(command, loan)
        case TakePublications():
            return _take(command, loan)
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status not in OPEN or loan.account is None:
        return wrong_status(loan, "committed, in default or repaid")
    match command:
        case ResetRate():
            return _reset_rate(command, loan)
        case ChargeFee():
            return _charge_fee(command, loan)
        case Regrade():
            if not command.provision_minor >= 0:
                return Refused(Reason.AMOUNT_INVALID, "a provision is zero or more", "/provision_minor", "0 or more")
            return [
                Regraded(
                    loan=loan.id,
                    grade=command.grade,
                    stage=command.stage,
                    currency=loan.terms.currency,
                    provision_minor=command.provision_minor,
                    change_minor=command.provision_minor - loan.provision_minor,
                    reason=command.reason,
                )
            ]
        case CloseLoan():
            return _close(command, loan)
        case _:
            assert_never(command)


def _import(command: ImportLoan, loan: Loan) -> Decided:
    """What it was before `as_of` is not known here; once it is committed, it is a loan like any other."""
    if loan.id is not None:
        return Refused(Reason.ALREADY_PROPOSED, f"{loan.id} is here already")
    terms = command.terms
    if command.as_of > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.as_of} has not come yet", "/as_of", f"{command.on} or earlier")
    if command.as_of < command.on - MAX_AHEAD:
        first = command.on - MAX_AHEAD
        return Refused(Reason.TERMS_INVALID, f"{command.as_of} is too long ago", "/as_of", f"{first} or later")
    if (fault := fault_of_terms(terms, min(command.on, terms.available_until))) is not None:
        return fault
    if not 0 <= command.repaid_minor <= command.advanced_minor <= terms.commitment_minor:
        return Refused(
            Reason.AMOUNT_INVALID,
            "more is repaid than advanced, or more advanced than committed",
            "/advanced_minor",
            "at most the commitment",
        )
    return [
        LoanImported(
            loan=command.loan,
            terms=terms,
            document=command.document,
            reference=command.reference,
            as_of=command.as_of,
            advanced_minor=command.advanced_minor,
            repaid_minor=command.repaid_minor,
            imported_by=command.by,
            keys=keys_of(terms),
        )
    ]


def _reset_rate(command: ResetRate, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    rate = Fraction(command.base_pct) + Fraction(loan.terms.margin_pct)
    if not Fraction(command.base_pct) >= 0 or rate > MAX_RATE_PCT:
        return Refused(Reason.RATE_INVALID, "no rate that is charged", "/base_pct", f"0 to {MAX_RATE_PCT} per cent a year, all in")
    if (fault := planned_fault(loan, command.from_on, command.on, "/from_on")) is not None:
        return fault
    if (late := _undated(command, command.from_on)) is not None:
        return late
    if loan.terms.reference_rate is not None:
        accepted = "a publication of it, or a restructuring"
        return Refused(Reason.RATE_FOLLOWS, f"the terms say that it is {loan.terms.reference_rate.rate}", "/base_pct", accepted)
    if loan.terms.base_rate.strip().casefold() == FIXED:
        detail = f"the terms fix it at {loan.terms.base_pct}"
        return Refused(Reason.RATE_FIXED, detail, "/base_pct", "a restructuring, which another person signs")
    reset = RateReset(
        loan=loan.id,
        reset=loan.resets,
        base_pct=command.base_pct,
        source=command.source,
        from_on=command.from_on,
        currency=loan.terms.currency,
        change=NO_CHANGE,
        after=NO_FIGURES,
        dated_because=command.dated_because,
    )
    reset = entered(loan, reset, command.on)
    return [reset, *consequences(loan, reset.after)]


def _take(command: TakePublications, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or loan.account is None or loan.status not in OPEN:
        return []
    reference = loan.terms.reference_rate
    if reference is None or reference.rate != command.rate:
        return []
    resets: list[LoanEvent] = []
    told = loan
    for from_on, publication in borne_from(loan.account, reference, command.calendar, command.publications):
        reset = RateReset(
            loan=loan.id,
            reset=told.resets,
            base_pct=base_pct(reference, publication),
            source=TypedText(command.rate),
            from_on=from_on,
            currency=loan.terms.currency,
            change=NO_CHANGE,
            after=NO_FIGURES,
            published=publication,
        )
        reset = entered(told, reset, command.on)
        told = msgspec.structs.replace(enter(told, reset), resets=told.resets + 1)
        resets.append(reset)
    if not resets:
        return []
    assert told.figures is not None, "whose rate was reset has figures"
    return [*resets, *consequences(loan, told.figures)]


def _charge_fee(command: ChargeFee, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    if command.amount_minor <= 0:
        return Refused(Reason.AMOUNT_INVALID, "a fee is above zero", "/amount_minor", "1 or more")
    if (fault := planned_fault(loan, command.due_on, command.on, "/due_on")) is not None:
        return fault
    if (late := _undated(command, command.due_on)) is not None:
        return late
    charged = FeeCharged(
        loan=loan.id,
        fee=command.fee,
        text=command.text,
        currency=loan.terms.currency,
        amount_minor=command.amount_minor,
        due_on=command.due_on,
        change=NO_CHANGE,
        after=NO_FIGURES,
        dated_because=command.dated_because,
    )
    charged = entered(loan, charged, command.on)
    return too_much(charged, "/amount_minor") or [charged, *arrears(loan, charged.after), *owed_again(loan, charged.after, command.on)]


def _undated(command: ResetRate | ChargeFee, day: date) -> Refused[DatingReason] | None:
    """A day to come is agreed, and needs no reason."""
    told = command.reported_on or command.on
    return undated(min(day, told), told, command.dated_because)


def _look(command: ClosePeriod | LookAtArrears, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or loan.account is None or loan.status not in OPEN:
        return []
    closed = PeriodClosed(loan=loan.id, due=command.on, currency=loan.terms.currency, change=NO_CHANGE, after=NO_FIGURES)
    closed = entered(loan, closed, command.on)
    return [closed, *consequences(loan, closed.after)]


def _close(command: CloseLoan, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    figures = figures_on(loan.account, max(loan.booked_through, command.on))
    if owed := owed_minor(figures):
        return Refused(Reason.STILL_OWED, f"{owed} are owed", accepted="a loan that nothing is owed of: repaid, or written off")
    if loan.undrawn_minor:
        return Refused(Reason.STILL_OWED, f"{loan.undrawn_minor} may still be advanced", accepted="a commitment that is cancelled first")
    if owes(figures):
        return Refused(Reason.STILL_OWED, f"what has accrued is billed on {figures.next_billing}", accepted="a loan that has paid it")
    if figures.credit_minor:
        accepted = "the loan once an act has refunded it"
        return Refused(Reason.OWES_BORROWER, f"{figures.credit_minor} were paid beyond all that was owed", accepted=accepted)
    if (unreconciled := fault_of_unreconciled(loan)) is not None:
        return unreconciled
    rate = followed_rate(loan.terms)
    return [LoanClosed(loan=loan.id, facility=loan.terms.facility, reason=command.reason, reference_rate=rate)]
