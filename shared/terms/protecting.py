"""Protecting: who stops something does so alone and at once, for a while. A second person makes it stand, and nobody renews their own."""

from datetime import datetime, timedelta

import msgspec

LAPSES_AFTER = timedelta(hours=72)
RENEWED_AFTER_DAYS = 7  # by the same person, once theirs has ended without another's word


class Word(msgspec.Struct, frozen=True):
    """One person's, by which something is stopped, as long as nobody else has confirmed it."""

    by: str
    lapses_at: datetime


def lapses_at(at: datetime) -> datetime:
    """When what was stopped at that instant goes on, unless a second person confirms it."""
    return at.replace(microsecond=0) + LAPSES_AFTER


def again_from(lapsed_at: datetime) -> datetime:
    """When whoever's word lapsed at that instant may stop something again."""
    return lapsed_at + timedelta(days=RENEWED_AFTER_DAYS)


def unconfirmed(lapsed_at: datetime) -> str:
    """Why the same person may not: what a refusal says in detail."""
    return f"theirs was to lapse at {lapsed_at:%Y-%m-%d %H:%M} UTC, and nobody had confirmed it"
