"""`reserve loans schedule`: what a loan is to pay, and when, with no server."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any, TypeAliasType, get_args

import msgspec
from rich.console import Console
from rich.table import Table

from reserve.commands.failure import fail
from services.loans.domain.standing.calendars import Adjustment, Every
from services.loans.domain.standing.day_counts import DayCount
from services.loans.domain.standing.schedule import schedule
from services.loans.domain.standing.schedule_terms import Advance, Kind, Prepayment, RateChange, Reduces, ScheduleError, Step, Terms
from shared.terms.currencies import MINOR_DIGITS, decimal_text, minor_units

DEFAULT_ADJUSTMENT = "modified_following"  # what most loan agreements say
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,12})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SAME: Mapping[str, str] = {"ACT/ACT": "ACT/ACT ISDA"}  # 4.16(b) of the ISDA Definitions lets it be said so
_OPTIONS: Mapping[str, str] = {
    "principal_minor": "principal",
    "annual_rate_pct": "rate",
    "interest_only_periods": "interest-only",
    "capitalised_periods": "capitalise",
    "instalment_minor": "instalment",
    "balloon_minor": "balloon",
    "advances": "advance",
    "prepayments": "prepay",
    "rate_resets": "reset",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The command's options, as typed."""

    principal: str
    rate: str
    start: str
    periods: str
    every: str
    day_count: str
    kind: str
    interest_only: str
    capitalise: str
    instalment: str | None
    balloon: str | None
    step: str | None
    calendar: str
    adjust: str | None
    adjust_accrual: bool
    advance: tuple[str, ...]
    prepay: tuple[str, ...]
    reset: tuple[str, ...]
    currency: str


class ShownRow(msgspec.Struct, frozen=True):
    due: date
    principal: str
    interest: str
    balance: str


class Shown(msgspec.Struct, frozen=True):
    rows: list[ShownRow]


def work_out(asked: Asked) -> Shown:
    """Amounts are those of the currency, with its digits. Ends the command for terms that make no schedule."""
    if asked.currency not in MINOR_DIGITS:
        fail(f"currency: {asked.currency!r} is none (accepted: a code of ISO 4217, such as AUD)")
    try:
        rows = schedule(_terms(asked))
    except ScheduleError as error:
        fail(f"{_OPTIONS.get(error.field, error.field)}: {error.detail} (accepted: {error.accepted})")
    return Shown(
        [
            ShownRow(
                row.due, *(decimal_text(amount, asked.currency) for amount in (row.principal_minor, row.interest_minor, row.balance_minor))
            )
            for row in rows
        ]
    )


def show(asked: Asked, shown: Shown) -> None:
    table = Table(title=f"{asked.principal} {asked.currency} at {asked.rate} % a year, {asked.kind}, {asked.day_count}")
    for column in ("due", "principal", "interest", "balance"):
        table.add_column(column, justify="right")
    for row in shown.rows:
        table.add_row(row.due.isoformat(), row.principal, row.interest, row.balance)
    Console().print(table)


def _terms(asked: Asked) -> Terms:
    adjust = asked.adjust or ("none" if asked.calendar == "none" else DEFAULT_ADJUSTMENT)
    day_count = asked.day_count.upper()
    return Terms(
        principal_minor=_amount("principal", asked.principal, asked.currency),
        annual_rate_pct=_number("rate", asked.rate),
        start=_day("start", asked.start),
        periods=_count("periods", asked.periods),
        every=_one_of("every", asked.every, Every),
        day_count=_one_of("day-count", _SAME.get(day_count, day_count), DayCount),
        kind=_one_of("kind", asked.kind, Kind),
        capitalised_periods=_count("capitalise", asked.capitalise),
        interest_only_periods=_count("interest-only", asked.interest_only),
        instalment_minor=None if asked.instalment is None else _amount("instalment", asked.instalment, asked.currency),
        balloon_minor=None if asked.balloon is None else _amount("balloon", asked.balloon, asked.currency),
        step=None if asked.step is None else _step(asked.step),
        calendar=asked.calendar,
        adjustment=_one_of("adjust", adjust, Adjustment),
        adjust_accrual=asked.adjust_accrual,
        advances=tuple(
            Advance(day, _amount("advance", amount, asked.currency))
            for day, amount in _dated("advance", asked.advance, "2024-03-01=500.00")
        ),
        prepayments=tuple(
            _prepayment(day, text, asked.currency)
            for day, text in _dated("prepay", asked.prepay, "2024-03-01=500.00 or 2024-03-01=500.00:term")
        ),
        rate_resets=tuple(RateChange(day, _number("reset", rate)) for day, rate in _dated("reset", asked.reset, "2024-03-01=5.25")),
    )


def _prepayment(day: date, text: str, currency: str) -> Prepayment:
    amount, _, reduces = text.partition(":")
    return Prepayment(day, _amount("prepay", amount, currency), _one_of("prepay", reduces or "instalment", Reduces))


def _step(text: str) -> Step:
    periods, _, factor = text.partition(":")
    return Step(_count("step", periods), _number("step", factor))


def _dated(field: str, texts: Iterable[str], example: str) -> Iterable[tuple[date, str]]:
    for text in texts:
        day, equals, rest = text.partition("=")
        if not equals:
            fail(f"{field}: {text!r} has no day (accepted: such as {example})")
        yield _day(field, day), rest


def _amount(field: str, text: str, currency: str) -> int:
    try:
        return minor_units(text, currency)
    except ValueError as error:
        fail(f"{field}: {error} (accepted: such as {decimal_text(1_000_000, currency)})")


def _number(field: str, text: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        fail(f"{field}: {text!r} is no number (accepted: such as 12 or 5.25)")
    return Fraction(text)


def _count(field: str, text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 9:
        fail(f"{field}: {text!r} is no whole number (accepted: digits only)")
    return int(text)


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        fail(f"{field}: {text!r} is no day (accepted: such as 2024-01-31)")


def _one_of(field: str, text: str, words: TypeAliasType) -> Any:  # one of the Literal's words
    accepted = get_args(words.__value__)
    if text not in accepted:
        fail(f"{field}: {text!r} is none of them (accepted: {', '.join(accepted)})")
    return text
