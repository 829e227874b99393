"""A loan's standing: a payment that is learnt a year late, and one that comes in its order, on a loan of 2,000 events."""

import time
from collections.abc import AsyncGenerator, Callable
from datetime import date, timedelta

from services.loans.events.terms import ScheduleTerms

from bench.figures import Figure, Options, figure
from services.loans.domain.standing.dated_facts import Advanced, Contract, DatedFact, Paid, RateFrom
from services.loans.domain.standing.standing import Account, books_on, figures_on, opened, with_fact

FACTS = 2_000
DAYS = 11 * 365
START = date(2026, 1, 6)
REPEATS = 20


async def standing(_options: Options) -> AsyncGenerator[Figure]:
    account = _a_long_loan()
    today = account.facts[-1].on
    late = Paid(id="pay_late", on=today - timedelta(days=365), amount_minor=123_456_78)
    back_dated_s = _taken_s(lambda: _recorded(account, late, today))
    yield figure("payment_back_dated_by_a_year", 1000 * back_dated_s, "ms", at_most=50)
    last = Paid(id="pay_last", on=today, amount_minor=123_456_78)
    in_order_s = _taken_s(lambda: _recorded(account, last, today))
    yield figure("payment_in_its_order", 1_000_000 * in_order_s, "us")


def _recorded(account: Account, payment: Paid, today: date) -> None:
    """What a command of it works out."""
    paid = with_fact(account, payment)
    books_on(paid, today)
    figures_on(paid, today)


def _taken_s(work: Callable[[], None]) -> float:
    """The slowest of some, in processor time: it must not depend on who else is at work."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return max(taken)


def _a_long_loan() -> Account:
    """Advances for two years, a rate each quarter, and payments every other day of which some prepay."""
    contract = Contract(
        currency="AUD",
        commitment_minor=1_000_000_000_00,
        committed_on=START,
        schedule=ScheduleTerms(kind="equal", start=START, every="1m", periods=180, day_count="ACT/365F", interest_only_periods=24),
        rate_pct="6.35",
        default_margin_pct="2",
        commitment_fee_pct="0.45",
        available_until=START + timedelta(days=730),
        establishment_fee_minor=500_000_00,
    )
    account = opened(contract)
    for number in range(FACTS):
        account = with_fact(account, _fact(number, START + timedelta(days=number * DAYS // FACTS)))
    return account


def _fact(number: int, on: date) -> DatedFact:
    if number % 20 == 0 and number < 360:
        return Advanced(id=f"adv_{number}", on=on, amount_minor=55_000_000_00)
    if number % 45 == 1:
        return RateFrom(id=f"rate_{number}", on=on, rate_pct=f"{6 + number % 3}.{number % 100:02}")
    return Paid(
        id=f"pay_{number}", on=on, amount_minor=590_000_00 + number % 7 * 20_000_00, prepays="instalment" if number % 50 == 2 else "nothing"
    )
