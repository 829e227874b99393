"""The clock of a what-if: a file that every service adds to the time, so that months can pass in a moment."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path


class WhatIfClock:
    """It only moves forward. `RESERVE_CLOCK_FILE` names its file; None: nobody reads it, as where the days are today's."""

    def __init__(self, file: Path | None, begins: datetime) -> None:
        self.file = file
        self._zone = begins.tzinfo
        self._shift = begins - datetime.now(UTC)
        self._write()

    @property
    def now(self) -> datetime:
        return (datetime.now(UTC) + self._shift).astimezone(self._zone)

    def move_to(self, day: date) -> None:
        """To the same time of that day."""
        days = (day - self.now.date()).days
        assert days >= 0, "time goes forward"
        self._shift += timedelta(days=days)
        self._write()

    def _write(self) -> None:
        """As one step: services read the file at any moment."""
        if self.file is None:
            return
        written = self.file.with_suffix(".new")
        written.write_text(f"{self._shift.total_seconds():.3f}")
        written.replace(self.file)
