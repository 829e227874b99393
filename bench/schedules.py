"""Loans' schedules of thirty years by the month, on one core: every kind and day count, and no two from the same day."""

import time
from collections.abc import AsyncGenerator
from datetime import date, timedelta
from fractions import Fraction
from itertools import cycle, islice, product
from typing import get_args

from bench.figures import Figure, Options, figure
from services.loans.domain.standing.day_counts import DayCount
from services.loans.domain.standing.instalments import half_even
from services.loans.domain.standing.schedule import schedule
from services.loans.domain.standing.schedule_terms import Kind, Step, Terms

SCHEDULES, PERIODS = 2_000, 360
FIRST = date(2020, 1, 1)


async def schedules(_options: Options) -> AsyncGenerator[Figure]:
    """In processor time, as it is a figure of one core. Beside it, what it takes to round the interest of as many periods."""
    combinations = cycle(product(get_args(Kind.__value__), get_args(DayCount.__value__)))
    asked = [_terms(number, kind, count) for number, (kind, count) in enumerate(islice(combinations, SCHEDULES))]
    began = time.process_time()
    for terms in asked:
        schedule(terms)
    worked_out = SCHEDULES / (time.process_time() - began)
    began = time.process_time()
    for accrued in range(SCHEDULES * PERIODS):
        half_even(accrued * 12_345, 36_000)
    rounded = SCHEDULES / (time.process_time() - began)
    yield figure("schedules_of_360_periods", worked_out, "schedules/s", at_least=1_000, baseline=rounded)


def _terms(number: int, kind: Kind, day_count: DayCount) -> Terms:
    return Terms(
        principal_minor=100_000_000_00 + number,
        annual_rate_pct=Fraction(300 + number % 500, 100),
        start=FIRST + timedelta(days=number),
        periods=PERIODS,
        every="1m",
        day_count=day_count,
        kind=kind,
        balloon_minor=20_000_000_00 if kind == "balloon" else None,
        step=Step(12, Fraction("1.02")) if kind == "step" else None,
    )
