"""Reference rates: that a loan's rate, where nobody has reset it, is what was published, from the day on that its terms say; that each loan
that follows has taken each publication that it bears; and that who signs a publication has cited all that is lent to them.

Rates and loans have shards of their own, so all is compared once all is seen.
"""

from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Iterator, Set
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec

from reserve.audit.approvers import instant
from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events import loan
from services.loans.events.authority import AuthorityCited
from services.loans.events.rates import (
    Lent,
    Publication,
    ReferenceRateFollowed,
    ReferenceRateLeft,
    ReferenceRatePublished,
    ReferenceRateRegistered,
)
from services.loans.events.terms import RateFollowed, Restructure, ScheduleTerms
from shared.terms.business_days import business_days_later, is_business_day

TOLD_WITHIN = timedelta(days=1)  # of what is published, by the clock: a line may have stopped
_ONE_DAY = timedelta(days=1)
_WEEKS = {"1w": 1, "2w": 2}
_MONTHS = {"1m": 1, "2m": 2, "3m": 3, "4m": 4, "6m": 6, "1y": 12}


class _Follower(msgspec.Struct):
    terms: RateFollowed
    schedules: list[ScheduleTerms]  # the first that was agreed, and those after it
    committed_on: date | None = None
    agreed_from: date = date.max  # from then on it bears a rate that was agreed
    closed_at: datetime | None = None


class _Told(msgspec.Struct, frozen=True):
    """A publication that a loan is to take."""

    loan: str
    publication: Publication
    place: str
    at: datetime


class _Reset(msgspec.Struct, frozen=True):
    event: loan.RateReset
    place: str
    publication: Publication


