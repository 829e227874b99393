"""State of a facility loan, and why it refuses."""

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

import immutables
import msgspec

from services.loans.domain.facility.headroom import Reason as FacilityReason
from services.loans.domain.standing.dated_facts import Contract
from services.loans.domain.standing.standing import Account
from services.loans.events.authority import AuthorityCited
from services.loans.events.defaults import DefaultCause
from services.loans.events.facility import Guaranteed
from services.loans.events.loan import ActId, AdvanceId, BookChange, Figures, LoanEvent, LoanId, LoanImported, PaymentId, Seen
from services.loans.events.rates import RateCode
from services.loans.events.terms import (
    Accelerate,
    AmendCondition,
    Amendment,
    CovenantKind,
    EndEnforcement,
    LoanTerms,
    Precedent,
    Refund,
    Reinstate,
    Restructure,
    WaiveCondition,
    WaiveCovenant,
    WriteOff,
)
from shared.journal.decider import Reasons, Refused
from shared.terms.acting import ApprovalReason, Proposal
from shared.terms.authority import Fault
from shared.terms.conditions import Evidence, evaluate, passes, waive
from shared.terms.countersigning import ProposedCommand
from shared.terms.dating import DatingReason
from shared.terms.protecting import Word


class LoanStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"  # the facility has not answered yet
    COMMITTED = "committed"
    DEFAULTED = "defaulted"
    CLAIM = "claim"  # its security is realised, and something is still owed
    REPAID = "repaid"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


IN_DEFAULT = (LoanStatus.DEFAULTED, LoanStatus.CLAIM)
OPEN = (LoanStatus.COMMITTED, *IN_DEFAULT, LoanStatus.REPAID)  # payments may still come, and turn out not to have come


