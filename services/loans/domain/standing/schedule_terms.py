"""The terms of a schedule: what is lent, how it is paid back, and which terms nobody can mean."""

from datetime import date
from fractions import Fraction
from math import lcm
from typing import Literal

import msgspec

from services.loans.domain.standing.calendars import LAST_DAY, Adjustment, Every
from services.loans.domain.standing.day_counts import DayCount
from shared.journal.record import MAX_INTEGER

type Kind = Literal["equal", "equal_principal", "bullet", "balloon", "interest_only", "capitalised", "step"]
type Reduces = Literal["instalment", "term"]

MAX_PERIODS = 1200
MAX_RATE_PCT = 100  # a year; more than that is a slip of the pen
MAX_RATE_DENOMINATOR = 10**12  # and of all rates of a schedule together: more is exact about nothing
MAX_STEP_FACTOR = 100
MAX_STEP_DENOMINATOR = 10**6
FIRST_DAY = date(1900, 1, 1)
_AMOUNT = f"1 to {MAX_INTEGER} minor units"


class ScheduleError(ValueError):
    """Terms that make no schedule. `code` is stable, `field` names the term at fault, `accepted` says what would do."""

    def __init__(self, code: str, detail: str, field: str, accepted: str) -> None:
        super().__init__(f"{field}: {detail} (accepted: {accepted})")
        self.code = code
        self.detail = detail
        self.field = field
        self.accepted = accepted


class Step(msgspec.Struct, frozen=True):
    """Each `periods` periods, the instalment is multiplied by `factor` (below 1, it falls)."""

    periods: int
    factor: Fraction


class Advance(msgspec.Struct, frozen=True):
    """More is lent."""

    day: date
    amount_minor: int


class Prepayment(msgspec.Struct, frozen=True):
    """Principal paid before it is due. `reduces`: the instalments that follow, or how many there are of them."""

    day: date
    amount_minor: int
    reduces: Reduces = "instalment"


