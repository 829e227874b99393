"""Protecting: who stops something does so for 72 hours. A second person confirms it, or it is off in time; and nobody renews their own.

Of what says who did it, and until when: what an earlier build stopped stood by itself.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.bars import Bars
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import AgreementResumed, AgreementSuspended, AgreementSuspensionConfirmed
from services.inventory.events import HoldConfirmed, HoldLifted, HoldPutOn
from shared.terms.apart import Apart

_LATE = timedelta(hours=1)  # a timer may fire late
_RENEWED_AFTER = timedelta(days=6)  # a week, less the hours by which days and instants differ


class _Stop(msgspec.Struct):
    place: str
    what: str  # "partner/JP", "agreement agr_..."
    by: str
    at: datetime
    lapses_at: datetime
    ended_at: datetime | None = None
    second: str | None = None  # who confirmed it, or what it was lifted under
    goes_on: bool = False  # as the hold on a depot that a lot was moved out of


class Protecting:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._standing: dict[tuple[str, str], _Stop] = {}  # (stream, hold) ->
        self._all: dict[tuple[str, str], list[_Stop]] = {}  # (stream, what) ->
        self._last = ""  # when the last event was recorded
        self._bars = Bars(findings, approvers)

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        self._bars.see(place, record, event)
        if isinstance(event, HoldPutOn) and event.takes_on is not None:
            self._go_on(place, event, self._standing.get((record.stream, event.takes_on)))
        match event:
            case HoldPutOn(put_on_by=str() as by, lapses_at=datetime() as lapses_at):
                what = event.scope if event.target is None else f"{event.scope}/{event.target}"
                self._stop(record, event.hold, _Stop(place, what, by, instant(record), lapses_at, goes_on=event.takes_on is not None))
            case AgreementSuspended(suspended_by=str() as by, lapses_at=datetime() as lapses_at):
                self._stop(record, event.hold, _Stop(place, f"agreement {event.agreement}", by, instant(record), lapses_at))
            case HoldConfirmed() | AgreementSuspensionConfirmed():
                stop = self._standing.pop((record.stream, event.hold), None)
                if stop is not None:
                    stop.second = event.confirmed_by
                    self._compare(place, record, stop, event.confirmed_by)
            case HoldLifted() | AgreementResumed():
                if (stop := self._standing.pop((record.stream, event.hold), None)) is not None:
                    stop.ended_at = instant(record)
                    stop.second = event.authority if isinstance(event, HoldLifted) else None
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        self._bars.finish()
        for stop in self._standing.values():
            overdue = datetime.fromisoformat(self._last) > stop.lapses_at + _LATE
            what = f"{stop.what} is stopped by one person for longer than to {stop.lapses_at}"
            self._findings.look(Check.CONTROL, not overdue, stop.place, what)
        for stops in self._all.values():
            for before, after in pairwise(stops):
                self._renewed(before, after)

    def _go_on(self, place: str, event: HoldPutOn, before: _Stop | None) -> None:
        due = (None, None) if before is None else (before.by, before.lapses_at)
        what = f"{event.hold} is {event.put_on_by}'s, to {event.lapses_at}: {event.takes_on}, which it goes on from, is not"
        self._findings.look(Check.CONTROL, (event.put_on_by, event.lapses_at) == due, place, what)

    def _stop(self, record: Recorded, hold: str, stop: _Stop) -> None:
        self._standing[record.stream, hold] = stop
        self._all.setdefault((record.stream, stop.what), []).append(stop)

    def _compare(self, place: str, record: Recorded, stop: _Stop, confirmed_by: str) -> None:
        self._approvers.apart(Check.CONTROL, Apart.CONFIRMS, place, confirmed_by, (stop.by,), instant(record))

    def _renewed(self, before: _Stop, after: _Stop) -> None:
        same = self._approvers.same(after.by, (before.by,), after.at)
        soon = before.ended_at is None or after.at < before.ended_at + _RENEWED_AFTER
        alone = same and before.second is None and soon and not after.goes_on
        self._findings.look(Check.CONTROL, not alone, after.place, f"{after.by} renewed {after.what}: {Apart.RENEWS}")