class Reason(Reasons):
    """Why a loan stays as it is. Each value is the `code` of an RFC 9457 problem."""

    NOT_FOUND = "loan_not_found", 404, "There is no such loan"
    ALREADY_PROPOSED = "loan_already_proposed", 409, "The loan is proposed already"
    STATUS = "loan_status", 409, "The loan is in another status"
    AMOUNT_INVALID = "amount_invalid", 422, "Invalid amount"
    RATE_INVALID = "loan_rate_invalid", 422, "Invalid rate"
    RATE_FIXED = "loan_rate_fixed", 409, "The loan has a fixed rate"
    RATE_FOLLOWS = "loan_rate_follows", 409, "The loan follows a published rate"
    TERMS_INVALID = "loan_terms_invalid", 422, "The terms contradict each other"
    SCHEDULE_INVALID = "schedule_invalid", 422, "Invalid schedule"
    CONDITION_INVALID = "condition_invalid", 422, "The condition can never be met"
    CONDITION_NOT_FOUND = "condition_not_found", 404, "There is no such condition"
    CONDITIONS_UNMET = "conditions_unmet", 409, "Conditions precedent are not met"
    ADVANCE_BEYOND = "advance_beyond_commitment", 409, "The advance exceeds the undrawn commitment"
    COVENANT_BREACHED = "covenant_breached", 409, "A covenant is breached"
    CROSS_DEFAULT = "borrower_in_default", 409, "The borrower is in default of another loan"
    ADVANCE_OUTSIDE = "advance_outside_availability", 409, "The advance is outside the availability period"
    ADVANCE_BY_ONE = "advance_by_one_person", 403, "An advance is not paid by a person who prepared it"
    PAYEE_OF_ANOTHER = "payee_of_another", 409, "The payee is of another borrower, or another currency"
    PAYEE_NOT_IN_FORCE = "payee_not_in_force", 409, "The payee is not in force on that day"
    ADVANCE_NOT_FOUND = "advance_not_found", 404, "There is no such advance"
    DATE_BEFORE_LOAN = "date_before_loan", 422, "The day is before the loan"
    DATE_IN_FUTURE = "date_in_future", 422, "The date is in the future"
    REFERENCE_USED = "payment_reference_used", 409, "The reference is of another payment"
    PAYMENT_NOT_FOUND = "payment_not_found", 404, "There is no such payment"
    RECONCILED_BY_SAME = "payment_reconciled_by_same_person", 403, "A payment is not reconciled by the person who recorded it"
    NOT_TO_RECONCILE = "payment_not_to_reconcile", 409, "The payment needs no reconciling"
    UNRECONCILED = "payments_not_reconciled", 409, "Some payments are not reconciled with the bank statement"
    NOTHING_TO_CANCEL = "nothing_to_cancel", 409, "The amount exceeds what can be cancelled"
    ACT_NOT_FOUND = "act_not_found", 404, "There is no such act"
    COVENANT_NOT_FOUND = "covenant_not_found", 404, "There is no such covenant"
    WRITE_OFF_BEYOND = "write_off_beyond_owed", 409, "The write-off exceeds the amount owed"
    STILL_OWED = "loan_still_owed", 409, "The loan is not fully repaid"
    OWES_BORROWER = "loan_owes_borrower", 409, "The borrower has a credit balance"
    CREDIT_BEYOND = "refund_beyond_credit", 409, "The refund exceeds the borrower's credit"
    DEFAULT_RENEWED = "default_renewed_by_same_person", 403, "A default that lapsed is not renewed by the same person"
    DEFAULT_OWN = "default_confirmed_by_same_person", 403, "A default is confirmed by a second person"
    DEFAULT_STANDS = "default_stands_already", 409, "The default needs no confirmation"
    DEFAULT_UNCONFIRMED = "default_unconfirmed", 409, "The default is not confirmed"
    BREACH_RENEWED = "breach_renewed_by_same_person", 403, "A breach that lapsed is not renewed by the same person"
    BREACH_OWN = "breach_confirmed_by_same_person", 403, "A breach is confirmed by a second person"
    BREACH_STANDS = "breach_stands_already", 409, "The breach needs no confirmation"
    BREACH_NOT_FOUND = "breach_not_found", 404, "The covenant is not breached"
    BREACH_UNCONFIRMED = "breach_unconfirmed", 409, "The breach is not confirmed"
    NO_GROUNDS = "default_without_grounds", 409, "There are no grounds for this default"
    NOT_ACCELERABLE = "acceleration_not_agreed", 409, "The loan's terms allow no acceleration"
    NOTICE_TOO_SHORT = "acceleration_notice_too_short", 422, "The notice is shorter than the terms require"
    ACCELERATED = "loan_accelerated", 409, "The loan has been accelerated"
    NOTHING_OWED = "nothing_owed", 409, "Nothing is owed"


type Refusal = Refused[Reason] | Refused[ApprovalReason] | Refused[FacilityReason] | Refused[Fault] | Refused[DatingReason]
type Decided = Sequence[LoanEvent | AuthorityCited] | Refusal


class OpenAdvance(msgspec.Struct, frozen=True):
    """Requested, and not paid yet."""

    amount_minor: int
    cleared: bool
    requested_by: str | None = None  # None: an earlier build did not say


class OpenAct(Proposal, frozen=True, kw_only=True):
    content: Amendment


class Payment(msgspec.Struct, frozen=True, gc=False):
    reference: str
    amount_minor: int
    reversed: bool = False
    recorded_by: str | None = None  # by one person, whose word it is; None: by two, or by an earlier build
    reconciled: bool = False


class CovenantStanding(msgspec.Struct, frozen=True):
    """`breached`: by a figure that none for as late a day has cured, waived or not. `alone`: whose word the last breach is, or was.
    `reported_for`: the last day of all; by that alone earlier builds judged whether a breach was reported too late to count."""

    minimum: str
    breached: bool = False
    breached_for: date = date.min  # the last day of a breach
    cured_for: date = date.min  # the last day for which two have signed that it is kept again
    reported_for: date = date.min
    waived_until: date | None = None
    alone: Word | None = None


