"""A loan in default: declared, confirmed, cured or not, all of it due on a day, and what is left to claim once its security is realised.

One person declares it, at once, and it lapses unless another confirms it; nothing that cannot be taken back follows before.

Paying what is due cures a default that was declared for want of it, and a covenant that is kept again, or waived, one that was declared for
its breach; any other is taken back by an act that another person signs (`Reinstate`). Once all has fallen due, only that act leads back.
"""

from datetime import date, datetime, timedelta

import msgspec

from services.loans.domain.loan.books import (
    NO_CHANGE,
    NO_FIGURES,
    accelerated_id,
    arrears,
    cancelled,
    consequences,
    cured,
    entered,
    owed_minor,
    planned_fault,
)
from services.loans.domain.loan.state import (
    Decided,
    Loan,
    LoanStatus,
    Reason,
    broken_covenants,
    fault_of_unconfirmed,
    fault_of_unreconciled,
    not_found,
    wrong_status,
)
from services.loans.domain.standing.standing import figures_on
from services.loans.events.defaults import (
    AccelerationNotified,
    CrossDefaultNoted,
    DefaultCause,
    DefaultConfirmed,
    DefaultCured,
    LoanAccelerated,
    LoanDefaulted,
    ShortfallClaimed,
)
from services.loans.events.loan import AdvanceWithdrawn, CommitmentCancelled, Figures, LoanEvent, LoanId
from services.loans.events.terms import Accelerate, Amendment, EndEnforcement, Refund, Reinstate, WaiveCovenant
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.protecting import ByOne, alone_since, begins

_replace = msgspec.structs.replace


class DeclareDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing is advanced any more. That all of it falls due is an act, which another person signs (`Accelerate`)."""

    reason: TypedText
    on: date
    cause: DefaultCause = "other"
    by: ByOne | None = None  # None: it does not lapse


class ConfirmDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person. `unconfirmed`: those of the borrower's other loans whose defaults are one person's word, as looked up."""

    by: str
    accounts: frozenset[str]
    on: date
    unconfirmed: frozenset[LoanId] = frozenset()


class LapseDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    lapses_at: datetime
    on: date


class FallDue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the day has come on which all of a loan in default falls due. Total."""

    on: date


class NoteCrossDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Another loan of the borrower is in default, or is so no longer. Total."""

    by: LoanId
    ended: bool
    on: date


type DefaultCommand = DeclareDefault | ConfirmDefault | LapseDefault | FallDue | NoteCrossDefault


def decide_default(command: DefaultCommand, loan: Loan) -> Decided:
    match command:
        case DeclareDefault():
            return _declare(command, loan)
        case ConfirmDefault():
            return _confirm(command, loan)
        case LapseDefault():
            return _lapse(command, loan)
        case FallDue():
            return _fall_due(loan, command.on)
        case NoteCrossDefault():
            return _note(command, loan)


