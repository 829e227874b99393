"""Parked: what services have put aside of each other's messages: what these say is not done meanwhile.

Who parks does so for 72 hours. Another person confirms it, or the service tries again in time. Each parking is listed, with how long it
took; so is what is still parked in the end. Nobody renews their own by the next message of the same stream: in force in each service from
the first parking that says since when they do, and listed before.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from shared.terms.apart import Apart
from shared.terms.parking import MessageParked, MessagesUnparked, ParkingConfirmed, ParkingLapsed, key_of
from shared.terms.protecting import again_from

_LATE = timedelta(hours=1)  # a timer may fire late


class _Parked(msgspec.Struct):
    place: str
    event: MessageParked
    at: datetime
    settled: str | None = None  # who has confirmed it, or that it lapsed
    lapsed: bool = False


class ParkedMessages:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._parked: dict[tuple[str, str], _Parked] = {}  # (service, line/stream) ->
        self._words: dict[tuple[str, str], list[_Parked]] = {}  # likewise: what nobody has confirmed, also after it lapsed
        self._renewals_count: set[str] = set()  # services in which the rule is in force
        self._last = ""  # when the last event was recorded

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        if not isinstance(event, MessageParked | ParkingConfirmed | ParkingLapsed | MessagesUnparked):
            return
        at = instant(record)
        parked = self._parked.pop((service, key_of(event)), None)
        if parked is not None:
            self._look_at_time(parked, at)
        if isinstance(event, MessageParked):
            parked = _Parked(place, event, at)
            self._look_at_renewal(service, parked)
        elif parked is None:
            taken = isinstance(event, MessagesUnparked)  # an earlier build may have parked them, which said nothing
            self._findings.look(Check.CONTROL, taken, place, f"nothing of {event.stream} is parked on {event.line}")
            return
        match event:
            case MessagesUnparked():
                if not parked.lapsed:
                    self._words.pop((service, key_of(event)), None)
                self._list(parked, f"taken after {_hours(at - parked.at)} h, asked for by {event.by}")
                return
            case ParkingConfirmed():
                self._approvers.apart(Check.CONTROL, Apart.CONFIRMS_PARKING, place, event.by, (parked.event.by,), at)
                parked.settled = f"confirmed by {event.by}"
                self._words.pop((service, key_of(event)), None)
            case ParkingLapsed():
                parked.settled, parked.lapsed = "confirmed by nobody, so it is tried again", True
        self._parked[service, key_of(event)] = parked

    def finish(self) -> None:
        """All is seen that there is."""
        for parked in self._parked.values():
            last = datetime.fromisoformat(self._last)
            self._look_at_time(parked, last)
            self._list(parked, f"not taken for {_hours(last - parked.at)} h, {parked.settled or 'confirmed by nobody yet'}")

    def _look_at_time(self, parked: _Parked, at: datetime) -> None:
        """At this instant, something else is said of it, or nothing is to come."""
        alone = parked.settled is None and at > parked.event.lapses_at + _LATE
        what = f"{parked.event.place} is parked by one person for longer than to {parked.event.lapses_at}"
        self._findings.look(Check.CONTROL, not alone, parked.place, what)

    def _look_at_renewal(self, service: str, parked: _Parked) -> None:
        """It lapses with the first of the same person's, and once that has lapsed there is none."""
        if parked.event.alone_since is not None:
            self._renewals_count.add(service)
        words = self._words.setdefault((service, key_of(parked.event)), [])
        for word in [each for each in words if parked.at < again_from(each.event.lapses_at)]:
            same = self._approvers.same(parked.event.by, (word.event.by,), parked.at)
            if same and parked.event.lapses_at > word.event.lapses_at:
                what = f"{parked.event.by} parked {word.event.place}, and then {parked.event.place}: {Apart.RENEWS}"
                self._findings.under_rule(Check.CONTROL, service in self._renewals_count, parked.place, what)
            else:
                self._findings.look(Check.CONTROL, True, parked.place, "")
        words.append(parked)

    def _list(self, parked: _Parked, how: str) -> None:
        event = parked.event
        self._findings.list_it(Check.CONTROL, parked.place, f"{event.by} parked {event.place} ({event.event}) of {event.stream}: {how}")


def _hours(time: timedelta) -> int:
    return time // timedelta(hours=1)