class Loan(msgspec.Struct, frozen=True):
    id: LoanId | None = None  # None: not proposed
    terms: LoanTerms | None = None
    status: LoanStatus = LoanStatus.PROPOSED
    proposal: Proposal | None = None
    evidence: immutables.Map[str, Evidence] = immutables.Map()  # by reference
    waived: immutables.Map[str, date] = immutables.Map()  # condition -> the last day that it is waived
    advances: immutables.Map[AdvanceId, OpenAdvance] = immutables.Map()
    acts: immutables.Map[ActId, OpenAct] = immutables.Map()
    payments: immutables.Map[PaymentId, Payment] = immutables.Map()
    references: immutables.Map[str, PaymentId] = immutables.Map()
    covenants: immutables.Map[CovenantKind, CovenantStanding] = immutables.Map()
    bucket: str = "current"
    resets: int = 0  # of the rate
    provision_minor: int = 0
    account: Account | None = None  # from the commitment on
    cancelled_minor: int = 0  # of the commitment
    advanced_minor: int = 0
    booked: BookChange = BookChange()  # all changes together
    booked_through: date = date.min
    figures: Figures | None = None  # on the last day that is booked
    imported: LoanImported | None = None  # and not committed yet
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature
    default_cause: DefaultCause | None = None
    declared: Word | None = None  # whose word the last default is, or was
    words: tuple[Word, ...] = ()  # all of late that nobody else has confirmed: of a default, of breaches
    falls_due_on: date | None = None  # all of it, by notice of a default
    accelerated: str | None = None  # the dated fact by which it did
    cross_defaults: frozenset[LoanId] = frozenset()  # the borrower's other loans that are in default
    claim_minor: int | None = None  # what was still owed when its security was realised

    @property
    def undrawn_minor(self) -> int:
        assert self.terms is not None
        return self.terms.commitment_minor - self.cancelled_minor - self.advanced_minor

    @property
    def requested_minor(self) -> int:
        return sum(advance.amount_minor for advance in self.advances.values())


def with_act(loan: Loan, content: Amendment) -> Loan:
    """What an act changes besides the books."""
    assert loan.terms is not None
    match content:
        case AmendCondition(name=name, text=text, condition=condition):
            amended = tuple(
                msgspec.structs.replace(each, text=text, condition=condition) if each.name == name else each
                for each in loan.terms.precedents
            )
            waived = loan.waived.delete(name) if name in loan.waived else loan.waived  # it was of another condition
            return msgspec.structs.replace(loan, terms=msgspec.structs.replace(loan.terms, precedents=amended), waived=waived)
        case WaiveCondition(name=name, until=until):
            return msgspec.structs.replace(loan, waived=loan.waived.set(name, until or date.max))
        case WaiveCovenant(kind=kind, until=until):
            covenant = msgspec.structs.replace(loan.covenants[kind], waived_until=until)
            return msgspec.structs.replace(loan, covenants=loan.covenants.set(kind, covenant))
        case Reinstate():
            return msgspec.structs.replace(loan, accelerated=None)
        case Restructure() | WriteOff() | Accelerate() | EndEnforcement() | Refund():
            return loan
        case _:
            assert_never(content)


def fault_of_unreconciled(loan: Loan) -> Refused[Reason] | None:
    """Nothing leaves, and no security is given back, over a payment that is one person's word."""
    waiting = sorted(id for id, each in loan.payments.items() if each.recorded_by is not None and not (each.reconciled or each.reversed))
    if not waiting:
        return None
    detail = f"{len(waiting)} payments are one person's word, {waiting[0]} among them"
    return Refused(Reason.UNRECONCILED, detail, accepted="the loan once another person has reconciled each with the bank's statement")