class ReferenceRates:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._calendars: dict[str, str] = {}  # by rate
        self._published: defaultdict[str, dict[date, str]] = defaultdict(dict)  # rate -> what stands
        self._ever: set[tuple[str, date, str]] = set()
        self._following: defaultdict[str, dict[str, Lent | None]] = defaultdict(dict)  # rate -> loan -> what is lent
        self._followers: dict[str, _Follower] = {}
        self._told: list[_Told] = []
        self._resets: list[_Reset] = []
        self._last = datetime.min.replace(tzinfo=UTC)

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, instant(record))
        match event:
            case ReferenceRateRegistered():
                self._calendars[event.rate] = event.calendar
            case ReferenceRatePublished():
                self._publish(place, record, event)
            case ReferenceRateFollowed():
                self._following[event.rate][event.loan] = event.lent or None
                self._tell(event.loan, event.rate, self._published[event.rate].items(), place, record)
            case ReferenceRateLeft():
                self._following[event.rate].pop(event.loan, None)
            case AuthorityCited() if record.stream.startswith("reference/"):
                self._cite(place, record.stream.partition("/")[2], event)
            case _:
                self._see_loan(place, record, event)

    def finish(self) -> None:
        """All is seen that there is."""
        taken = {(each.event.loan, each.publication.day, each.publication.pct, each.event.from_on) for each in self._resets}
        for reset in self._resets:
            fault = self._fault_of(reset)
            self._findings.look(Check.CONTROL, fault is None, reset.place, fault or "")
        for told in self._told:
            self._look_whether_taken(told, taken)

    def _publish(self, place: str, record: Recorded, event: ReferenceRatePublished) -> None:
        published = event.publication
        self._published[event.rate][published.day] = published.pct
        self._ever.add((event.rate, published.day, published.pct))
        following = self._following[event.rate]
        all_told = list(event.followers) == sorted(following)
        self._findings.look(Check.CONTROL, all_told, place, f"{', '.join(sorted(following))} follow {event.rate}, and others are told")
        for each in following:
            self._tell(each, event.rate, [(published.day, published.pct)], place, record)

    def _tell(self, loan: str, rate: str, published: Any, place: str, record: Recorded) -> None:
        self._told += [_Told(loan, Publication(day=day, pct=pct), place, instant(record)) for day, pct in published]

    def _cite(self, place: str, rate: str, event: AuthorityCited) -> None:
        """What is lent to all that follow, if it is known, in the currency of most of it."""
        lent = list(self._following[rate].values())
        if not lent or None in lent:
            return
        sums = Counter[str]()
        for each in lent:
            assert each is not None
            sums[each.currency] += each.commitment_minor
        fine = event.cited.amount_minor == max(sums.values()) == sums[event.cited.currency or ""]
        self._findings.look(Check.AUTHORITY, fine, place, f"{max(sums.values())} are lent to those that follow {rate}")

    def _see_loan(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case loan.LoanProposed(terms=terms) | loan.LoanImported(terms=terms) if terms.reference_rate is not None:
                self._followers[event.loan] = _Follower(terms.reference_rate, [terms.schedule])
            case loan.LoanCommitted() if (follower := self._followers.get(event.loan)) is not None:
                follower.committed_on = event.on
            case loan.ActApproved(content=Restructure() as content) if (follower := self._followers.get(event.loan)) is not None:
                follower.schedules.append(content.schedule)
                if content.rate_pct is not None:
                    follower.agreed_from = min(follower.agreed_from, content.schedule.start)
            case loan.LoanClosed() if (follower := self._followers.get(event.loan)) is not None:
                follower.closed_at = instant(record)
            case loan.RateReset(published=Publication() as publication):
                self._resets.append(_Reset(event, place, publication))
            case loan.RateReset():
                self._findings.look(Check.CONTROL, not of_service(record), place, "nobody has reset the rate")

    def _fault_of(self, reset: _Reset) -> str | None:
        event, publication = reset.event, reset.publication
        follower = self._followers.get(event.loan)
        if follower is None or (follower.terms.rate, publication.day, publication.pct) not in self._ever:
            return "that was not published"
        floor = follower.terms.floor_pct
        if event.base_pct != (publication.pct if floor is None else max(publication.pct, floor, key=Fraction)):
            return f"it bears {event.base_pct}, and {publication.pct} was published"
        if event.from_on not in (days := {start for start, _ in self._borne(follower, publication.day)}):
            return f"it bears from {event.from_on} on what its terms have it bear from {', '.join(map(str, sorted(days))) or 'no day'} on"
        return None

    def _look_whether_taken(self, told: _Told, taken: Set[tuple[str, date, str, date]]) -> None:
        """Which periods a loan has that was given another schedule depends on when it took what: of those it is not asked."""
        follower = self._followers.get(told.loan)
        if follower is None or (len(follower.schedules) > 1 and not follower.terms.compounded):
            return
        day, pct = told.publication.day, told.publication.pct
        borne = [start for start, _ in self._borne(follower, day) if start < follower.agreed_from]
        missing = [start for start in borne if (told.loan, day, pct, start) not in taken]
        closed = follower.closed_at is not None and follower.closed_at <= told.at + TOLD_WITHIN
        if not missing or closed:
            self._findings.look(Check.CONTROL, True, told.place, "")
            return
        what = f"{told.loan} has not taken what was published for {day}"
        if self._last - told.at < TOLD_WITHIN:
            self._findings.list_it(Check.CONTROL, told.place, f"{what} yet")
        else:
            self._findings.look(Check.CONTROL, False, told.place, what)

    def _borne(self, follower: _Follower, day: date) -> Iterator[tuple[date, date]]:
        """From which day on, and until which, a loan bears what was published for a day."""
        terms, committed_on = follower.terms, follower.committed_on
        calendar = self._calendars.get(terms.rate)
        if committed_on is None or calendar is None:
            return
        if terms.compounded:
            while not is_business_day(day, calendar):
                day += _ONE_DAY
            start = business_days_later(day, terms.lookback_days, calendar)
            spans = [(start, business_days_later(start, 1, calendar))]
        else:
            periods = [span for schedule in follower.schedules for span in pairwise(_bounds(schedule))]
            spans = [span for span in periods if day <= span[0] and _looked_back(span[0], terms.lookback_days, calendar) == day]
        for start, end in spans:
            if end > committed_on:
                yield max(start, committed_on), end


def _looked_back(day: date, count: int, calendar: str) -> date:
    """So many business days before; of none, the day itself or the last business day before it."""
    while not is_business_day(day, calendar):
        day -= _ONE_DAY
    for _ in range(count):
        day -= _ONE_DAY
        while not is_business_day(day, calendar):
            day -= _ONE_DAY
    return day


def _bounds(schedule: ScheduleTerms) -> list[date]:
    """Where the periods of a schedule begin and end."""
    if schedule.adjust_accrual is True and schedule.due:
        return [schedule.start, *schedule.due]
    return [_later(schedule.start, schedule.every, number) for number in range(schedule.periods + 1)]


def _later(start: date, every: str, number: int) -> date:
    if weeks := _WEEKS.get(every):
        return start + timedelta(weeks=weeks * number)
    month = start.year * 12 + start.month - 1 + _MONTHS[every] * number
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))
