"""What happens to a facility loan. Amounts are whole minor units of the loan's currency.

An event that moves money carries `change`: by how much it changes the loan's books, whatever day it counts for. All changes together
are the loan's books; the ledger posts each as it is. `after`: how the loan stands then, on the last day that is booked.
"""

from datetime import date, datetime
from typing import Literal, NewType

import msgspec

from services.loans.events.books import BookChange as BookChange
from services.loans.events.books import Figures as Figures
from services.loans.events.books import LoanFact
from services.loans.events.books import LoanId as LoanId
from services.loans.events.books import SignedMinor as SignedMinor
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
from services.loans.events.facility import FacilityId, Guaranteed, Minor
from services.loans.events.payees import PayeeId
from services.loans.events.rates import Publication, RateCode
from services.loans.events.terms import Amendment, BorrowerCode, CovenantKind, Grade, LoanTerms, ProjectCode, Stage
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.conditions import Evaluation, Evidence
from shared.terms.dating import DatedBecause

ActId = NewType("ActId", str)  # "act_01j..."
AdvanceId = NewType("AdvanceId", str)  # "adv_01j..."
PaymentId = NewType("PaymentId", str)  # "pay_01j..."
type Prepays = Literal["nothing", "instalment", "term"]  # what is beyond what is due: is credit, or makes instalments smaller, or fewer


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition came to on a day."""

    name: str
    evaluation: Evaluation


class LoanProposed(LoanFact, frozen=True, kw_only=True, tag="loans.loan_proposed.v1"):
    terms: LoanTerms
    document: str  # SHA-256 of the proposal, which is kept
    proposed_by: str


class LoanImported(LoanFact, frozen=True, kw_only=True, tag="loans.loan_imported.v1"):
    """A loan that another system kept until now. The facility is asked for its headroom next."""

    terms: LoanTerms
    document: str
    reference: str  # its number there
    as_of: date
    advanced_minor: Minor
    repaid_minor: Minor
    imported_by: str
    keys: tuple[str, ...]


class LoanApproved(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.loan_approved.v1"):
    """The facility is asked next."""

    document: str
    approval: Approval
    facility: FacilityId
    currency: str
    commitment_minor: Minor
    keys: tuple[str, ...]  # that the commitment is charged to
    guaranteed: tuple[Guaranteed, ...] = ()


class LoanWithdrawn(LoanFact, frozen=True, kw_only=True, tag="loans.loan_withdrawn.v2"):
    reason: TypedText


class LoanCommitted(LoanFact, frozen=True, kw_only=True, tag="loans.loan_committed.v1"):
    on: date
    facility: FacilityId
    project: ProjectCode
    borrower: BorrowerCode
    currency: str
    commitment_minor: Minor
    sunset_on: date
    available_until: date
    subsequents: dict[str, date] = msgspec.field(default_factory=dict)  # conditions subsequent -> the day by which each is to be met
    next_billing: date | None = None  # of the fee on what is not advanced
    reference_rate: RateCode | msgspec.UnsetType = msgspec.UNSET  # that its base rate follows


class BalanceBroughtForward(LoanFact, frozen=True, kw_only=True, tag="loans.balance_brought_forward.v1"):
    """What an imported loan had advanced and repaid until the end of `as_of`."""

    facility: FacilityId
    reference: str
    currency: str
    as_of: date
    advanced_minor: Minor
    repaid_minor: Minor
    undrawn_minor: Minor  # of the commitment, after it
    change: BookChange
    after: Figures


class CommitmentRefused(LoanFact, frozen=True, kw_only=True, tag="loans.commitment_refused.v1"):
    """The facility has no headroom for it: the loan is as it was proposed."""

    reason: str
    detail: str


class CommitmentCancelled(LoanFact, frozen=True, kw_only=True, tag="loans.commitment_cancelled.v2"):
    """So much of what is not advanced never will be."""

    on: date
    facility: FacilityId
    currency: str
    amount_minor: Minor
    cause: Literal["sunset", "availability", "cancelled", "defaulted"]
    reason: TypedText


class ConditionsEvaluated(LoanFact, frozen=True, kw_only=True, tag="loans.conditions_evaluated.v1"):
    """Of the loan's project something was established, or is so no longer."""

    learnt: tuple[Evidence, ...]
    forgotten: tuple[str, ...]  # references of what is established no longer
    precedents: tuple[Seen, ...]
    subsequents: tuple[Seen, ...]


