"""Reach: what came late into the log, and whether its service had said that the log does not take what it records.

An event is late where a checkpoint was witnessed more than a minute after it was recorded, and does not cover it. Somebody may have made
its time up. It is listed where an incident speaks for it, and fails where none does. An incident is what a service said of it, by an event
that is not late itself. It speaks for the events that it names, as long as the witnesses, when it was said, had seen nothing of the service
that was recorded two minutes after them: so nobody dates an event back to before what others have seen of its service, and nobody does so
unseen. What a build recorded before any said so is listed.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from shared.journal.places import FIRST, Place
from shared.terms.reach import LogReachReported

CLOCKS_DIFFER_S = 60


class Dated(msgspec.Struct, frozen=True):
    """Where an event is in its service's journal, and when it says that it was recorded."""

    shard: int
    position: int
    recorded_at: str
    history: int = FIRST

    def place(self, service: str) -> str:
        return str(Place(service, self.shard, self.position, self.history))


class _Late(msgspec.Struct, frozen=True):
    place: str
    service: str
    shard: str
    position: int
    recorded_at: str
    said: float  # the same, in seconds
    before: int  # when it was not in the log yet
    after: int  # when it was


class _Said(msgspec.Struct, frozen=True):
    place: str
    recorded_at: str
    event: LogReachReported


class _Seen(msgspec.Struct):
    """Of one service. `latest`: what was recorded last of what the witnesses had seen at each of `times`."""

    said: list[_Said] = []
    times: list[int] = []
    latest: list[float] = []


class Reach:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._late: list[tuple[_Late, bool]] = []  # and whether its service had begun to say so
        self._late_places: set[str] = set()
        self._witnessed: set[str] = set()  # of what services said
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)
        self._last: tuple[str, int] = ("", 0)  # the place that was taken last

    def take(self, service: str, record: Recorded | Dated, said: float, before: int | None, after: int) -> bool:
        """An event that the checkpoint witnessed at `after` is the first to cover, in the log's order; `before`: the one before it. Gives
        whether it is late."""
        seen = self._seen[service]
        latest = max(said, seen.latest[-1]) if seen.latest else said
        if seen.times and seen.times[-1] == after:
            seen.latest[-1] = latest
        else:
            seen.times.append(after)
            seen.latest.append(latest)
        place = record.place(service)
        self._last = place, after
        if came_late := before is not None and said < before - CLOCKS_DIFFER_S:
            late = _Late(place, service, str(record.shard), record.position, record.recorded_at, said, before, after)
            self._late.append((late, bool(seen.said)))
            self._late_places.add(place)
        return came_late

    def see(self, service: str, place: str, record: Recorded | Dated, event: Any) -> None:
        """After `take` of the same event, if there was one."""
        if isinstance(event, LogReachReported):
            self._seen[service].said.append(_Said(place, record.recorded_at, event))
            if self._last[0] == place:
                self._witnessed.add(place)

    def finish(self, last: int, signed_at: str | None) -> None:
        """All is seen that there is. `last`: when the witnesses saw the log last; `signed_at`: when its last checkpoint was recorded."""
        if signed_at is not None:
            self._list_open(datetime.fromtimestamp(last, UTC) if last else datetime.fromisoformat(signed_at))
        for late, in_force in self._late:
            what = f"recorded {late.recorded_at}, and not in the log at {late.before} s: it came late"
            if (incident := self._incident_of(late)) is not None:
                since = incident.event.since.isoformat() if incident.event.since else "?"
                self._findings.list_it(Check.WITNESSED_TIMES, late.place, f"{what}, as {incident.place} says: nothing came since {since}")
            elif last - late.after <= CLOCKS_DIFFER_S:
                self._findings.list_it(Check.WITNESSED_TIMES, late.place, f"{what}, just now: what its service says of it may be to come")
            else:
                self._findings.under_rule(Check.WITNESSED_TIMES, in_force, late.place, f"{what}, and its service does not say why")

    def _list_open(self, now: datetime) -> None:
        """Incidents that nobody has ended: as long as they last, they speak for what comes late."""
        for service, seen in self._seen.items():
            if seen.said and not (said := seen.said[-1]).event.reached:
                since = said.event.since or datetime.fromisoformat(said.recorded_at)
                age_s = int((now - since).total_seconds())
                what = f"the log does not take all of {service} since {since.isoformat()}, as it says"
                self._findings.list_it(Check.WITNESSED_TIMES, said.place, f"{what}, and nobody has ended that {age_s} s later")

    def speaks_for(self, service: str, shard: int, run: tuple[int, int], said: float) -> int:
        """For how many events, of these positions of a shard, the incidents of its service speak. `said`: when the first was recorded."""
        (first, last), events = run, 0
        for _, after, until in self._that_speak(service, str(shard), last, said):
            begins, ends = max(first, after + 1), min(last, until)
            if begins <= ends:
                events, first = events + ends - begins + 1, ends + 1
        return events

    def _incident_of(self, late: _Late) -> _Said | None:
        of_it = self._that_speak(late.service, late.shard, late.position, late.said)
        return next((incident for incident, after, until in of_it if after < late.position <= until), None)

    def _that_speak(self, service: str, shard: str, position: int, said: float) -> Iterator[tuple[_Said, int, int]]:
        """Incidents that may speak for what was recorded then, and of this shard after which position and until which: without an end, so
        far as this one."""
        seen = self._seen[service]
        for incident, until in _incidents(seen.said):
            if incident.place in self._late_places or incident.place not in self._witnessed:
                continue
            by_then = bisect_right(seen.times, datetime.fromisoformat(incident.recorded_at).timestamp() - CLOCKS_DIFFER_S)
            if not by_then or seen.latest[by_then - 1] <= said + 2 * CLOCKS_DIFFER_S:
                yield incident, incident.event.after.get(shard, position), until.get(shard, position)


def _incidents(said: list[_Said]) -> Iterator[tuple[_Said, dict[str, int]]]:
    """What was said while it lasted, and afterwards, with how far it speaks."""
    for each, after in zip_longest(said, said[1:]):
        if not each.event.reached:
            yield each, {} if after is None else after.event.until
        elif each.event.since is not None:
            yield each, each.event.until
