"""Bars: who declares another's conflict of interest, revokes their key or ends an instrument does so for 72 hours. A second person who has
a key confirms it, or it is over in time; and whoever's was over so bars nobody for a week, in whatever way. What somebody says of
themselves stands for good.

The rule is in force from the first that says by whom it was begun: what an earlier build began stands by itself, and is listed.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.interests import interest
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.allocation.events.authority import ConflictConfirmed, ConflictLapsed, InstrumentEndConfirmed, InstrumentRestored
from shared.terms.apart import Apart
from shared.terms.protecting import LAPSES_AFTER, RENEWED_AFTER_DAYS

_LATE = timedelta(hours=1)  # a timer may fire late

_Begun = allocation.ConflictDeclared | allocation.ApproverKeyRevoked | allocation.InstrumentEnded
_Confirmed = ConflictConfirmed | allocation.ApproverKeyRevocationConfirmed | InstrumentEndConfirmed
_Lapsed = ConflictLapsed | allocation.ApproverKeyRestored | InstrumentRestored


class _Bar(msgspec.Struct):
    place: str
    what: str
    whose: str | None  # whose own word it may be
    by: str | None  # None: begun by an earlier build
    at: datetime
    lapses_at: datetime | None
    second: bool = False  # another person has confirmed or withdrawn it


class _Confirmation(msgspec.Struct, frozen=True):
    place: str
    bar: _Bar
    by: str
    at: datetime


class Bars:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._all: list[_Bar] = []
        self._standing: dict[str, _Bar] = {}  # what -> that nobody has confirmed
        self._confirmed: list[_Confirmation] = []
        self._last = ""  # when the last event was recorded

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        if isinstance(event, _Begun):
            self._begin(place, instant(record), event)
        elif isinstance(event, _Confirmed | allocation.ConflictWithdrawn):
            self._confirm(place, instant(record), event)
        elif isinstance(event, _Lapsed):
            self._lapse(place, instant(record), event)

    def finish(self) -> None:
        """All keys and accounts are known."""
        since = min((bar.at for bar in self._all if bar.by is not None), default=None)
        for number, bar in enumerate(self._all):
            self._look(bar, self._all[:number], since)
        for bar in self._standing.values():
            overdue = bar.lapses_at is not None and datetime.fromisoformat(self._last) > bar.lapses_at + _LATE
            self._findings.look(
                Check.CONTROL, not overdue, bar.place, f"{bar.what} is one person's word for longer than to {bar.lapses_at}"
            )
        for given in self._confirmed:
            by = () if given.bar.by is None else (given.bar.by,)
            self._approvers.apart(Check.CONTROL, Apart.CONFIRMS_BAR, given.place, given.by, by, given.at)
            own = given.bar.whose is not None and self._approvers.same(given.by, (given.bar.whose,), given.at)
            fit = own or self._approvers.has_key(given.by, given.at)
            self._findings.look(Check.CONTROL, fit, given.place, f"{given.by}, who confirms {given.bar.what}, has no key")

    def _look(self, bar: _Bar, before: list[_Bar], since: datetime | None) -> None:
        if bar.by is None:
            if since is not None and since + AT_ONCE < bar.at:
                self._findings.look(Check.CONTROL, False, bar.place, f"nobody says by whom {bar.what}")
            return
        if bar.lapses_at is None:
            own = bar.whose is not None and self._approvers.same(bar.by, (bar.whose,), bar.at)
            self._findings.look(Check.CONTROL, own, bar.place, f"{bar.by} alone says for good that {bar.what}")
            return
        in_time = bar.lapses_at <= bar.at + LAPSES_AFTER + AT_ONCE
        self._findings.look(Check.CONTROL, in_time, bar.place, f"{bar.what}, by one person to {bar.lapses_at}")
        soon = any(self._just_lapsed(each, bar) for each in before)
        self._findings.look(Check.CONTROL, not soon, bar.place, f"{bar.by} barred somebody again, so that {bar.what}: {Apart.RENEWS_BAR}")

    def _just_lapsed(self, before: _Bar, bar: _Bar) -> bool:
        if before.by is None or before.lapses_at is None or before.second or bar.by is None:
            return False
        within = before.lapses_at + AT_ONCE < bar.at < before.lapses_at + timedelta(days=RENEWED_AFTER_DAYS) - AT_ONCE
        return within and self._approvers.same(bar.by, (before.by,), bar.at)

    def _begin(self, place: str, at: datetime, event: _Begun) -> None:
        whose: str | None
        match event:
            case allocation.ConflictDeclared():
                whose, by = event.official, event.declared_by
            case allocation.ApproverKeyRevoked():
                whose, by = event.subject, event.revoked_by
            case allocation.InstrumentEnded():
                whose, by = None, event.ended_by  # others act under it
        bar = _Bar(place, _what(event), whose, by, at, event.lapses_at)
        self._all.append(bar)
        if bar.lapses_at is not None:
            self._standing[bar.what] = bar

    def _confirm(self, place: str, at: datetime, event: _Confirmed | allocation.ConflictWithdrawn) -> None:
        if (bar := self._standing.pop(_what(event), None)) is not None:
            bar.second = True
        if isinstance(event, allocation.ConflictWithdrawn):
            return  # which two persons did: `control` looks
        if self._findings.look(Check.CONTROL, bar is not None, place, f"{_what(event)}: nothing of that was to be confirmed"):
            assert bar is not None
            self._confirmed.append(_Confirmation(place, bar, event.confirmed_by, at))

    def _lapse(self, place: str, at: datetime, event: _Lapsed) -> None:
        bar = self._standing.pop(_what(event), None)
        due = bar is not None and bar.lapses_at is not None and bar.lapses_at <= at + AT_ONCE
        self._findings.look(Check.CONTROL, due, place, f"{_what(event)}: that was not to lapse yet")


def _what(event: _Begun | _Confirmed | _Lapsed | allocation.ConflictWithdrawn) -> str:
    match event:
        case allocation.ConflictDeclared() | ConflictConfirmed() | ConflictLapsed() | allocation.ConflictWithdrawn():
            return f"{event.official} has a conflict of interest, {interest(event.about, event.name)}"
        case allocation.ApproverKeyRevoked() | allocation.ApproverKeyRevocationConfirmed() | allocation.ApproverKeyRestored():
            return f"the key {event.key} of {event.subject} is revoked"
        case _:
            return f"{event.instrument} has ended"
