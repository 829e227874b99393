"""RateFollowed rate: a rate that somebody else publishes. One stream a rate: what was published, and which loans bear it."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import assert_never

import immutables
import msgspec

from services.loans.domain.standing.calendars import adjusted
from services.loans.events.authority import AuthorityCited
from services.loans.events.books import LoanId
from services.loans.events.rates import (
    Lent,
    Publication,
    RateCode,
    RateEvent,
    ReferenceRateFollowed,
    ReferenceRateLeft,
    ReferenceRatePublished,
    ReferenceRateRegistered,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.business_days import CalendarError, is_business_day
from shared.terms.countersigning import ProposedCommand

LOWEST_PCT, HIGHEST_PCT = -10, 100  # a year: beyond them is a slip of the pen
FURTHEST_PCT = 1  # from the publication before, in percentage points: one that did move further is entered in steps
TOLD = timedelta(days=400)  # how far back a loan is told: the longest period, and a look-back from its start


class RegisterReferenceRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    rate: RateCode
    name: str
    administrator: str
    calendar: str


class PublishReferenceRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """For a day that has one, it corrects that. `on`: today."""

    day: date
    pct: str
    source: TypedText
    on: date


class FollowReferenceRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A loan is committed whose terms name the rate. Never `Refused`: nobody waits for an answer."""

    rate: RateCode
    loan: LoanId
    lent: Lent
    since: date


class LeaveReferenceRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Never `Refused`."""

    rate: RateCode
    loan: LoanId


type Command = RegisterReferenceRate | PublishReferenceRate | FollowReferenceRate | LeaveReferenceRate


class Reason(Reasons):
    """Why a reference rate stays as it is."""

    ALREADY_REGISTERED = "reference_rate_already_registered", 409, "The reference rate is registered already"
    NOT_FOUND = "reference_rate_not_found", 404, "There is no such reference rate"
    CALENDAR_INVALID = "reference_rate_calendar_invalid", 422, "There is no such calendar"
    RATE_INVALID = "reference_rate_invalid", 422, "Invalid published rate"
    IMPLAUSIBLE = "reference_rate_implausible", 422, "The rate is too far from the one before"
    NO_BUSINESS_DAY = "reference_rate_no_business_day", 422, "The day is not a business day"
    ALREADY_PUBLISHED = "reference_rate_already_published", 409, "The rate is already entered for that day"
    DATE_IN_FUTURE = "date_in_future", 422, "The date is in the future"


class ReferenceRate(msgspec.Struct, frozen=True):
    id: RateCode | None = None  # None: not registered
    calendar: str = "none"
    published: immutables.Map[date, str] = immutables.Map()
    followers: immutables.Map[LoanId, Lent | None] = immutables.Map()  # None: an earlier build did not say what is lent
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def decide(command: Command, rate: ReferenceRate) -> Sequence[RateEvent] | Refused[Reason]:
    match command:
        case RegisterReferenceRate():
            return _register(command, rate)
        case PublishReferenceRate():
            return _fault_of_publication(command, rate) or _publish(command, rate)
        case FollowReferenceRate():
            if command.loan in rate.followers:
                return []
            told = tuple(Publication(day=day, pct=rate.published[day]) for day in sorted(rate.published) if day >= command.since - TOLD)
            return [
                ReferenceRateFollowed(rate=command.rate, loan=command.loan, calendar=rate.calendar, publications=told, lent=command.lent)
            ]
        case LeaveReferenceRate():
            return [ReferenceRateLeft(rate=command.rate, loan=command.loan)] if command.loan in rate.followers else []
        case _:
            assert_never(command)


def _register(command: RegisterReferenceRate, rate: ReferenceRate) -> Sequence[RateEvent] | Refused[Reason]:
    if rate.id is not None:
        return Refused(Reason.ALREADY_REGISTERED, f"{rate.id} is registered already", "/rate")
    try:
        is_business_day(date(2026, 1, 6), command.calendar)
    except CalendarError as error:
        return Refused(Reason.CALENDAR_INVALID, str(error), "/calendar", "such as AU-NSW, or weekends")
    registered = ReferenceRateRegistered(
        rate=command.rate, name=command.name, administrator=command.administrator, calendar=command.calendar
    )
    return [registered]


def _fault_of_publication(command: PublishReferenceRate, rate: ReferenceRate) -> Refused[Reason] | None:
    if rate.id is None:
        return Refused(Reason.NOT_FOUND, "there is no such reference rate", "path:rate")
    if command.day > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.day} has not come yet", "/day", f"{command.on} or earlier")
    try:
        open_then = is_business_day(command.day, rate.calendar)
    except CalendarError as error:
        return Refused(Reason.NO_BUSINESS_DAY, str(error), "/day", "a day that the rate's calendar knows")
    if not open_then:
        accepted = f"such as {adjusted(command.day, 'preceding', rate.calendar)}"
        return Refused(Reason.NO_BUSINESS_DAY, f"{command.day} is no business day of {rate.calendar}", "/day", accepted)
    pct = Fraction(command.pct)
    if not LOWEST_PCT <= pct <= HIGHEST_PCT:
        return Refused(Reason.RATE_INVALID, "no rate that is published", "/pct", f"{LOWEST_PCT} to {HIGHEST_PCT} per cent a year")
    was = rate.published.get(command.day)
    if was is not None and Fraction(was) == pct:
        return Refused(Reason.ALREADY_PUBLISHED, f"{was} is entered for {command.day} already", "/pct", "another rate, which corrects it")
    for near in _neighbours(command.day, rate):
        known = Fraction(rate.published[near])
        if abs(pct - known) > FURTHEST_PCT:
            accepted = f"{float(known - FURTHEST_PCT):g} to {float(known + FURTHEST_PCT):g}"
            return Refused(Reason.IMPLAUSIBLE, f"it was {rate.published[near]} on {near}", "/pct", accepted)
    return None


def _neighbours(day: date, rate: ReferenceRate) -> Iterator[date]:
    """The days of the publications right before and after a day."""
    if earlier := [each for each in rate.published if each < day]:
        yield max(earlier)
    if later := [each for each in rate.published if each > day]:
        yield min(later)


def _publish(command: PublishReferenceRate, rate: ReferenceRate) -> Sequence[RateEvent]:
    assert rate.id is not None
    published = ReferenceRatePublished(
        rate=rate.id,
        publication=Publication(day=command.day, pct=command.pct),
        source=command.source,
        corrects=rate.published.get(command.day),
        calendar=rate.calendar,
        followers=tuple(sorted(rate.followers)),
    )
    return [published]


def evolve(rate: ReferenceRate, event: RateEvent | AuthorityCited) -> ReferenceRate:
    match event:
        case ReferenceRateRegistered():
            return msgspec.structs.replace(rate, id=event.rate, calendar=event.calendar)
        case ReferenceRatePublished():
            told = event.publication
            return msgspec.structs.replace(rate, published=rate.published.set(told.day, told.pct))
        case ReferenceRateFollowed():
            return msgspec.structs.replace(rate, followers=rate.followers.set(event.loan, event.lent or None))
        case ReferenceRateLeft():
            return msgspec.structs.replace(rate, followers=rate.followers.delete(event.loan))
        case AuthorityCited():
            return rate
        case _:
            assert_never(event)


DECIDER = Decider(kind="reference", initial=ReferenceRate(), commands=Command, decide=decide, evolve=evolve)