def fault_of_unconfirmed(loan: Loan) -> Refused[Reason] | None:
    """What cannot be taken back waits until a default is more than one person's word."""
    if loan.status is not LoanStatus.DEFAULTED or loan.declared is None:
        return None
    detail = f"{loan.declared.by} has declared it, until {loan.declared.lapses_at:%Y-%m-%d %H:%M} UTC"
    return Refused(Reason.DEFAULT_UNCONFIRMED, detail, accepted="the same once another person has confirmed the default")


def broken_covenants(loan: Loan, on: date, *, confirmed: bool = False) -> list[CovenantKind]:
    """Those that are breached, and not waived through that day. `confirmed`: by more than one person's word."""
    return sorted(
        kind
        for kind, covenant in loan.covenants.items()
        if covenant.breached
        and (covenant.waived_until is None or covenant.waived_until < on)
        and not (confirmed and covenant.alone is not None)
    )


def not_found() -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, "there is no such loan", "path:loan")


def wrong_status(loan: Loan, accepted: str) -> Refused[Reason]:
    return Refused(Reason.STATUS, f"the loan is {loan.status}", accepted=f"a loan that is {accepted}")


def contract_of(terms: LoanTerms, committed_on: date) -> Contract:
    """What of the terms makes money move by itself."""
    return Contract(
        currency=terms.currency,
        commitment_minor=terms.commitment_minor,
        committed_on=committed_on,
        schedule=terms.schedule,
        rate_pct=str(Fraction(terms.base_pct) + Fraction(terms.margin_pct)),
        default_margin_pct=terms.default_margin_pct,
        commitment_fee_pct=terms.commitment_fee_pct,
        available_until=terms.available_until,
        establishment_fee_minor=terms.establishment_fee_minor,
    )


def followed_rate(terms: LoanTerms) -> RateCode | msgspec.UnsetType:
    """The reference rate that the loan bears; unset: none."""
    return msgspec.UNSET if terms.reference_rate is None else terms.reference_rate.rate


def keys_of(terms: LoanTerms) -> tuple[str, ...]:
    """What the commitment is charged to in its facility."""
    return (
        "instrument/loan",
        f"account/{terms.account}",
        f"borrower/{terms.borrower}",
        *(f"borrower/{each}" for each in terms.joint_borrowers),
        f"project/{terms.project}",
        *(f"element/{element}" for element in terms.elements),
    )


def guaranteed_by(terms: LoanTerms) -> tuple[Guaranteed, ...]:
    """What the commitment is charged to its guarantors with."""
    return tuple(
        Guaranteed(key=each.party, amount=terms.commitment_minor if each.amount_minor is None else each.amount_minor)
        for each in terms.guarantors
    )


def parties_to(terms: LoanTerms) -> tuple[str, ...]:
    """All whom it is about, as limits name them: who has an interest in one has it in the loan."""
    return (*keys_of(terms), *(each.party for each in terms.guarantors))


def seen_precedents(loan: Loan, on: date, evidence: Iterable[Evidence] | None = None) -> tuple[Seen, ...]:
    """Every condition precedent as it is on that day. `evidence` None: what the loan knows."""
    assert loan.terms is not None
    known = tuple(loan.evidence.values() if evidence is None else evidence)
    return tuple(_seen(loan, each, known, on) for each in loan.terms.precedents)


def seen_subsequents(loan: Loan, on: date, evidence: Iterable[Evidence]) -> tuple[Seen, ...]:
    assert loan.terms is not None
    known = tuple(evidence)
    return tuple(Seen(name=each.name, evaluation=evaluate(each.condition, known, on)) for each in loan.terms.subsequents)


def all_pass(seen: Iterable[Seen]) -> bool:
    return passes(each.evaluation for each in seen)


def _seen(loan: Loan, precedent: Precedent, evidence: tuple[Evidence, ...], on: date) -> Seen:
    evaluation = evaluate(precedent.condition, evidence, on)
    until = loan.waived.get(precedent.name)
    return Seen(name=precedent.name, evaluation=waive(evaluation) if until is not None and on <= until else evaluation)
