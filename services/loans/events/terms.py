"""What a loan is: its terms, as they are proposed and approved, and what a second person may sign to change them."""

from datetime import date
from typing import Annotated, Literal, NewType

import msgspec

from services.loans.events.facility import FacilityId, Minor
from services.loans.events.rates import RateCode
from shared.terms.conditions import Condition

BorrowerCode = NewType("BorrowerCode", str)  # "hillgrove-mines": a company, never a person
Party = NewType("Party", str)  # as limits name them: "borrower/larvotto", "partner/JP"
ProjectCode = NewType("ProjectCode", str)  # "hillgrove"
type SecurityKind = Literal["none", "cash_deposit", "letter_of_credit", "guarantee", "pledged_metal"]
type FundingAccount = Literal["national_interest", "commercial"]
type Ranking = Literal["senior", "subordinated", "mezzanine"]
type Grade = Literal["AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C", "D"]
type Stage = Literal[1, 2, 3]  # of expected loss, as IFRS 9 (AASB 9) section 5.5 stages it
type Category = Literal["A", "B", "C"]  # environmental and social, as the Equator Principles class projects
type DayCount = Literal["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"]
type Every = Literal["1w", "2w", "1m", "2m", "3m", "4m", "6m", "1y"]
type BusinessDays = Literal["none", "following", "modified_following"]
type Kind = Literal["equal", "equal_principal", "bullet", "balloon", "step"]
type Days = Annotated[int, msgspec.Meta(ge=0, le=3660)]
type CovenantKind = Literal["dscr", "llcr"]


class ScheduleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a loan is to be repaid. Periods run from `start`; the first `interest_only_periods` repay nothing, and in the first
    `capitalised_periods` interest becomes principal."""

    kind: Kind
    start: date
    every: Every
    periods: int
    day_count: DayCount
    calendar: str = "none"  # of the business days that due dates move to
    business_days: BusinessDays | msgspec.UnsetType = msgspec.UNSET  # how they move; unset: to the following one
    adjust_accrual: bool | msgspec.UnsetType = msgspec.UNSET  # whether interest runs between moved days; unset: between the unmoved
    due: tuple[date, ...] = ()  # where it moves them to, as its holidays were known then; (): the periods' ends
    interest_only_periods: int = 0
    capitalised_periods: int = 0
    balloon_minor: Minor = 0
    step: str = "1"  # by which an instalment grows each `step_periods`
    step_periods: int = 12


class RateFollowed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The published rate that a loan's base rate is."""

    rate: RateCode
    lookback_days: int = (
        0  # business days of the rate's calendar by which the day that it was published for lies before the day that bears it
    )
    floor_pct: str | None = None  # the least that the base rate is
    compounded: bool = False  # day by day in arrears; else what was published before a period's start counts for the whole of it


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


class Guarantor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for a loan, as limits name them, and for how much of it."""

    party: Party
    amount_minor: Minor | None = None  # None: all of it


class Syndicated(msgspec.Struct, frozen=True, kw_only=True):
    """What all lenders commit together, and the Reserve's share: only that is committed here."""

    total_minor: Minor
    share: str  # of the total, a rational: "3/5"


class LoanTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is proposed and approved, in full. The SHA-256 of its document is what the approver signs."""

    facility: FacilityId
    account: FundingAccount
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
    acceleration_notice_days: Days | None = (
        None  # between the declaration of a default and the day on which all may fall due; None: it never does
    )
    cross_default: bool = False  # whether a default may be declared since another loan of the borrower is in default
    joint_borrowers: tuple[BorrowerCode, ...] = ()  # each of whom owes all of it, too
    guarantors: tuple[Guarantor, ...] = ()
    syndicated: Syndicated | None = None  # None: there are no co-lenders
    reference_rate: RateFollowed | None = None  # None: the base rate is fixed, or reset by two people


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


class Accelerate(msgspec.Struct, frozen=True, kw_only=True, tag="accelerate"):
    """Notice that all of a loan in default falls due on a day, unless it is cured before."""

    on: date


class Reinstate(msgspec.Struct, frozen=True, kw_only=True, tag="reinstate"):
    """The parties take a default back: the loan is owed by its schedule, as if it had never fallen due at once."""


class EndEnforcement(msgspec.Struct, frozen=True, kw_only=True, tag="end_enforcement"):
    """What security there was is realised: what is still owed is a claim."""


class Refund(msgspec.Struct, frozen=True, kw_only=True, tag="refund"):
    """What was paid beyond all that was owed goes back to the borrower."""

    amount_minor: Minor
    reference: str  # the bank's
    on: date


type Amendment = AmendCondition | WaiveCondition | Restructure | WriteOff | WaiveCovenant | Accelerate | Reinstate | EndEnforcement | Refund


class Premium(msgspec.Struct, frozen=True, kw_only=True):
    """In per cent of what is lent: `base_pct`, and `step_pct` for each `step_days` that have begun."""

    base_pct: str
    step_pct: str
    step_days: int


class Security(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What secures the return. It counts at its value less the haircut, and must cover the value of what is owed. `call_days`: a call is
    met within so many days, or the loan is in default; None: a call has no day."""

    kind: SecurityKind
    value_minor: Minor
    haircut: str  # a share of the value, "1/5"
    required_cover: str  # of the value of what is owed, "1.10"
    call_days: Annotated[int, msgspec.Meta(ge=0, le=366)] | None = None


class MaterialTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed and approved, in full. The SHA-256 of its document is what the approver signs."""

    facility: FacilityId
    element: str  # what is owed: "Sb"
    content: str  # of the goods, as the product states it: headroom is reserved by it
    due_on: date
    return_place: str  # a depot
    premium: Premium
    splitting_limit: str  # by how much of the mass two assays may differ and be settled at their mean: "0.002"
    currency: str  # of the security, and of what is settled in cash
    security: Security
    deferral_conditions: tuple[str, ...]  # the only ones on which the day may be put off
    deferral_pct: str  # further premium, for each time
    cash_basis: str  # by which price the balance may be settled in money
