"""Loan: what the Facility lends to a project, from its proposal to its last cent.

Dated facts (advances, payments, rates, fees, acts) make its standing on any day, whatever order they became known in (`standing.py`).
What is decided here is whether a fact may come in; its event carries the difference that it makes to the books.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, assert_never, get_args

import immutables
import msgspec

from services.loans.domain.loan.advances import AdvanceCommand, EndAvailability, LearnEvidence, LookAtSubsequent, decide_advance
from services.loans.domain.loan.agreement import AgreementCommand, decide_agreement
from services.loans.domain.loan.books import accelerated_id, cancelled, enter
from services.loans.domain.loan.covenants import CovenantCommand, LapseBreach, decide_covenant
from services.loans.domain.loan.defaults import DefaultCommand, FallDue, LapseDefault, decide_default
from services.loans.domain.loan.payments import PaymentCommand, decide_payment
from services.loans.domain.loan.servicing import ClosePeriod, LookAtArrears, ServicingCommand, decide_servicing
from services.loans.domain.loan.state import (
    CovenantStanding,
    Decided,
    Loan,
    LoanStatus,
    OpenAct,
    OpenAdvance,
    Payment,
    contract_of,
    with_act,
)
from services.loans.domain.papers import LoanActPaper, LoanPaper
from services.loans.domain.standing.standing import opened
from services.loans.events.authority import AuthorityCited
from services.loans.events.defaults import (
    AccelerationNotified,
    BreachConfirmed,
    BreachLapsed,
    CrossDefaultNoted,
    DefaultConfirmed,
    DefaultCured,
    LoanAccelerated,
    LoanDefaulted,
    ShortfallClaimed,
)
from services.loans.events.loan import (
    ActApproved,
    ActProposed,
    ActWithdrawn,
    AdvanceCleared,
    AdvancePaid,
    AdvanceRequested,
    AdvanceWithdrawn,
    ArrearsChanged,
    BalanceBroughtForward,
    CommitmentCancelled,
    CommitmentRefused,
    ConditionsEvaluated,
    DeliveryCredited,
    FeeCharged,
    Figures,
    LoanApproved,
    LoanClosed,
    LoanCommitted,
    LoanEvent,
    LoanImported,
    LoanProposed,
    LoanRepaid,
    LoanWithdrawn,
    PaymentReconciled,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    RateReset,
    RatioReported,
    RecoveryRecorded,
    Regraded,
    SubsequentMissed,
)
from services.loans.events.terms import CovenantKind
from shared.journal.decider import CancelTimer, Decider, Timer
from shared.terms.acting import Proposal
from shared.terms.protecting import Word, alone, confirmed, day_of_lapse, said

BUCKET_DAYS = (1, 31, 61, 91)  # past due, on which the bucket of arrears changes

type Command = AgreementCommand | AdvanceCommand | PaymentCommand | ServicingCommand | CovenantCommand | DefaultCommand

_replace = msgspec.structs.replace


def decide(command: Command, loan: Loan) -> Decided:
    part: Any = _PARTS[type(command)]
    decided: Decided = part(command, loan)
    return decided


_PARTS = {
    kind: part
    for union, part in (
        (AgreementCommand, decide_agreement),
        (AdvanceCommand, decide_advance),
        (PaymentCommand, decide_payment),
        (ServicingCommand, decide_servicing),
        (CovenantCommand, decide_covenant),
        (DefaultCommand, decide_default),
    )
    for kind in get_args(union.__value__)
}


def evolve(loan: Loan, event: LoanEvent | AuthorityCited) -> Loan:
    match event:
        case LoanProposed():
            return Loan(
                id=event.loan,
                terms=event.terms,
                proposal=Proposal(purpose=LoanPaper.purpose, document=event.document, proposed_by=frozenset({event.proposed_by})),
                covenants=immutables.Map({each.kind: CovenantStanding(each.minimum) for each in event.terms.covenants}),
            )
        case LoanImported():
            return _replace(_imported(event), proposals=loan.proposals)
        case LoanApproved():
            return _replace(loan, status=LoanStatus.APPROVED)
        case LoanWithdrawn():
            return _replace(loan, status=LoanStatus.WITHDRAWN)
        case CommitmentRefused():
            return _replace(loan, status=LoanStatus.PROPOSED)
        case LoanCommitted():
            assert loan.terms is not None
            account = opened(contract_of(loan.terms, event.on))
            return _replace(loan, status=LoanStatus.COMMITTED, account=account, booked_through=event.on)
        case BalanceBroughtForward():
            return _replace(enter(loan, event), advanced_minor=event.advanced_minor, imported=None)
        case CommitmentCancelled():
            return cancelled(loan, event)
        case ConditionsEvaluated():
            evidence = loan.evidence
            for reference in event.forgotten:
                evidence = evidence.delete(reference) if reference in evidence else evidence
            return _replace(loan, evidence=evidence.update({each.reference: each for each in event.learnt}))
        case ActProposed():
            proposed_by = frozenset({event.proposed_by})
            act = OpenAct(purpose=LoanActPaper.purpose, document=event.document, proposed_by=proposed_by, content=event.content)
            return _replace(loan, acts=loan.acts.set(event.act, act))
        case ActApproved():
            done = _replace(loan, acts=loan.acts.delete(event.act))
            return with_act(enter(done, event), event.content)
        case ActWithdrawn():
            return _replace(loan, acts=loan.acts.delete(event.act))
        case AdvanceRequested():
            return _replace(
                loan,
                advances=loan.advances.set(event.advance, OpenAdvance(event.amount_minor, cleared=False, requested_by=event.requested_by)),
            )
        case AdvanceCleared():
            cleared = _replace(loan.advances[event.advance], cleared=True)
            return _replace(loan, advances=loan.advances.set(event.advance, cleared))
        case AdvanceWithdrawn():
            return _replace(loan, advances=loan.advances.delete(event.advance))
        case AdvancePaid():
            left = loan.advances.delete(event.advance)
            return _replace(enter(loan, event), advances=left, advanced_minor=loan.advanced_minor + event.amount_minor)
        case PaymentRecorded() | DeliveryCredited() | RecoveryRecorded():
            reference = event.lot if isinstance(event, DeliveryCredited) else event.reference
            by = event.recorded_by if isinstance(event, PaymentRecorded) else None
            return _replace(
                enter(loan, event),
                payments=loan.payments.set(event.payment, Payment(reference, event.amount_minor, recorded_by=by)),
                references=loan.references.set(reference, event.payment),
            )
        case PaymentReconciled():
            found = _replace(loan.payments[event.payment], reconciled=True)
            return _replace(loan, payments=loan.payments.set(event.payment, found))
        case PaymentReversed():
            payment = _replace(loan.payments[event.payment], reversed=True)
            return _replace(
                enter(loan, event),
                payments=loan.payments.set(event.payment, payment),
                references=loan.references.delete(payment.reference),  # the same money may be told again, as it was
            )
        case RateReset():
            return _replace(enter(loan, event), resets=loan.resets + 1)
        case FeeCharged() | PeriodClosed():
            return enter(loan, event)
        case ArrearsChanged():
            return _replace(loan, bucket=event.bucket)
        case RatioReported() | BreachConfirmed() | BreachLapsed():
            before = loan.covenants[event.kind]
            return _replace(loan, covenants=loan.covenants.set(event.kind, _covenant(before, event)), words=_words(loan, before, event))
        case Regraded():
            return _replace(loan, provision_minor=event.provision_minor)
        case SubsequentMissed() | AuthorityCited():
            return loan
        case LoanDefaulted() | DefaultConfirmed() | DefaultCured() | CrossDefaultNoted() | ShortfallClaimed():
            return _in_default(loan, event)
        case AccelerationNotified() | LoanAccelerated():
            return _in_default(loan, event)
        case LoanRepaid():
            return _replace(loan, status=LoanStatus.REPAID)
        case LoanClosed():
            return _replace(loan, status=LoanStatus.CLOSED)
        case _:
            assert_never(event)


def _covenant(covenant: CovenantStanding, event: RatioReported | BreachConfirmed | BreachLapsed) -> CovenantStanding:
    match event:
        case RatioReported():
            return _reported(covenant, event)
        case BreachConfirmed():
            return _replace(covenant, alone=None)
        case BreachLapsed():
            return _replace(covenant, breached=False)
        case _:
            assert_never(event)


def _reported(covenant: CovenantStanding, event: RatioReported) -> CovenantStanding:
    """A figure is judged by the day that it is for: one that keeps the covenant cures what came before, where two have signed it, and hides
    nothing that is reported after it."""
    last = _replace(covenant, reported_for=max(covenant.reported_for, event.for_on))
    if event.standing == "cured":
        return _replace(last, breached=False, cured_for=max(covenant.cured_for, event.for_on))
    counts = event.reported_by is not None or covenant.breached or event.for_on >= covenant.reported_for
    if event.standing == "kept" or not counts:
        return last
    for_on = max(covenant.breached_for, event.for_on) if covenant.breached else event.for_on
    return _replace(last, breached=True, breached_for=for_on, alone=alone(event.reported_by, event.lapses_at, event.kind) or covenant.alone)


def _words(loan: Loan, covenant: CovenantStanding, event: RatioReported | BreachConfirmed | BreachLapsed) -> tuple[Word, ...]:
    match event:
        case RatioReported():
            return said(loan.words, alone(event.reported_by, event.lapses_at, event.kind))
        case BreachConfirmed():
            return confirmed(loan.words, covenant.alone)
        case BreachLapsed():
            return loan.words
        case _:
            assert_never(event)


type _InDefault = (
    LoanDefaulted | DefaultConfirmed | AccelerationNotified | LoanAccelerated | DefaultCured | CrossDefaultNoted | ShortfallClaimed
)


def _in_default(loan: Loan, event: _InDefault) -> Loan:
    match event:
        case LoanDefaulted():
            declared = alone(event.declared_by, event.lapses_at, "default")
            words = said(loan.words, declared)
            return _replace(loan, status=LoanStatus.DEFAULTED, default_cause=event.cause, declared=declared, words=words)
        case DefaultConfirmed():
            return _replace(loan, declared=None, words=confirmed(loan.words, loan.declared))
        case AccelerationNotified():
            return _replace(loan, falls_due_on=event.falls_due_on)
        case LoanAccelerated():
            return _replace(enter(loan, event), accelerated=accelerated_id(event.on))
        case DefaultCured():
            return _replace(loan, status=LoanStatus.COMMITTED, default_cause=None, falls_due_on=None, claim_minor=None)
        case CrossDefaultNoted():
            others = loan.cross_defaults - {event.by} if event.ended else loan.cross_defaults | {event.by}
            return _replace(loan, cross_defaults=others)
        case ShortfallClaimed():
            return _replace(loan, status=LoanStatus.CLAIM, claim_minor=event.claim_minor)
        case _:
            assert_never(event)


def _imported(event: LoanImported) -> Loan:
    proposed = LoanProposed(loan=event.loan, terms=event.terms, document=event.document, proposed_by=event.imported_by)
    return _replace(evolve(Loan(), proposed), status=LoanStatus.APPROVED, imported=event)


def timers(event: LoanEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    """A period is closed when it ends; arrears are looked at on the days that their bucket may change; availability ends by itself."""
    match event:
        case LoanCommitted():
            return [*_fee(event.next_billing), *_availability(event.sunset_on, event.available_until), *_subsequents(event.subsequents)]
        case LoanClosed():
            own = ("period", "arrears", "sunset", "availability", "acceleration", "default", *_BACK, *_BREACHES)
            return [CancelTimer(name) for name in own]
        case AccelerationNotified():
            return [Timer("acceleration", event.falls_due_on, FallDue(on=event.falls_due_on))]
        case LoanDefaulted(lapses_at=datetime() as at):
            return [Timer.at_instant("default", at, LapseDefault(lapses_at=at, on=day_of_lapse(at)))]
        case DefaultConfirmed():
            return [CancelTimer("default")]
        case DefaultCured():
            return [CancelTimer("acceleration"), CancelTimer("default"), *_back(event.on)]
        case RatioReported(lapses_at=datetime() as at):
            return [Timer.at_instant(f"breach/{event.kind}", at, LapseBreach(kind=event.kind, lapses_at=at))]
        case BreachConfirmed() | RatioReported(standing="cured"):
            return [CancelTimer(f"breach/{event.kind}")]
    after: Figures | None = getattr(event, "after", None)
    return () if after is None else _due(after)


def _fee(next_billing: date | None) -> list[Timer]:
    return [] if next_billing is None else [Timer("period", next_billing, ClosePeriod(on=next_billing))]


def _availability(sunset_on: date, available_until: date) -> list[Timer]:
    sunset, end = sunset_on + timedelta(days=1), available_until + timedelta(days=1)
    return [
        Timer("sunset", sunset, EndAvailability(cause="sunset", on=sunset)),
        Timer("availability", end, EndAvailability(cause="availability", on=end)),
    ]


_BREACHES = tuple(f"breach/{kind}" for kind in get_args(CovenantKind.__value__))
_BACK = ("back/sunset", "back/availability", "back/evidence")


def _back(on: date) -> list[Timer]:
    """A default is over: what came to nothing while it lasted is looked at once more. What is still to come has its timer."""
    commands = (
        EndAvailability(cause="sunset", on=on),
        EndAvailability(cause="availability", on=on),
        LearnEvidence(learnt=(), forgotten=(), on=on),
    )
    return [Timer(name, on, command) for name, command in zip(_BACK, commands, strict=True)]


def _subsequents(due: Mapping[str, date]) -> list[Timer]:
    late = {name: day + timedelta(days=1) for name, day in due.items()}
    return [Timer(f"subsequent/{name}", day, LookAtSubsequent(name=name, on=day)) for name, day in late.items()]


def _due(after: Figures) -> list[Timer | CancelTimer]:
    """What is billed next, and the day on which what is due, or overdue, becomes (more) overdue."""
    end = after.next_billing
    period = CancelTimer("period") if end is None else Timer("period", end, ClosePeriod(on=end))
    change: date | None = None
    if after.overdue_since is not None:
        later = (after.overdue_since + timedelta(days=days) for days in BUCKET_DAYS)
        change = next((day for day in later if day > after.on), None)
    elif after.due_minor > after.default_interest_minor:  # which is late already, and is so in no bucket
        change = after.on + timedelta(days=1)
    elif after.next_due is not None and (end is None or after.next_due < end):  # billed already, and due on the next business day
        change = after.next_due + timedelta(days=1)
    return [period, CancelTimer("arrears") if change is None else Timer("arrears", change, LookAtArrears(on=change))]


DECIDER = Decider(kind="loan", initial=Loan(), commands=Command, decide=decide, evolve=evolve, timers=timers)
