"""What happens to a facility loan. Amounts are whole minor units of the loan's currency.

An event that moves money carries `change`: by how much it changes the loan's books, whatever day it counts for. All changes together
are the loan's books; the ledger posts each as it is. `after`: how the loan stands then, on the last day that is booked.
"""

from datetime import date
from typing import Annotated, Literal, NewType

import msgspec

from services.loans.events.facility import FacilityId, Minor
from shared.journal.record import MAX_INTEGER
from shared.terms.conditions import Condition, Evaluation, Evidence

LoanId = NewType("LoanId", str)  # "lon_01j..."
BorrowerCode = NewType("BorrowerCode", str)  # "hillgrove-mines": a company, never a person
ProjectCode = NewType("ProjectCode", str)  # "hillgrove"
ActId = NewType("ActId", str)  # "act_01j..."
AdvanceId = NewType("AdvanceId", str)  # "adv_01j..."
PaymentId = NewType("PaymentId", str)  # "pay_01j..."

type SignedMinor = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
type Account = Literal["national_interest", "commercial"]
type Ranking = Literal["senior", "subordinated", "mezzanine"]
type Grade = Literal["AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C", "D"]
type Stage = Literal[1, 2, 3]  # of expected loss, as IFRS 9 (AASB 9) section 5.5 stages it
type Category = Literal["A", "B", "C"]  # environmental and social, as the Equator Principles class projects
type DayCount = Literal["30/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"]
type Every = Literal["1w", "2w", "1m", "2m", "3m", "4m", "6m", "1y"]
type Kind = Literal["equal", "equal_principal", "bullet", "balloon", "step"]
type Prepays = Literal["nothing", "instalment", "term"]  # what is beyond what is due: is credit, or makes instalments smaller, or fewer
type CovenantKind = Literal["dscr", "llcr"]


class BookChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a loan's accounts, debits above zero. They sum to zero."""

    cash_minor: SignedMinor = 0  # received, or below zero paid out
    goods_minor: SignedMinor = 0  # the agreed value of what was taken into stock instead of cash
    principal_minor: SignedMinor = 0  # owed: advanced and capitalised, less repaid and written off
    interest_minor: SignedMinor = 0  # billed at a period's end, and not paid
    default_interest_minor: SignedMinor = 0
    fees_minor: SignedMinor = 0
    credit_minor: SignedMinor = 0  # paid beyond what was owed: zero or less in all
    interest_income_minor: SignedMinor = 0
    default_interest_income_minor: SignedMinor = 0
    fee_income_minor: SignedMinor = 0
    written_off_minor: SignedMinor = 0  # lost, less recovered


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How a loan stands at the end of a day."""

    on: date
    advanced_minor: Minor
    repaid_minor: Minor  # of principal
    principal_minor: Minor  # owed, due or not
    interest_minor: Minor  # billed and not paid
    accrued_minor: Minor  # not billed yet, rounded half-even
    default_interest_minor: Minor
    fees_minor: Minor
    credit_minor: Minor
    due_minor: Minor  # principal, interest and fees that are to be paid by now, also those whose day it is
    overdue_minor: Minor  # of these, what was due before that day
    overdue_since: date | None
    next_due: date | None
    next_due_minor: Minor  # on that day, as the schedule stands
    next_billing: date | None = None  # the day on which something is billed by itself: a period's end, which is due then or soon after


class ScheduleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a loan is to be repaid. Periods run from `start`; the first `interest_only_periods` repay nothing, and in the first
    `capitalised_periods` interest becomes principal."""

    kind: Kind
    start: date
    every: Every
    periods: int
    day_count: DayCount
    calendar: str = "none"  # by which a due date that is no business day moves to the next one
    due: tuple[date, ...] = ()  # where it moves them to, as its holidays were known then; (): the periods' ends
    interest_only_periods: int = 0
    capitalised_periods: int = 0
    balloon_minor: Minor = 0
    step: str = "1"  # by which an instalment grows each `step_periods`
    step_periods: int = 12


class Precedent(msgspec.Struct, frozen=True, kw_only=True):
    """A condition precedent: no advance before it is met, or waived."""

    name: str  # "offtake"
    text: str  # as the loan agreement has it
    condition: Condition


class Subsequent(msgspec.Struct, frozen=True, kw_only=True):
    """A condition subsequent: to be met by a day."""

    name: str
    text: str
    condition: Condition
    due: date


