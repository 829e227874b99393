"""Gaps: how long no witness saw the log, and what says that it was recorded meanwhile: nobody but its service vouches for when.

A checkpoint is published within seconds of what it covers, and once a minute where nothing comes. So an event that says it is older than
that when it is first covered was recorded while nobody looked, or made up afterwards; that its service said it was cut off speaks for it.
A gap in which nothing says so is none.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.reach import CLOCKS_DIFFER_S, Dated, Reach
from reserve.audit.report import Check, Findings

PUBLISHED_WITHIN_S = 60
OLDEST_S = PUBLISHED_WITHIN_S + CLOCKS_DIFFER_S


class Between(msgspec.Struct, frozen=True):
    """Two checkpoints of the log of a history that were witnessed one after the other, at `before` (0: there is none) and `after`, in
    seconds; the second one is of so many leaves."""

    history: int
    size: int
    before: int
    after: int


class _Run(msgspec.Struct):
    """Events of a shard that say so, in one gap: `first` to `last`, since a shard's times never go back. `place`, `said`: the first's."""

    place: str
    said: float
    first: int
    last: int


class Gaps:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._gaps: dict[Between, dict[tuple[str, int], _Run]] = {}
        self._open: list[tuple[Between, int]] = []

    def take(self, between: Between, service: str, record: Recorded | Dated, said: float) -> None:
        """An event that the second checkpoint is the first to cover, which is older than it by more than `OLDEST_S`, and is not late."""
        runs = self._gaps.setdefault(between, {})
        run = runs.setdefault((service, record.shard), _Run(record.place(service), said, record.position, record.position))
        run.last = record.position

    def finish(self, reach: Reach) -> None:
        """All is seen that there is. The longest are listed first, so that no number of short ones hides one."""
        for between, runs in sorted(self._gaps.items(), key=lambda gap: gap[0].before - gap[0].after if gap[0].before else 0):
            events = [run.last - run.first + 1 for run in runs.values()]
            spoken = sum(reach.speaks_for(service, shard, (run.first, run.last), run.said) for (service, shard), run in runs.items())
            place = min(runs.values(), key=lambda run: run.said).place
            self._findings.list_it(Check.WITNESSED_TIMES, place, "".join(_told(between, sum(events), spoken)))
            if between.before:
                self._open.append((between, sum(events) - spoken))

    def unchecked(self, known: dict[int, int]) -> int:
        """How many events nothing speaks for. `known`: by history, up to how many leaves an audit has said so already."""
        return sum(events for between, events in self._open if between.size > known.get(between.history, 0))


def _told(between: Between, events: int, spoken: int) -> Iterator[str]:
    after = datetime.fromtimestamp(between.after, UTC).isoformat()
    if not between.before:
        yield f"{events} events, this the oldest, say that they were recorded before witnesses first saw the log, at {after}"
        yield ": when, is their services' word"
        return
    before = datetime.fromtimestamp(between.before, UTC).isoformat()
    yield f"no witness saw the log from {before} to {after}: when {events} events were recorded, this the first, is their services' word"
    if spoken:
        yield f"; of {spoken} their service says that it was cut off"
