"""Clock: the only place that reads the time."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The reserve's day that `instant` falls in."""
    return instant.astimezone(zone).date()


def written(instant: datetime) -> str:
    """As journals and messages write it: UTC, microseconds, `2026-01-06T00:00:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
