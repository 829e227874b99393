"""The terms of a loan, as a body: what a credit officer writes down, and what an approver signs."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field, StrictBool, StrictInt, StringConstraints

from services.loans.api.fields import Code, Currency, Element, Number, PositiveMinor, PositiveNumber, RateName, WholeMinor
from services.loans.domain.standing.calendars import Every
from services.loans.domain.standing.periods import dated
from services.loans.events.terms import (
    BusinessDays,
    Category,
    CovenantKind,
    DayCount,
    FundingAccount,
    Grade,
    Kind,
    LoanTerms,
    Ranking,
    ScheduleTerms,
    Stage,
)
from shared.http.fields import Body, Day, Text
from shared.http.problems import Problem

type Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
type Periods = Annotated[StrictInt, Field(ge=0, le=1200)]
type Subject = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class ShownBody(Body):
    type: Literal["shown"]
    kind: Name
    subject: Subject | None = None


class AllShownBody(Body):
    type: Literal["all_shown"]
    kind: Name
    subjects: Annotated[list[Subject], Field(min_length=1, max_length=40)]


class SumBody(Body):
    type: Literal["sum_at_least"]
    kind: Name
    quantity: PositiveMinor
    unit: Subject | None = None


class ShareBody(Body):
    type: Literal["share_at_least"]
    part: Name
    whole: Name
    share: PositiveNumber
    unit: Subject | None = None


type ConditionBody = Annotated[ShownBody | AllShownBody | SumBody | ShareBody, Field(discriminator="type")]


class ScheduleBody(Body):
    kind: Kind
    start: Day
    every: Every = "3m"
    periods: Annotated[StrictInt, Field(ge=1, le=1200)]
    day_count: DayCount = "ACT/365F"
    calendar: Annotated[str, StringConstraints(pattern=r"^[A-Za-z-]{1,20}$")] = "none"
    business_days: BusinessDays | None = Field(
        default=None, description="how a due date moves that is no business day of the calendar; left out: to the following one"
    )
    adjust_accrual: StrictBool = Field(default=False, description="whether interest runs between the moved days, not the unmoved ones")
    interest_only_periods: Periods = 0
    capitalised_periods: Periods = 0
    balloon_minor: WholeMinor = 0
    step: PositiveNumber = "1"
    step_periods: Annotated[StrictInt, Field(ge=1, le=1200)] = 12

    def terms(self) -> ScheduleTerms:
        """With its due dates as the calendar has them today. Raises Problem `schedule_invalid`."""
        try:
            unsaid = {name for name in ("business_days", "adjust_accrual") if not getattr(self, name)}
            return dated(msgspec.convert(self.model_dump(exclude=unsaid), ScheduleTerms))
        except ValueError as error:  # CalendarError too
            raise Problem(
                "schedule_invalid", str(error), field="/schedule", accepted="a calendar such as AU-NSW, and days that it has"
            ) from error


class PrecedentBody(Body):
    name: Name
    text: Text
    condition: ConditionBody


class SubsequentBody(PrecedentBody):
    due: Day


class CovenantBody(Body):
    kind: CovenantKind
    minimum: PositiveNumber


class ReferenceBody(Body):
    """The published rate that the base rate is. It is registered before."""

    rate: RateName
    lookback_days: Annotated[StrictInt, Field(ge=0, le=20)] = Field(
        default=0, description="business days by which the day that it was published for lies before the day that bears it"
    )
    floor_pct: Number | None = Field(default=None, description="the least that the base rate is")
    compounded: StrictBool = Field(
        default=False, description="day by day in arrears; else what was published before a period's start counts for the whole of it"
    )


class GuarantorBody(Body):
    """`party`: as limits name it."""

    party: Annotated[str, StringConstraints(pattern=r"^(borrower/[a-z0-9][a-z0-9-]{0,62}|partner/[A-Z]{2})$")]
    amount_minor: PositiveMinor | None = Field(default=None, description="of the commitment; null: all of it")


class SyndicatedBody(Body):
    """With co-lenders: `commitment_minor` is the Reserve's share of the total, and only that counts against limits."""

    total_minor: PositiveMinor
    share: PositiveNumber


class LoanTermsBody(Body):
    facility: Code = "cmf"
    account: FundingAccount
    instrument: Text = Field(description="that approves it: an Act, direction or delegation")
    borrower: Code
    project: Code
    elements: Annotated[list[Element], Field(min_length=1, max_length=20)]
    currency: Currency = "AUD"
    commitment_minor: PositiveMinor
    security: Text
    ranking: Ranking = "senior"
    base_rate: Text = Field(default="fixed", description="its name; left out with a reference rate: that one's")
    base_pct: Number = Field(description="a year; with a reference rate, until the first publication that counts")
    margin_pct: Number = "0"
    default_margin_pct: Number = "2"
    commitment_fee_pct: Number = "0"
    establishment_fee_minor: WholeMinor = 0
    available_from: Day
    available_until: Day
    sunset_on: Day
    schedule: ScheduleBody
    precedents: Annotated[list[PrecedentBody], Field(max_length=40)] = []  # noqa: RUF012 pydantic copies it
    subsequents: Annotated[list[SubsequentBody], Field(max_length=40)] = []  # noqa: RUF012 pydantic copies it
    covenants: Annotated[list[CovenantBody], Field(max_length=2)] = []  # noqa: RUF012 pydantic copies it
    grade: Grade = "BB"
    stage: Stage = 1
    kyc: Text = Field(description="the reference of the check that cleared the borrower")
    category: Category = "B"
    acceleration_notice_days: Annotated[StrictInt, Field(ge=0, le=3660)] | None = Field(
        default=0, description="between the declaration of a default and the day on which all may fall due; null: it never does"
    )
    cross_default: StrictBool = Field(default=False, description="whether another loan's default is a ground to declare this one's")
    joint_borrowers: Annotated[list[Code], Field(max_length=20)] = Field(
        default=[], description="each of whom owes all of it, too: it counts in full under each one's limit"
    )
    guarantors: Annotated[list[GuarantorBody], Field(max_length=20)] = Field(
        default=[], description="what is guaranteed counts against the guarantor's limit, too"
    )
    syndicated: SyndicatedBody | None = None
    reference_rate: ReferenceBody | None = None

    def terms(self) -> LoanTerms:
        """Raises Problem `schedule_invalid`."""
        given = self.model_dump(exclude={"schedule"})
        if self.reference_rate is not None and "base_rate" not in self.model_fields_set:
            given["base_rate"] = self.reference_rate.rate
        return msgspec.convert(given | {"schedule": self.schedule.terms()}, LoanTerms)