def _declare(command: DeclareDefault, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status is not LoanStatus.COMMITTED:
        return wrong_status(loan, "committed")
    if (groundless := _groundless(command, loan)) is not None:
        return groundless
    lapses = begins(loan.words, command.by, Reason.DEFAULT_RENEWED, "default")
    if isinstance(lapses, Refused):
        return lapses
    return [
        LoanDefaulted(
            loan=loan.id,
            on=command.on,
            reason=command.reason,
            cause=command.cause,
            facility=loan.terms.facility,
            declared_by=None if command.by is None else command.by.by,
            lapses_at=lapses,
            alone_since=alone_since(lapses),
        )
    ]


def _confirm(command: ConfirmDefault, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status is not LoanStatus.DEFAULTED:
        return wrong_status(loan, "in default")
    if loan.declared is None:
        return Refused(Reason.DEFAULT_STANDS, "it is confirmed, or was never one person's word")
    if loan.declared.by in command.accounts:
        return Refused(Reason.DEFAULT_OWN, "the same person has declared it", accepted="a second person")
    if loan.default_cause == "covenant" and not broken_covenants(loan, command.on, confirmed=True):
        accepted = "the same once another person has confirmed the breach"
        return Refused(Reason.BREACH_UNCONFIRMED, "it is for a breach that is one person's word", accepted=accepted)
    if loan.default_cause == "cross_default" and loan.cross_defaults <= command.unconfirmed:
        accepted = "the same once another person has confirmed that loan's default"
        return Refused(Reason.DEFAULT_UNCONFIRMED, "that of the borrower's other loan is one person's word", accepted=accepted)
    return [DefaultConfirmed(loan=loan.id, confirmed_by=command.by, facility=loan.terms.facility)]


def _lapse(command: LapseDefault, loan: Loan) -> list[LoanEvent]:
    """As if it had not been: all that follows from it waits for its confirmation."""
    if loan.status is not LoanStatus.DEFAULTED or loan.declared is None or loan.declared.lapses_at != command.lapses_at:
        return []
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    figures = figures_on(loan.account, max(loan.booked_through, command.on))
    lapsed = DefaultCured(loan=loan.id, on=command.on, how="lapsed", facility=loan.terms.facility)
    return [lapsed, *consequences(_replace(loan, status=LoanStatus.COMMITTED), figures)]


def _notice_fault(content: Accelerate, loan: Loan, on: date) -> Refused[Reason] | None:
    """Notice is given on the day that it is signed."""
    assert loan.terms is not None
    if loan.status is not LoanStatus.DEFAULTED or loan.falls_due_on is not None:
        return wrong_status(loan, "in default, and that notice is not given of yet")
    if (unconfirmed := fault_of_unconfirmed(loan)) is not None:
        return unconfirmed
    if (notice := loan.terms.acceleration_notice_days) is None:
        return Refused(Reason.NOT_ACCELERABLE, "the terms name no acceleration_notice_days", "/content/type", "another act")
    if content.on < (first := on + timedelta(days=notice)):
        return Refused(Reason.NOTICE_TOO_SHORT, f"the terms give {notice} days of notice", "/content/on", f"{first} or later")
    return planned_fault(loan, content.on, on, "/content/on")


def _groundless(command: DeclareDefault, loan: Loan) -> Refused[Reason] | None:
    """What the loan knows itself must be so."""
    assert loan.account is not None
    assert loan.terms is not None
    match command.cause:
        case "payment":
            figures = figures_on(loan.account, max(loan.booked_through, command.on))
            found, accepted = figures.overdue_minor > 0, "payment, once something is overdue"
        case "covenant":
            found, accepted = bool(broken_covenants(loan, command.on)), "covenant, once one is breached and not waived"
        case "cross_default":
            found = loan.terms.cross_default and bool(loan.cross_defaults)
            accepted = "cross_default, where the terms have it and another loan of the borrower is in default"
        case "other":
            return None
    return None if found else Refused(Reason.NO_GROUNDS, f"no default for {command.cause} is known", "/cause", accepted)


def _fall_due(loan: Loan, on: date) -> list[LoanEvent]:
    """What was not advanced never will be. A timer may be late: it counts for the day that the notice said."""
    day = loan.falls_due_on
    if loan.status is not LoanStatus.DEFAULTED or day is None or on < day or loan.accelerated is not None:
        return []
    assert loan.id is not None
    assert loan.terms is not None
    reason = TypedText(f"all of it falls due on {day}")
    events: list[LoanEvent] = [AdvanceWithdrawn(loan=loan.id, advance=advance, reason=reason) for advance in sorted(loan.advances)]
    left = loan
    if loan.undrawn_minor:
        less = CommitmentCancelled(
            loan=loan.id,
            on=day,
            facility=loan.terms.facility,
            currency=loan.terms.currency,
            amount_minor=loan.undrawn_minor,
            cause="defaulted",
            reason=reason,
        )
        left = cancelled(loan, less)
        events.append(less)
    due = LoanAccelerated(loan=loan.id, on=day, currency=loan.terms.currency, change=NO_CHANGE, after=NO_FIGURES)
    due = entered(left, due, on)
    return [*events, due, *consequences(_replace(left, accelerated=accelerated_id(day)), due.after)]


def _note(command: NoteCrossDefault, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or command.by == loan.id or (command.by in loan.cross_defaults) is not command.ended:
        return []
    if not command.ended and loan.status not in (LoanStatus.COMMITTED, LoanStatus.DEFAULTED):
        return []
    noted = CrossDefaultNoted(loan=loan.id, by=command.by, ended=command.ended, declarable=loan.terms.cross_default)
    over = command.ended and loan.cross_defaults == {command.by}
    return [noted, *(cured(loan, "cross_default", "cross_default_ended", command.on) if over else [])]


def fault_of_way_out(content: Accelerate | Reinstate | EndEnforcement | Refund, loan: Loan, on: date) -> Refused[Reason] | None:
    """Why an act of a loan in default, or one that hands money back, cannot be."""
    assert loan.account is not None
    figures = figures_on(loan.account, max(loan.booked_through, on))
    match content:
        case Accelerate():
            return _notice_fault(content, loan, on)
        case Reinstate():
            return None if loan.status in (LoanStatus.DEFAULTED, LoanStatus.CLAIM) else wrong_status(loan, "in default")
        case EndEnforcement():
            if loan.status is not LoanStatus.DEFAULTED or loan.accelerated is None:
                return wrong_status(loan, "in default, with all of it due")
            return None if owed_minor(figures) else Refused(Reason.NOTHING_OWED, "nothing is owed", accepted="the loan's closing")
        case Refund(amount_minor=amount, on=day):
            free = min(figures.credit_minor, figures_on(loan.account, day).credit_minor)
            if not 0 < amount <= free:
                return Refused(Reason.CREDIT_BEYOND, f"{free} are owed to the borrower", "/amount_minor", f"1 to {free}")
            return fault_of_unreconciled(loan)


def followed(loan: Loan, content: Amendment, after: Figures, on: date) -> list[LoanEvent]:
    """What an act that is signed brings with it, besides what it does to the books."""
    assert loan.id is not None
    assert loan.terms is not None
    match content:
        case Accelerate(on=day):
            notified = AccelerationNotified(loan=loan.id, falls_due_on=day)
            return [notified, *(_fall_due(_replace(loan, falls_due_on=day), on) if day == on else [])]
        case Reinstate():
            back = DefaultCured(loan=loan.id, on=on, how="reinstated", facility=loan.terms.facility)
            return [back, *consequences(_replace(loan, status=LoanStatus.COMMITTED, accelerated=None), after)]
        case EndEnforcement():
            claim = ShortfallClaimed(loan=loan.id, on=on, currency=loan.terms.currency, claim_minor=owed_minor(after))
            return [claim, *arrears(loan, after)]
        case WaiveCovenant():
            return [*arrears(loan, after), *([] if broken_covenants(loan, on) else cured(loan, "covenant", "covenant_waived", on))]
        case _:
            return [*arrears(loan, after), *([] if after.due_minor else cured(loan, "payment", "paid", on))]