class RateChange(msgspec.Struct, frozen=True):
    """The rate from `day` on; instalments are worked out anew."""

    day: date
    annual_rate_pct: Fraction


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`start`: the day of the first advance, `principal_minor`. Every `every` from then on a payment is due, `periods` in all.

    For `capitalised_periods` interest is added to the principal, then for `interest_only_periods` it alone is paid; the principal is repaid
    in the others, by `kind`:
    - `equal`: equal instalments, or `instalment_minor` each where it is given, and then no longer than it takes;
    - `equal_principal`: an equal part of the principal each time, and interest;
    - `bullet`: the principal with the last payment;
    - `balloon`: equal instalments, and `balloon_minor` with the last;
    - `step`: instalments that grow by steps, as `step` says;
    - `interest_only`, `capitalised`: the periods of that name (none given: all but the last), then equal instalments.

    `adjustment` moves due dates to business days of `calendar`; interest still accrues from one unmoved date to the next, unless
    `adjust_accrual`. A prepayment, a further advance or a reset of the rate has its day from `start` to before the last due date; on a due
    date it comes after the payment.
    """

    principal_minor: int
    annual_rate_pct: Fraction
    start: date
    periods: int
    every: Every
    day_count: DayCount
    kind: Kind = "equal"
    capitalised_periods: int = 0
    interest_only_periods: int = 0
    instalment_minor: int | None = None
    balloon_minor: int | None = None
    step: Step | None = None
    calendar: str = "none"
    adjustment: Adjustment = "none"
    adjust_accrual: bool = False
    advances: tuple[Advance, ...] = ()
    prepayments: tuple[Prepayment, ...] = ()
    rate_resets: tuple[RateChange, ...] = ()


def check(terms: Terms) -> None:
    """What can be said of terms without working them out. Raises ScheduleError."""
    _check_amount("principal_minor", terms.principal_minor)
    _check_rate("annual_rate_pct", terms.annual_rate_pct)
    if not FIRST_DAY <= terms.start <= LAST_DAY:
        raise ScheduleError("schedule_day_out_of_range", f"{terms.start} is no day of a loan", "start", f"{FIRST_DAY} to {LAST_DAY}")
    if not 1 <= terms.periods <= MAX_PERIODS:
        raise ScheduleError("schedule_periods_out_of_range", f"{terms.periods} periods", "periods", f"1 to {MAX_PERIODS}")
    _check_kind(terms)
    if terms.adjustment != "none" and terms.calendar == "none":
        raise ScheduleError("schedule_calendar_missing", "days are moved by no calendar", "calendar", 'such as "AU-NSW" or "weekends"')
    for advance in terms.advances:
        _check_amount("advances", advance.amount_minor)
    for prepayment in terms.prepayments:
        _check_amount("prepayments", prepayment.amount_minor)
    for reset in terms.rate_resets:
        _check_rate("rate_resets", reset.annual_rate_pct)
    rates = [terms.annual_rate_pct, *(reset.annual_rate_pct for reset in terms.rate_resets)]
    if lcm(*(rate.denominator for rate in rates)) > MAX_RATE_DENOMINATOR:
        raise ScheduleError("schedule_rate_too_exact", "too many digits", "annual_rate_pct", "at most 12 decimals")


def _check_kind(terms: Terms) -> None:
    for field, periods in (("capitalised_periods", terms.capitalised_periods), ("interest_only_periods", terms.interest_only_periods)):
        if periods < 0:
            raise ScheduleError("schedule_lead_in_out_of_range", f"{periods} periods", field, "0 or more")
    if terms.capitalised_periods + terms.interest_only_periods >= terms.periods:
        detail = f"none of the {terms.periods} periods is left to repay the principal in"
        field = "interest_only_periods" if terms.interest_only_periods else "capitalised_periods"
        raise ScheduleError("schedule_lead_in_out_of_range", detail, field, f"fewer than {terms.periods}, both together")
    for field, belongs_to, given in (
        ("balloon_minor", "balloon", terms.balloon_minor is not None),
        ("step", "step", terms.step is not None),
    ):
        if given != (terms.kind == belongs_to):
            needs = "has none" if given else "needs one"
            raise ScheduleError(
                "schedule_kind_mismatch", f"the kind {terms.kind} {needs}", field, f"with the kind {belongs_to}, and only there"
            )
    if terms.balloon_minor is not None:
        _check_amount("balloon_minor", terms.balloon_minor)
        if terms.balloon_minor > terms.principal_minor + sum(advance.amount_minor for advance in terms.advances):
            detail = "the balloon is more than all that is lent"
            raise ScheduleError("schedule_balloon_above_principal", detail, "balloon_minor", "at most the principal")
    if terms.instalment_minor is not None:
        if terms.kind != "equal":
            detail = f"the kind {terms.kind} works its own instalments out"
            raise ScheduleError("schedule_kind_mismatch", detail, "instalment_minor", "with the kind equal, and only there")
        _check_amount("instalment_minor", terms.instalment_minor)
    if (step := terms.step) is not None:
        if not 1 <= step.periods <= terms.periods:
            raise ScheduleError("schedule_step_out_of_range", f"a step each {step.periods} periods", "step", f"each 1 to {terms.periods}")
        if not 0 < step.factor <= MAX_STEP_FACTOR or step.factor.denominator > MAX_STEP_DENOMINATOR:
            accepted = f"above 0, at most {MAX_STEP_FACTOR}, and with at most 6 decimals"
            raise ScheduleError("schedule_step_out_of_range", f"a step by the factor {step.factor}", "step", accepted)


def _check_amount(field: str, amount_minor: int) -> None:
    if not 1 <= amount_minor <= MAX_INTEGER:
        raise ScheduleError("schedule_amount_out_of_range", f"{amount_minor} minor units", field, _AMOUNT)


def _check_rate(field: str, annual_rate_pct: Fraction) -> None:
    if annual_rate_pct < 0:
        raise ScheduleError("schedule_rate_negative", "below zero", field, f"0 to {MAX_RATE_PCT} % a year")
    if annual_rate_pct > MAX_RATE_PCT:
        raise ScheduleError("schedule_rate_too_high", f"more than {MAX_RATE_PCT} % a year", field, f"0 to {MAX_RATE_PCT} % a year")