class SubsequentMissed(LoanFact, frozen=True, kw_only=True, tag="loans.subsequent_missed.v1"):
    """The day of a condition subsequent has passed, and it was not met."""

    due: date
    seen: Seen


class ActProposed(LoanFact, frozen=True, kw_only=True, tag="loans.act_proposed.v2"):
    act: ActId
    content: Amendment
    reason: TypedText
    document: str
    proposed_by: str


class ActApproved(LoanFact, frozen=True, kw_only=True, tag="loans.act_approved.v1"):
    """It has its effect from here on; `change` is what it does to the books at once."""

    act: ActId
    content: Amendment
    document: str
    approval: Approval
    currency: str
    change: BookChange
    after: Figures


class ActWithdrawn(LoanFact, frozen=True, kw_only=True, tag="loans.act_withdrawn.v2"):
    act: ActId
    reason: TypedText


class AdvanceRequested(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.advance_requested.v2"):
    """It waits until every condition precedent is met or waived."""

    advance: AdvanceId
    amount_minor: Minor
    purpose: TypedText
    requested_by: str | None = None  # None: an earlier build did not say


class AdvanceCleared(LoanFact, frozen=True, kw_only=True, tag="loans.advance_cleared.v1"):
    advance: AdvanceId
    seen: tuple[Seen, ...]  # every condition precedent, as it was


class AdvanceWithdrawn(LoanFact, frozen=True, kw_only=True, tag="loans.advance_withdrawn.v2"):
    advance: AdvanceId
    reason: TypedText


class AdvancePaid(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.advance_paid.v1"):
    advance: AdvanceId
    facility: FacilityId
    currency: str
    amount_minor: Minor
    paid_on: date
    undrawn_minor: Minor  # of the commitment, after it
    seen: tuple[Seen, ...]  # every condition precedent, on the day that it was paid
    change: BookChange
    after: Figures
    payee: PayeeId | msgspec.UnsetType = msgspec.UNSET  # unset: an earlier build did not say
    dated_because: DatedBecause = msgspec.UNSET


class PaymentRecorded(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.payment_recorded.v1"):
    """One person's word, until another reconciles it. `due_first`: it paid all that was due on its day before what was billed for a later
    one."""

    payment: PaymentId
    reference: str  # the bank's; each counts once
    currency: str
    amount_minor: Minor
    received_on: date
    prepays: Prepays
    change: BookChange
    after: Figures
    due_first: bool = False
    recorded_by: str | None = None  # None: an earlier build did not say, and nobody reconciles it
    dated_because: DatedBecause = msgspec.UNSET


class PaymentReconciled(LoanFact, frozen=True, kw_only=True, tag="loans.payment_reconciled.v1"):
    """Another person has found it in the bank's statement."""

    payment: PaymentId
    statement: str  # its number
    reconciled_by: str


class DeliveryCredited(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.delivery_credited.v1"):
    """A repayment in kind: goods that were taken into stock, at the agreed basis."""

    payment: PaymentId
    right: str
    lot: str
    currency: str
    amount_minor: Minor
    received_on: date
    prepays: Prepays
    change: BookChange
    after: Figures
    due_first: bool = False


class PaymentReversed(LoanFact, frozen=True, kw_only=True, tag="loans.payment_reversed.v2"):
    """It never counted: what came after it stands as if it had not been."""

    payment: PaymentId
    currency: str
    amount_minor: Minor
    reason: TypedText
    change: BookChange
    after: Figures


class RateReset(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.rate_reset.v2"):
    """From a day on. Of several for one day the last one told counts. With `published`, nobody has reset it: the loan's terms say that it
    follows what is published."""

    reset: int  # how many there were before it
    base_pct: str
    source: TypedText
    from_on: date
    currency: str
    change: BookChange
    after: Figures
    published: Publication | msgspec.UnsetType = msgspec.UNSET  # of the reference rate that `source` names
    dated_because: DatedBecause = msgspec.UNSET


class FeeCharged(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.fee_charged.v2"):
    fee: str  # "fee_01j..."
    text: TypedText
    currency: str
    amount_minor: Minor
    due_on: date
    change: BookChange
    after: Figures
    dated_because: DatedBecause = msgspec.UNSET


class PeriodClosed(LoanFact, frozen=True, kw_only=True, tag="loans.period_closed.v1"):
    """A due date has come: the period's interest is billed. Or what was billed is put right, since a commitment ended before that."""

    due: date
    currency: str
    change: BookChange
    after: Figures


class ArrearsChanged(LoanFact, frozen=True, kw_only=True, tag="loans.arrears_changed.v1"):
    """`bucket`: days past due, as "current", "1-30", "31-60", "61-90", "over 90"."""

    bucket: str
    overdue_minor: Minor
    overdue_since: date | None


class RatioReported(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.ratio_reported.v2"):
    """A covenant's figure, as reported for the period that ended on `for_on`. `reported_by`: of a breach that is one person's word until
    another confirms it, or it lapses; None: of what is kept, by two people, or by an earlier build."""

    kind: CovenantKind
    ratio: str
    minimum: str
    for_on: date
    source: TypedText
    standing: Literal["kept", "breached", "cured", "waived"]
    reported_by: str | None = None
    lapses_at: datetime | None = None
    alone_since: datetime | None = None  # when they first stopped anything of the loan; None: by an earlier build


class Regraded(LoanFact, frozen=True, kw_only=True, tag="loans.regraded.v2"):
    """The grade, the stage of expected loss, and what the lender provides for it."""

    grade: Grade
    stage: Stage
    currency: str
    provision_minor: Minor
    change_minor: SignedMinor  # of the provision
    reason: TypedText


class RecoveryRecorded(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.recovery_recorded.v1"):
    """Money that came of a loan in default: it goes to what is owed, and then to what was written off."""

    payment: PaymentId
    reference: str
    currency: str
    amount_minor: Minor
    received_on: date
    change: BookChange
    after: Figures
    due_first: bool = False
    dated_because: DatedBecause = msgspec.UNSET


class LoanRepaid(LoanFact, frozen=True, kw_only=True, tag="loans.loan_repaid.v1"):
    on: date


class LoanClosed(LoanFact, frozen=True, kw_only=True, tag="loans.loan_closed.v2"):
    facility: FacilityId
    reason: TypedText
    reference_rate: RateCode | msgspec.UnsetType = msgspec.UNSET  # that its base rate followed


LoanEvent = (
    LoanProposed
    | LoanImported
    | LoanApproved
    | LoanWithdrawn
    | LoanCommitted
    | BalanceBroughtForward
    | CommitmentRefused
    | CommitmentCancelled
    | ConditionsEvaluated
    | SubsequentMissed
    | ActProposed
    | ActApproved
    | ActWithdrawn
    | AdvanceRequested
    | AdvanceCleared
    | AdvanceWithdrawn
    | AdvancePaid
    | PaymentRecorded
    | PaymentReconciled
    | DeliveryCredited
    | PaymentReversed
    | RateReset
    | FeeCharged
    | PeriodClosed
    | ArrearsChanged
    | RatioReported
    | BreachConfirmed
    | BreachLapsed
    | Regraded
    | LoanDefaulted
    | DefaultConfirmed
    | AccelerationNotified
    | LoanAccelerated
    | DefaultCured
    | CrossDefaultNoted
    | ShortfallClaimed
    | RecoveryRecorded
    | LoanRepaid
    | LoanClosed
)
