"""Protecting: who stops something does so alone and at once, for a while. A second person makes it stand, and nobody renews their own."""

from datetime import datetime, timedelta

LAPSES_AFTER = timedelta(hours=72)
RENEWED_AFTER_DAYS = 7  # by the same person, once theirs has ended without another's word


def lapses_at(at: datetime) -> datetime:
    """When what was stopped at that instant goes on, unless a second person confirms it."""
    return at.replace(microsecond=0) + LAPSES_AFTER
