"""Clock: the only place that reads the time."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class ShiftedClock:
    """The system's time and as many seconds as `file` says, which may change at any time: for what-ifs and tests, never in production."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text()))


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The reserve's day that `instant` falls in."""
    return instant.astimezone(zone).date()


def written(instant: datetime) -> str:
    """As journals and messages write it: UTC, microseconds, `2026-01-06T00:00:00.000000Z`."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
