"""Protecting: who stops something does so alone and at once, for a while. A second person makes it stand, and nobody renews their own."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

LAPSES_AFTER = timedelta(hours=72)
RENEWED_AFTER_DAYS = 7  # by the same person, once theirs has ended without another's word


class Word(msgspec.Struct, frozen=True):
    """One person's, by which something is stopped, until another confirms it: kept after its end, since nobody renews theirs."""

    by: str
    lapses_at: datetime


def to_confirm(word: Word | None) -> str | None:
    """What would do, where somebody begins what stands by one person's word already; None: nothing would."""
    return None if word is None else f"to confirm it, until {word.lapses_at:%Y-%m-%d %H:%M} UTC"


def lapses_at(at: datetime) -> datetime:
    """When what was stopped at that instant goes on, unless a second person confirms it."""
    return at.replace(microsecond=0) + LAPSES_AFTER


def again_from(lapsed_at: datetime) -> datetime:
    """When whoever's word lapsed at that instant may stop something again."""
    return lapsed_at + timedelta(days=RENEWED_AFTER_DAYS)


def unconfirmed(lapsed_at: datetime) -> str:
    """Why the same person may not: what a refusal says in detail."""
    return f"theirs was to lapse at {lapsed_at:%Y-%m-%d %H:%M} UTC, and nobody had confirmed it"


class ByOne(msgspec.Struct, frozen=True, kw_only=True):
    """Who stops something, and when. `accounts`: all of theirs, `by` among them."""

    by: str
    accounts: frozenset[str]
    at: datetime

    @property
    def lapses_at(self) -> datetime:
        return lapses_at(self.at)


def alone(by: str | None, lapses_at: datetime | None) -> Word | None:
    """Of what an event says. None: it stands by itself."""
    return None if by is None or lapses_at is None else Word(by, lapses_at)


def renewed(last: Word | None, accounts: Collection[str], at: datetime) -> tuple[str, str] | None:
    """Why, and what would do, where the last was theirs, and ended without another person's word."""
    if last is None or last.by not in accounts or at >= again_from(last.lapses_at):
        return None
    return unconfirmed(last.lapses_at), f"another person, or the same {RENEWED_AFTER_DAYS} days after that"
