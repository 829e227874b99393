"""A loan that is paid on its days takes the course that its schedule foretells, to the minor unit."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from services.loans.domain.standing.dated_facts import Advanced, Contract, DatedFact, Paid, RateFrom
from services.loans.domain.standing.periods import dated, grid
from services.loans.domain.standing.schedule import Dated, ScheduleRow, schedule
from services.loans.domain.standing.schedule_terms import Advance, Prepayment, RateChange, ScheduleError, Step, Terms
from services.loans.domain.standing.standing import Account, books_on, figures_on, opened, upcoming, with_fact
from services.loans.events.terms import ScheduleTerms

START = date(2024, 1, 31)
RATES = ("0", "0.01", "5.25", "12", "19/3", "40")


@st.composite
def terms(draw, calendars: Sequence[str] = ("none",), lead_ins: bool = True) -> Terms:
    periods = draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["equal", "equal_principal", "bullet", "balloon", "step"]))
    calendar = draw(st.sampled_from(calendars))
    principal = draw(st.integers(1, 10**8))
    return Terms(
        principal_minor=principal,
        annual_rate_pct=Fraction(draw(st.sampled_from(RATES))),
        start=START,
        periods=periods,
        every=draw(st.sampled_from(["2w", "1m", "3m", "1y"])),
        day_count=draw(st.sampled_from(["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"])),
        kind=kind,
        capitalised_periods=draw(st.integers(0, (periods - 1) // 2)) if lead_ins else 0,
        interest_only_periods=draw(st.integers(0, (periods - 1) // 2)) if lead_ins else 0,
        balloon_minor=draw(st.integers(1, principal)) if kind == "balloon" else None,
        step=Step(draw(st.integers(1, periods)), draw(st.sampled_from([Fraction(11, 10), Fraction(9, 10)]))) if kind == "step" else None,
        calendar=calendar,
        adjustment="none" if calendar == "none" else draw(st.sampled_from(["none", "following", "modified_following"])),
        adjust_accrual=draw(st.booleans()),
    )


def change(terms: Terms, period: int) -> st.SearchStrategy[Dated]:
    bounds = grid(agreed(terms)).bounds
    days = st.integers(0, (bounds[period + 1] - bounds[period]).days - 1).map(lambda days: bounds[period] + timedelta(days=days))
    amounts = st.integers(1, 10**7)
    return st.one_of(
        st.builds(Advance, days, amounts),
        st.builds(Prepayment, days, amounts, st.sampled_from(["instalment", "term"])),
        st.builds(RateChange, days, st.sampled_from([Fraction(rate) for rate in RATES])),
    )


@st.composite
def changed(draw) -> tuple[Terms, list[Dated]]:
    """At most one in a period: where several meet, the schedule takes them as they come, a loan as of the period's end."""
    unchanged = draw(terms(lead_ins=False))
    periods = draw(st.lists(st.integers(0, unchanged.periods - 1), unique=True, max_size=5))
    return unchanged, [draw(change(unchanged, period)) for period in periods]


def foretold(terms: Terms) -> list[ScheduleRow]:
    try:
        return schedule(terms)
    except ScheduleError:
        assume(False)
        raise


def agreed(terms: Terms) -> ScheduleTerms:
    return ScheduleTerms(
        kind=terms.kind,
        start=terms.start,
        every=terms.every,
        periods=terms.periods,
        day_count=terms.day_count,
        calendar=terms.calendar,
        business_days=UNSET if terms.adjustment == "following" else terms.adjustment,  # type: ignore[arg-type]
        adjust_accrual=terms.adjust_accrual or UNSET,
        interest_only_periods=terms.interest_only_periods,
        capitalised_periods=terms.capitalised_periods,
        balloon_minor=terms.balloon_minor or 0,
        step="1" if terms.step is None else str(terms.step.factor),
        step_periods=1 if terms.step is None else terms.step.periods,
    )


