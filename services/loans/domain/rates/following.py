"""Following: for which days a loan bears what was published for a day.

- By period: what was published `lookback_days` business days before a period's start counts for the whole period, as term rates are set
  in advance.
- `compounded`: what was published for a business day counts for the business day `lookback_days` later, and until the next: interest in
  arrears on an overnight rate, with a look-back and no observation shift (2021 ISDA Definitions, section 7.7). Only the rate that is
  published compounds; the margin does not.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from fractions import Fraction

from services.loans.domain.standing.calendars import adjusted
from services.loans.domain.standing.dated_facts import Rescheduled
from services.loans.domain.standing.periods import PeriodGrid, grid
from services.loans.domain.standing.standing import Account
from services.loans.events.rates import Publication
from services.loans.events.terms import RateFollowed
from shared.terms.business_days import business_days_later

_ONE_DAY = timedelta(days=1)
_FAR = timedelta(days=60)  # within which a few business days surely lie


def business_days_after(day: date, count: int, calendar: str) -> date:
    """So many business days after a business day; none: the day itself, or the first business day after it."""
    return business_days_later(adjusted(day, "following", calendar), count, calendar)


def business_days_before(day: date, count: int, calendar: str) -> date:
    """So many business days before; none: the day itself, or the last business day before it."""
    day = adjusted(day, "preceding", calendar)
    for _ in range(count):
        day = adjusted(day - _ONE_DAY, "preceding", calendar)
    return day


def base_pct(reference: RateFollowed, publication: Publication) -> str:
    """What a loan bears of it: never less than the floor."""
    return publication.pct if reference.floor_pct is None else max(publication.pct, reference.floor_pct, key=Fraction)


def borne_from(account: Account, reference: RateFollowed, calendar: str, told: Iterable[Publication]) -> Iterator[tuple[date, Publication]]:
    """From which day the loan bears each of them; those that it bears on no day are left out."""
    schedule = account.after[-1].schedule if account.after else account.contract.schedule
    agreed = (fact.on for fact in account.facts if isinstance(fact, Rescheduled) and fact.rate_pct is not None)
    first, last = account.contract.committed_on, min(agreed, default=date.max)
    for publication in told:
        for start, end in _spans(reference, calendar, publication.day, grid(schedule)):
            if end > first and start < last:
                yield max(start, first), publication


def _spans(reference: RateFollowed, calendar: str, day: date, periods: PeriodGrid) -> Iterator[tuple[date, date]]:
    if reference.compounded:
        start = business_days_after(day, reference.lookback_days, calendar)
        yield start, business_days_after(start, 1, calendar)
        return
    for start, end in zip(periods.bounds, periods.bounds[1:], strict=False):
        if day <= start <= day + _FAR and business_days_before(start, reference.lookback_days, calendar) == day:
            yield start, end
