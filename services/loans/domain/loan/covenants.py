"""Covenants of a loan: their figures, as they are reported.

One person reports a breach, at once, and it lapses unless another confirms it. A figure that cures one is signed by two.
"""

from datetime import date, datetime
from fractions import Fraction

import msgspec

from services.loans.domain.loan.books import cured
from services.loans.domain.loan.state import OPEN, CovenantStanding, Decided, Loan, Reason, broken_covenants, not_found, wrong_status
from services.loans.events.defaults import BreachConfirmed, BreachLapsed
from services.loans.events.loan import LoanEvent, RatioReported
from services.loans.events.terms import CovenantKind
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.protecting import ByOne, alone_since, begins, day_of_lapse


class ReportRatio(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`by`: whose word a breach is; None: it does not lapse."""

    kind: CovenantKind
    ratio: str
    for_on: date
    source: TypedText
    on: date
    by: ByOne | None = None


class ConfirmBreach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person."""

    kind: CovenantKind
    by: str
    accounts: frozenset[str]


class LapseBreach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    kind: CovenantKind
    lapses_at: datetime


type CovenantCommand = ReportRatio | ConfirmBreach | LapseBreach


def decide_covenant(command: CovenantCommand, loan: Loan) -> Decided:
    if isinstance(command, LapseBreach):
        return _lapse(command, loan)
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status not in OPEN or loan.account is None:
        return wrong_status(loan, "committed, in default or repaid")
    covenant = loan.covenants.get(command.kind)
    if covenant is None:
        known = ", ".join(sorted(loan.covenants)) or None
        field = "/kind" if isinstance(command, ReportRatio) else "path:kind"
        return Refused(Reason.COVENANT_NOT_FOUND, f"the loan has no covenant {command.kind}", field, known)
    if isinstance(command, ReportRatio):
        return _report(command, loan, covenant)
    return _confirm(command, loan, covenant)


def _report(command: ReportRatio, loan: Loan, covenant: CovenantStanding) -> Decided:
    """A breach stays one until a figure for as late a day keeps the covenant and cures it; a waiver suspends it until its last day. One for
    an earlier day that is reported late counts, whatever was reported since, unless it was cured by then. Who reports one that is another's
    word confirms it."""
    assert loan.id is not None
    if command.for_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.for_on} has not come yet", "/for_on", f"{command.on} or earlier")
    kept = _keeps(command, covenant)
    waived = covenant.waived_until is not None and command.for_on <= covenant.waived_until
    cures = cures_breach(command, covenant)
    by = None if kept or not _changes(command, covenant) else command.by
    second: list[LoanEvent] = []
    if by is not None and covenant.breached and covenant.alone is not None and covenant.alone.by not in by.accounts:
        second = [BreachConfirmed(loan=loan.id, kind=command.kind, for_on=covenant.breached_for, confirmed_by=by.by)]
        by = None
    lapses = begins(loan.words, by, Reason.BREACH_RENEWED, command.kind)
    if isinstance(lapses, Refused):
        return lapses
    reported = RatioReported(
        loan=loan.id,
        kind=command.kind,
        ratio=command.ratio,
        minimum=covenant.minimum,
        for_on=command.for_on,
        source=command.source,
        standing=("cured" if cures else "kept") if kept else ("waived" if waived else "breached"),
        reported_by=None if by is None else by.by,
        lapses_at=lapses,
        alone_since=alone_since(lapses),
    )
    others = [kind for kind in broken_covenants(loan, command.on) if kind != command.kind]
    return [reported, *second, *([] if others or not cures else cured(loan, "covenant", "covenant_kept", command.on))]


def cures_breach(command: ReportRatio, covenant: CovenantStanding) -> bool:
    return covenant.breached and command.for_on >= covenant.breached_for and _keeps(command, covenant)


def _keeps(command: ReportRatio, covenant: CovenantStanding) -> bool:
    return Fraction(command.ratio) >= Fraction(covenant.minimum)


def _changes(command: ReportRatio, covenant: CovenantStanding) -> bool:
    """A breach does, unless it was cured for a later day, or the covenant is breached already by more than one person's word."""
    return command.for_on >= covenant.cured_for and not (covenant.breached and covenant.alone is None)


def _confirm(command: ConfirmBreach, loan: Loan, covenant: CovenantStanding) -> Decided:
    assert loan.id is not None
    if not covenant.breached:
        return Refused(Reason.BREACH_NOT_FOUND, f"the covenant {command.kind} is not breached", "path:kind")
    if covenant.alone is None:
        return Refused(Reason.BREACH_STANDS, "it is confirmed, or was never one person's word", "path:kind")
    if covenant.alone.by in command.accounts:
        return Refused(Reason.BREACH_OWN, "the same person has reported it", accepted="a second person")
    return [BreachConfirmed(loan=loan.id, kind=command.kind, for_on=covenant.breached_for, confirmed_by=command.by)]


def _lapse(command: LapseBreach, loan: Loan) -> list[LoanEvent]:
    covenant = loan.covenants.get(command.kind)
    if (
        loan.status not in OPEN
        or covenant is None
        or not covenant.breached
        or covenant.alone is None
        or covenant.alone.lapses_at != command.lapses_at
    ):
        return []
    assert loan.id is not None
    on = day_of_lapse(command.lapses_at)
    others = [kind for kind in broken_covenants(loan, on) if kind != command.kind]
    lapsed = BreachLapsed(loan=loan.id, kind=command.kind, for_on=covenant.breached_for)
    return [lapsed, *([] if others else cured(loan, "covenant", "covenant_lapsed", on))]