def lent(terms: Terms) -> Account:
    contract = Contract(
        currency="AUD",
        commitment_minor=10**9,
        committed_on=terms.start,
        schedule=dated(agreed(terms)),
        rate_pct=str(terms.annual_rate_pct),
        default_margin_pct="3",
        commitment_fee_pct="0",
        available_until=terms.start,
        establishment_fee_minor=0,
    )
    return with_fact(opened(contract), Advanced(id="adv_0", on=terms.start, amount_minor=terms.principal_minor))


def payments(rows: list[ScheduleRow]) -> list[Paid]:
    due = [(row.due, row.principal_minor + row.interest_minor) for row in rows if row.what == "payment"]
    return [Paid(id=f"pay_{number}", on=due, amount_minor=amount) for number, (due, amount) in enumerate(due) if amount]


@settings(deadline=None)
@given(terms(calendars=("none", "weekends", "AU-NSW")))
def test_what_is_upcoming_is_the_schedule(terms: Terms):
    rows = foretold(terms)
    expected = [  # interest that no payment covers becomes principal, and is not billed
        (row.due, max(0, row.principal_minor), row.interest_minor + min(0, row.principal_minor), row.balance_minor) for row in rows
    ]
    ahead = [(row.due, row.principal_minor, row.interest_minor, row.balance_minor) for row in upcoming(lent(terms), START)]
    assert ahead == expected[: len(ahead)]
    assert all(row[1:] == (0, 0, 0) for row in expected[len(ahead) :])  # where rounding left nothing for the last payments


@settings(deadline=None)
@given(terms(calendars=("none", "weekends", "AU-NSW")))
def test_a_loan_paid_on_its_days_takes_the_scheduled_course(terms: Terms):
    rows = foretold(terms)
    account = lent(terms)
    for payment in payments(rows):
        account = with_fact(account, payment)
    for row in rows:
        figures = figures_on(account, row.due)
        assert (figures.principal_minor, figures.due_minor, figures.credit_minor) == (row.balance_minor, 0, 0)
    end = rows[-1].due
    assert figures_on(account, end).next_billing is None
    assert -books_on(account, end).interest_income_minor == sum(row.interest_minor for row in rows)
    assert books_on(account, end).default_interest_income_minor == 0


@settings(deadline=None)
@given(changed())
def test_advances_prepayments_and_resets_change_the_course_as_the_schedule_says(changed: tuple[Terms, list[Dated]]):
    terms, changes = changed
    with_changes = replace(
        terms,
        advances=tuple(change for change in changes if isinstance(change, Advance)),
        prepayments=tuple(change for change in changes if isinstance(change, Prepayment)),
        rate_resets=tuple(change for change in changes if isinstance(change, RateChange)),
    )
    rows = foretold(with_changes)
    assume(all(row.balance_minor for row in rows[:-1]))  # what is lent anew after all was repaid has its term anew
    if terms.kind != "bullet" and any(isinstance(change, Prepayment) and change.reduces == "term" for change in changes):
        assume(all(row.principal_minor for row in rows))  # which payments are kept where interest alone is paid, is not the same
    account = lent(terms)
    facts: list[DatedFact] = [*payments(rows)]
    for number, change in enumerate(changes):
        match change:
            case Advance():
                facts.append(Advanced(id=f"adv_{number + 1}", on=change.day, amount_minor=change.amount_minor))
            case Prepayment():
                facts.append(Paid(id=f"pre_{number}", on=change.day, amount_minor=change.amount_minor, prepays=change.reduces))
            case RateChange():
                facts.append(RateFrom(id=f"rate_{number}", on=change.day, rate_pct=str(change.annual_rate_pct)))
    for fact in facts:
        account = with_fact(account, fact)
    for row in rows:
        if row.what == "payment" and not any(change.day == row.due for change in changes):
            figures = figures_on(account, row.due)
            assert (figures.principal_minor, figures.due_minor, figures.credit_minor) == (row.balance_minor, 0, 0)
    assert figures_on(account, rows[-1].due).next_billing is None
