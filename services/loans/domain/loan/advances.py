"""A loan's advances: they wait for the conditions precedent, which are evaluated from what is established, and never ticked."""

from datetime import date
from typing import Literal, assert_never

import msgspec

from services.loans.domain.loan.books import NO_CHANGE, NO_FIGURES, arrears, cancelled, day_fault, entered, repaid
from services.loans.domain.loan.state import (
    Decided,
    Loan,
    LoanStatus,
    Reason,
    all_pass,
    broken_covenants,
    not_found,
    seen_precedents,
    seen_subsequents,
    wrong_status,
)
from services.loans.domain.payees.payees import Payee
from services.loans.events.loan import (
    AdvanceCleared,
    AdvanceId,
    AdvancePaid,
    AdvanceRequested,
    AdvanceWithdrawn,
    CommitmentCancelled,
    ConditionsEvaluated,
    LoanEvent,
    PeriodClosed,
    Seen,
    SubsequentMissed,
)
from services.loans.events.terms import LoanTerms
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.conditions import Evidence
from shared.terms.dating import Dated, undated


class LearnEvidence(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Of the loan's project something is established, or is so no longer; or nothing, once a default is over: what was learnt during it
    clears what waits. Total."""

    learnt: tuple[Evidence, ...]
    forgotten: tuple[str, ...]
    on: date


class RequestAdvance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    advance: AdvanceId
    amount_minor: int
    purpose: TypedText
    by: str
    on: date


class WithdrawAdvance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    advance: AdvanceId
    reason: TypedText
    by: frozenset[str] = frozenset()  # who withdraws it, by every account of theirs; nobody: it is proposed, and signed by another


class PayAdvance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`by`: who pays, by every account of theirs. `payee`: as it was looked up before."""

    advance: AdvanceId
    payee: Payee
    paid_on: date
    by: frozenset[str]
    dated_because: Dated | None = None  # needed where it was not paid today
    on: date


class CancelCommitment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Of what is not advanced. `amount_minor` None: all of it."""

    amount_minor: int | None
    reason: TypedText
    on: date


class EndAvailability(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the sunset for conditions precedent, or the last day of an advance, has passed. Total."""

    cause: Literal["sunset", "availability"]
    on: date


class LookAtSubsequent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the day of a condition subsequent has passed. Total."""

    name: str
    on: date


type AdvanceCommand = LearnEvidence | RequestAdvance | WithdrawAdvance | PayAdvance | CancelCommitment | EndAvailability | LookAtSubsequent


def decide_advance(command: AdvanceCommand, loan: Loan) -> Decided:
    match command:
        case LearnEvidence():
            return _learn(command, loan)
        case RequestAdvance():
            return _request(command, loan)
        case WithdrawAdvance():
            if loan.id is None:
                return not_found()
            if command.advance not in loan.advances:
                return _advance_not_found(command.advance)
            return [AdvanceWithdrawn(loan=loan.id, advance=command.advance, reason=command.reason)]
        case PayAdvance():
            return _pay(command, loan)
        case CancelCommitment():
            return _cancel(command, loan)
        case EndAvailability():
            return _end(command, loan)
        case LookAtSubsequent():
            return _look_at_subsequent(command, loan)
        case _:
            assert_never(command)


def _learn(command: LearnEvidence, loan: Loan) -> list[LoanEvent]:
    """In default too, since it changes no money; an advance is cleared in default by none of it."""
    if loan.id is None or loan.terms is None or loan.status not in (LoanStatus.COMMITTED, LoanStatus.DEFAULTED):
        return []
    known = {reference: each for reference, each in loan.evidence.items() if reference not in command.forgotten}
    known |= {each.reference: each for each in command.learnt}
    seen = seen_precedents(loan, command.on, known.values())
    cleared = now_cleared(loan, seen) if loan.status is LoanStatus.COMMITTED else []
    if known == dict(loan.evidence):
        return [] if command.learnt or command.forgotten else cleared
    evaluated: list[LoanEvent] = [
        ConditionsEvaluated(
            loan=loan.id,
            learnt=command.learnt,
            forgotten=command.forgotten,
            precedents=seen,
            subsequents=seen_subsequents(loan, command.on, known.values()),
        )
    ]
    return evaluated + cleared


def now_cleared(loan: Loan, seen: tuple[Seen, ...]) -> list[LoanEvent]:
    """The advances that have waited for these conditions."""
    assert loan.id is not None
    if not all_pass(seen):
        return []
    return [
        AdvanceCleared(loan=loan.id, advance=advance, seen=seen)
        for advance, waiting in sorted(loan.advances.items())
        if not waiting.cleared
    ]


def _request(command: RequestAdvance, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status is not LoanStatus.COMMITTED:
        return wrong_status(loan, "committed")
    if command.amount_minor <= 0:
        return Refused(Reason.AMOUNT_INVALID, "an advance is above zero", "/amount_minor", "1 or more")
    left = loan.undrawn_minor - loan.requested_minor
    if command.amount_minor > left:
        return Refused(
            Reason.ADVANCE_BEYOND, f"{left} of the commitment are neither advanced nor asked for", "/amount_minor", f"at most {left}"
        )
    if not loan.terms.available_from <= command.on <= loan.terms.available_until:
        return _outside(loan)
    if (breach := _breach(loan, command.on)) is not None:
        return breach
    requested: list[LoanEvent] = [
        AdvanceRequested(
            loan=loan.id, advance=command.advance, amount_minor=command.amount_minor, purpose=command.purpose, requested_by=command.by
        )
    ]
    seen = seen_precedents(loan, command.on)
    return requested + ([AdvanceCleared(loan=loan.id, advance=command.advance, seen=seen)] if all_pass(seen) else [])


def _pay(command: PayAdvance, loan: Loan) -> Decided:
    """The conditions are looked at once more: what was met may have expired, or been withdrawn."""
    if loan.id is None or loan.terms is None:
        return not_found()
    if (advance := loan.advances.get(command.advance)) is None:
        return _advance_not_found(command.advance)
    if loan.status is not LoanStatus.COMMITTED or loan.account is None:
        return wrong_status(loan, "committed")
    if (fault := day_fault(loan, command.paid_on, command.on, "/paid_on")) is not None:
        return fault
    if (late := undated(command.paid_on, command.on, command.dated_because)) is not None:
        return late
    if not loan.terms.available_from <= command.paid_on <= loan.terms.available_until:
        return _outside(loan)
    if (breach := _breach(loan, command.paid_on)) is not None:
        return breach
    seen = seen_precedents(loan, command.paid_on)
    if not all_pass(seen):
        return Refused(Reason.CONDITIONS_UNMET, _unmet(seen), accepted="every condition precedent met or waived")
    if advance.requested_by in command.by:
        return _by_one(f"{command.advance} was asked for by who would pay it")
    if shown := sorted(each.reference for each in loan.evidence.values() if each.by in command.by):
        return _by_one(f"{shown[0]}, which its conditions are held against, was recorded by who would pay it")
    if (misled := _fault_of_payee(command, loan.terms)) is not None:
        return misled
    paid = AdvancePaid(
        loan=loan.id,
        advance=command.advance,
        facility=loan.terms.facility,
        currency=loan.terms.currency,
        amount_minor=advance.amount_minor,
        paid_on=command.paid_on,
        undrawn_minor=loan.undrawn_minor - advance.amount_minor,
        seen=seen,
        change=NO_CHANGE,
        after=NO_FIGURES,
        payee=command.payee.id,
        dated_because=command.dated_because,
    )
    paid = entered(loan, paid, command.on)
    return [paid, *arrears(loan, paid.after)]


def _fault_of_payee(command: PayAdvance, terms: LoanTerms) -> Refused[Reason] | None:
    payee, day = command.payee, command.paid_on
    if (payee.borrower, payee.currency) != (terms.borrower, terms.currency):
        detail = f"{payee.id} is for {payee.currency} to {payee.borrower}"
        return Refused(Reason.PAYEE_OF_ANOTHER, detail, "/payee", f"one for {terms.currency} to {terms.borrower}")
    if day < payee.pays_from:
        detail = f"nothing is paid to {payee.id} before {payee.pays_from}: the borrower is asked first whether it is its own"
        return Refused(Reason.PAYEE_NOT_IN_FORCE, detail, "/payee", f"{payee.pays_from} or later")
    if payee.ended_on is not None and max(day, command.on) >= payee.ended_on:  # nor is a payment dated back to before
        return Refused(Reason.PAYEE_NOT_IN_FORCE, f"{payee.id} has ended on {payee.ended_on}", "/payee", "a payee that is in force")
    if not payee.registered_by.isdisjoint(command.by):
        return _by_one(f"{payee.id} was registered by who would pay on it")
    return None


def _cancel(command: CancelCommitment, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status not in (LoanStatus.COMMITTED, LoanStatus.DEFAULTED):
        return wrong_status(loan, "committed")
    free = loan.undrawn_minor - loan.requested_minor
    amount = free if command.amount_minor is None else command.amount_minor
    if not 0 < amount <= free:
        return Refused(
            Reason.NOTHING_TO_CANCEL, f"{free} of the commitment are neither advanced nor asked for", "/amount_minor", f"1 to {free}"
        )
    return _cancelled(loan, amount, "cancelled", command.reason, command.on)


def _end(command: EndAvailability, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or loan.status is not LoanStatus.COMMITTED:
        return []
    last = loan.terms.sunset_on if command.cause == "sunset" else loan.terms.available_until
    if command.on <= last or (command.cause == "sunset" and (loan.advanced_minor or all_pass(seen_precedents(loan, last)))):
        return []
    reason = TypedText(f"{last} has passed")
    given_up: list[LoanEvent] = [AdvanceWithdrawn(loan=loan.id, advance=advance, reason=reason) for advance in sorted(loan.advances)]
    return given_up + (_cancelled(loan, loan.undrawn_minor, command.cause, reason, command.on) if loan.undrawn_minor else [])


def _look_at_subsequent(command: LookAtSubsequent, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or loan.status not in (LoanStatus.COMMITTED, LoanStatus.DEFAULTED):
        return []
    due = {each.name: each.due for each in loan.terms.subsequents}
    seen = seen_subsequents(loan, due[command.name], loan.evidence.values())
    return [
        SubsequentMissed(loan=loan.id, due=due[each.name], seen=each)
        for each in seen
        if each.name == command.name and each.evaluation.status != "met" and command.on > due[each.name]
    ]


def _cancelled(
    loan: Loan, amount_minor: int, cause: Literal["sunset", "availability", "cancelled"], reason: TypedText, on: date
) -> list[LoanEvent]:
    """With what it changes in the books: a timer may be late, and fees of later days billed. All that was advanced may be repaid by now."""
    assert loan.id is not None
    assert loan.terms is not None
    less = CommitmentCancelled(
        loan=loan.id,
        on=on,
        facility=loan.terms.facility,
        currency=loan.terms.currency,
        amount_minor=amount_minor,
        cause=cause,
        reason=reason,
    )
    left = cancelled(loan, less)
    closed = PeriodClosed(loan=loan.id, due=on, currency=loan.terms.currency, change=NO_CHANGE, after=NO_FIGURES)
    closed = entered(left, closed, on)
    put_right = [] if closed.change == NO_CHANGE else [closed, *arrears(left, closed.after)]
    return [less, *put_right, *repaid(left, closed.after)]


def _unmet(seen: tuple[Seen, ...]) -> str:
    """What stands in the way, condition by condition."""
    return "; ".join(
        f"{each.name} is {each.evaluation.status.replace('_', ' ')}: {each.evaluation.found}, and needed {each.evaluation.needed}"
        for each in seen
        if each.evaluation.status not in ("met", "waived")
    )


def _breach(loan: Loan, on: date) -> Refused[Reason] | None:
    """Nothing is lent to a borrower who breaches a covenant, until it is cured, or waived through that day; nor, where the terms say so, to
    one who is in default of another loan."""
    if broken := broken_covenants(loan, on):
        return Refused(
            Reason.COVENANT_BREACHED, f"the covenant {broken[0]} is breached", accepted="a covenant that is kept, cured or waived"
        )
    assert loan.terms is not None
    if loan.terms.cross_default and loan.cross_defaults:
        accepted = "an advance once that default is cured"
        return Refused(Reason.CROSS_DEFAULT, f"{min(loan.cross_defaults)} of the same borrower is in default", accepted=accepted)
    return None


def _outside(loan: Loan) -> Refused[Reason]:
    assert loan.terms is not None
    return Refused(
        Reason.ADVANCE_OUTSIDE,
        "advances are made while the commitment is available",
        "/paid_on",
        f"{loan.terms.available_from} to {loan.terms.available_until}",
    )


def _by_one(detail: str) -> Refused[Reason]:
    return Refused(Reason.ADVANCE_BY_ONE, detail, accepted="another person, who pays it")


def _advance_not_found(advance: AdvanceId) -> Refused[Reason]:
    return Refused(Reason.ADVANCE_NOT_FOUND, f"no advance {advance} waits to be paid", "path:advance")