class Covenant(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio that the borrower reports and keeps: debt service cover, or loan life cover."""

    kind: CovenantKind
    minimum: str  # "1.30"


class LoanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed and approved, in full. The SHA-256 of its document is what the approver signs."""

    facility: FacilityId
    account: Account
    instrument: str  # that approves it: an Act, direction or delegation
    borrower: BorrowerCode
    project: ProjectCode
    elements: tuple[str, ...]
    currency: str
    commitment_minor: Minor
    security: str
    ranking: Ranking
    base_rate: str  # "fixed", "BBSW 3M"
    base_pct: str  # a year, as it stands at the proposal
    margin_pct: str
    default_margin_pct: str  # on top, on what is overdue
    commitment_fee_pct: str  # a year, on what is not advanced, from the commitment to `available_until`
    establishment_fee_minor: Minor  # due with the first advance
    available_from: date
    available_until: date  # the last day of an advance
    sunset_on: date  # the last day by which conditions precedent must be met
    schedule: ScheduleTerms
    precedents: tuple[Precedent, ...]
    subsequents: tuple[Subsequent, ...]
    covenants: tuple[Covenant, ...]
    grade: Grade
    stage: Stage
    kyc: str  # the reference of the check that cleared the borrower
    category: Category


# Acts: what a second person must sign


class AmendCondition(msgspec.Struct, frozen=True, kw_only=True, tag="amend_condition"):
    name: str
    text: str
    condition: Condition


class WaiveCondition(msgspec.Struct, frozen=True, kw_only=True, tag="waive_condition"):
    name: str
    until: date | None  # the last day; None: for good


class Restructure(msgspec.Struct, frozen=True, kw_only=True, tag="restructure"):
    """Another schedule for what is owed from its start on; what is overdue then becomes part of it if `capitalise_overdue`."""

    schedule: ScheduleTerms
    rate_pct: str | None  # a year, all in; None: as before
    capitalise_overdue: bool


class WriteOff(msgspec.Struct, frozen=True, kw_only=True, tag="write_off"):
    amount_minor: Minor
    on: date


class WaiveCovenant(msgspec.Struct, frozen=True, kw_only=True, tag="waive_covenant"):
    kind: CovenantKind
    until: date


type Amendment = AmendCondition | WaiveCondition | Restructure | WriteOff | WaiveCovenant


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's signature over the SHA-256 of what was proposed."""

    subject: str
    key: str
    signature: str
    approved_on: date


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition came to on a day."""

    name: str
    evaluation: Evaluation


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    loan: LoanId


class LoanProposed(_Event, frozen=True, kw_only=True, tag="loans.loan_proposed.v1"):
    terms: LoanTerms
    document: str  # SHA-256 of the proposal, which is kept
    proposed_by: str


class LoanImported(_Event, frozen=True, kw_only=True, tag="loans.loan_imported.v1"):
    """A loan that another system kept until now. The facility is asked for its headroom next."""

    terms: LoanTerms
    document: str
    reference: str  # its number there
    as_of: date
    advanced_minor: Minor
    repaid_minor: Minor
    imported_by: str
    keys: tuple[str, ...]


class LoanApproved(_Event, frozen=True, kw_only=True, tag="loans.loan_approved.v1"):
    """The facility is asked next."""

    document: str
    approval: Approval
    facility: FacilityId
    currency: str
    commitment_minor: Minor
    keys: tuple[str, ...]  # that the commitment is charged to


class LoanWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.loan_withdrawn.v1"):
    reason: str


class LoanCommitted(_Event, frozen=True, kw_only=True, tag="loans.loan_committed.v1"):
    on: date
    facility: FacilityId
    project: ProjectCode
    borrower: BorrowerCode
    currency: str
    commitment_minor: Minor
    sunset_on: date
    available_until: date
    subsequents: dict[str, date] = {}  # conditions subsequent -> the day by which each is to be met
    next_billing: date | None = None  # of the fee on what is not advanced


class BalanceBroughtForward(_Event, frozen=True, kw_only=True, tag="loans.balance_brought_forward.v1"):
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


class CommitmentRefused(_Event, frozen=True, kw_only=True, tag="loans.commitment_refused.v1"):
    """The facility has no headroom for it: the loan is as it was proposed."""

    reason: str
    detail: str


class CommitmentCancelled(_Event, frozen=True, kw_only=True, tag="loans.commitment_cancelled.v1"):
    """So much of what is not advanced never will be."""

    on: date
    facility: FacilityId
    currency: str
    amount_minor: Minor
    cause: Literal["sunset", "availability", "cancelled", "defaulted"]
    reason: str


class ConditionsEvaluated(_Event, frozen=True, kw_only=True, tag="loans.conditions_evaluated.v1"):
    """Of the loan's project something was established, or is so no longer."""

    learnt: tuple[Evidence, ...]
    forgotten: tuple[str, ...]  # references of what is established no longer
    precedents: tuple[Seen, ...]
    subsequents: tuple[Seen, ...]


class SubsequentMissed(_Event, frozen=True, kw_only=True, tag="loans.subsequent_missed.v1"):
    """The day of a condition subsequent has passed, and it was not met."""

    due: date
    seen: Seen


class ActProposed(_Event, frozen=True, kw_only=True, tag="loans.act_proposed.v1"):
    act: ActId
    content: Amendment
    reason: str
    document: str
    proposed_by: str


class ActApproved(_Event, frozen=True, kw_only=True, tag="loans.act_approved.v1"):
    """It has its effect from here on; `change` is what it does to the books at once."""

    act: ActId
    content: Amendment
    document: str
    approval: Approval
    currency: str
    change: BookChange
    after: Figures


class ActWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.act_withdrawn.v1"):
    act: ActId
    reason: str


class AdvanceRequested(_Event, frozen=True, kw_only=True, tag="loans.advance_requested.v1"):
    """It waits until every condition precedent is met or waived."""

    advance: AdvanceId
    amount_minor: Minor
    purpose: str


class AdvanceCleared(_Event, frozen=True, kw_only=True, tag="loans.advance_cleared.v1"):
    advance: AdvanceId
    seen: tuple[Seen, ...]  # every condition precedent, as it was


class AdvanceWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.advance_withdrawn.v1"):
    advance: AdvanceId
    reason: str


class AdvancePaid(_Event, frozen=True, kw_only=True, tag="loans.advance_paid.v1"):
    advance: AdvanceId
    facility: FacilityId
    currency: str
    amount_minor: Minor
    paid_on: date
    undrawn_minor: Minor  # of the commitment, after it
    seen: tuple[Seen, ...]  # every condition precedent, on the day that it was paid
    change: BookChange
    after: Figures


class PaymentRecorded(_Event, frozen=True, kw_only=True, tag="loans.payment_recorded.v1"):
    payment: PaymentId
    reference: str  # the bank's; each counts once
    currency: str
    amount_minor: Minor
    received_on: date
    prepays: Prepays
    change: BookChange
    after: Figures


class DeliveryCredited(_Event, frozen=True, kw_only=True, tag="loans.delivery_credited.v1"):
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


class PaymentReversed(_Event, frozen=True, kw_only=True, tag="loans.payment_reversed.v1"):
    """It never counted: what came after it stands as if it had not been."""

    payment: PaymentId
    currency: str
    amount_minor: Minor
    reason: str
    change: BookChange
    after: Figures


class RateReset(_Event, frozen=True, kw_only=True, tag="loans.rate_reset.v1"):
    """From a day on. Of several for one day the last one told counts."""

    reset: int  # how many there were before it
    base_pct: str
    source: str
    from_on: date
    currency: str
    change: BookChange
    after: Figures


class FeeCharged(_Event, frozen=True, kw_only=True, tag="loans.fee_charged.v1"):
    fee: str  # "fee_01j..."
    text: str
    currency: str
    amount_minor: Minor
    due_on: date
    change: BookChange
    after: Figures


class PeriodClosed(_Event, frozen=True, kw_only=True, tag="loans.period_closed.v1"):
    """A due date has come: the period's interest is billed. Or what was billed is put right, since a commitment ended before that."""

    due: date
    currency: str
    change: BookChange
    after: Figures


class ArrearsChanged(_Event, frozen=True, kw_only=True, tag="loans.arrears_changed.v1"):
    """`bucket`: days past due, as "current", "1-30", "31-60", "61-90", "over 90"."""

    bucket: str
    overdue_minor: Minor
    overdue_since: date | None


class RatioReported(_Event, frozen=True, kw_only=True, tag="loans.ratio_reported.v1"):
    """A covenant's figure, as reported for the period that ended on `for_on`."""

    kind: CovenantKind
    ratio: str
    minimum: str
    for_on: date
    source: str
    standing: Literal["kept", "breached", "cured", "waived"]


class Regraded(_Event, frozen=True, kw_only=True, tag="loans.regraded.v1"):
    """The grade, the stage of expected loss, and what the lender provides for it."""

    grade: Grade
    stage: Stage
    currency: str
    provision_minor: Minor
    change_minor: SignedMinor  # of the provision
    reason: str


class LoanDefaulted(_Event, frozen=True, kw_only=True, tag="loans.loan_defaulted.v1"):
    on: date
    reason: str


class RecoveryRecorded(_Event, frozen=True, kw_only=True, tag="loans.recovery_recorded.v1"):
    """Money that came of a loan in default: it goes to what is owed, and then to what was written off."""

    payment: PaymentId
    reference: str
    currency: str
    amount_minor: Minor
    received_on: date
    change: BookChange
    after: Figures


class LoanRepaid(_Event, frozen=True, kw_only=True, tag="loans.loan_repaid.v1"):
    on: date


class LoanClosed(_Event, frozen=True, kw_only=True, tag="loans.loan_closed.v1"):
    facility: FacilityId
    reason: str


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
    | DeliveryCredited
    | PaymentReversed
    | RateReset
    | FeeCharged
    | PeriodClosed
    | ArrearsChanged
    | RatioReported
    | Regraded
    | LoanDefaulted
    | RecoveryRecorded
    | LoanRepaid
    | LoanClosed
)
