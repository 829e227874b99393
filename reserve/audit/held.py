"""Held: no release lapses while a hold of the Reserve's own stands on it, and its last day moves by the days on which one stood.

A hold on a depot goes on with a lot that is moved out of it, since the same day and to the same. The suspension of an agreement is such a
hold as long as it is one person's word. Only of holds that say since when they stand: under those of earlier builds, releases lapsed, and
what lapsed so by one person's suspension is listed.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.inventory.events import (
    DrawMoved,
    HoldConfirmed,
    HoldLifted,
    HoldPutOn,
    LotMoved,
    LotTakenIn,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseLapsed,
    RightAssigned,
    RoundFreed,
    RoundHeld,
    StockDrawn,
    StockPinned,
    StockReleased,
)

_SUSPENSION = "suspension of "  # begins the authority of a hold that is none of the Reserve's own, once two have confirmed it


class _Hold(msgspec.Struct, frozen=True):
    stops: str  # "all", "partner/JP", "decision/..."
    since: date
    last: date | None


class _Moved(msgspec.Struct):
    """A lot, and what stopped it in the depot that it left, as far as it has not gone on."""

    place: str
    lot: str
    stops: str  # "depot/Fremantle"
    holds: set[str]


class _Release(msgspec.Struct):
    partner: str
    decision: str
    first: date  # its last day, as it was decided
    pins: dict[str, int] = {}
    held: set[date] = set()  # days that were held by what is off again


class Held:
    """All stockpiles."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._holds: dict[str, dict[str, _Hold]] = {}  # product -> hold or decision
        self._releases: dict[str, dict[str, _Release]] = {}  # product -> release
        self._depots: dict[str, str] = {}  # of lots
        self._moved: dict[str, _Moved] = {}  # product -> while its commit lasts
        self._suspensions: set[str] = set()  # holds by one person's word, and until it is confirmed
        self._suspended: dict[str, dict[str, str]] = {}  # product -> hold -> partner: by one person, by an earlier build
        self._holds_go_on = False  # the rule is in force, as an event has shown

    def see(self, place: str, effective_on: str, event: Any) -> None:
        if self._moved and not isinstance(event, DrawMoved | HoldPutOn):
            self._left_behind(getattr(event, "product", ""))
        match event:
            case LotTakenIn():
                self._depots[event.lot] = event.depot
            case LotMoved():
                self._depots[event.lot] = event.to_depot
                stops = f"depot/{event.from_depot}"
                holds = {name for name, hold in self._holds.get(event.product, {}).items() if hold.stops == stops}
                self._moved[event.product] = _Moved(place, event.lot, stops, holds)
            case HoldPutOn(suspended_by=str(), put_on_on=None, target=str() as partner):
                self._suspended.setdefault(event.product, {})[event.hold] = partner
            case HoldPutOn() if event.put_on_on is not None and (event.suspended_by or not event.authority.startswith(_SUSPENSION)):
                stops = event.scope if event.target is None else f"{event.scope}/{event.target}"
                if event.takes_on is not None:
                    self._take_on(place, event, event.takes_on)
                if event.suspended_by is not None:
                    self._suspensions.add(event.hold)
                self._put_on(event.product, event.hold, _Hold(stops, event.put_on_on, event.expires_on))
            case RoundHeld() if event.held_on is not None:
                self._put_on(event.product, event.decision, _Hold(f"decision/{event.decision}", event.held_on, None))
            case HoldConfirmed():
                if event.hold in self._suspensions:
                    self._holds.get(event.product, {}).pop(event.hold, None)
            case HoldLifted():
                self._suspended.get(event.product, {}).pop(event.hold, None)
                self._take_off(event.product, event.hold, effective_on, expired=event.reason == "expired" and event.authority is None)
            case RoundFreed():
                self._take_off(event.product, event.decision, effective_on, expired=False)
            case StockReleased():
                self._of(event.product)[event.release] = _Release(event.partner, event.decision, event.expires_on)
            case StockPinned() if (release := self._of(event.product).get(event.release)) is not None:
                release.pins = {pin.lot: pin.units for pin in event.lots}
            case StockDrawn() if (release := self._of(event.product).get(event.release)) is not None:
                for parcel in event.parcels:
                    release.pins = release.pins | {parcel.lot: release.pins.get(parcel.lot, 0) - parcel.units}
                self._end_if(event)
            case RightAssigned():
                self._end_if(event)
            case ReleaseCancelled():
                self._of(event.product).pop(event.release, None)
            case ReleaseExtended():
                release = self._of(event.product).get(event.release)
                due = None if release is None else self._due(event.product, release)
                fine = due is None or due == event.expires_on
                self._findings.look(Check.LAPSES, fine, place, f"{event.release} is said to end on {event.expires_on}, and ends on {due}")
            case ReleaseLapsed() if (release := self._of(event.product).pop(event.release, None)) is not None:
                self._lapse(place, effective_on, event, release)
            case _:
                pass

    def _of(self, product: str) -> dict[str, _Release]:
        return self._releases.setdefault(product, {})

    def _put_on(self, product: str, name: str, hold: _Hold) -> None:
        self._holds.setdefault(product, {})[name] = hold

    def _take_on(self, place: str, event: HoldPutOn, before: str) -> None:
        self._holds_go_on = True
        moved, hold = self._moved.get(event.product), self._holds.get(event.product, {}).get(before)
        if moved is not None:
            moved.holds.discard(before)
        same = moved is not None and hold is not None and (moved.lot, moved.stops) == (event.target, hold.stops)
        fine = same and hold is not None and (event.scope, event.put_on_on, event.expires_on) == ("lot", hold.since, hold.last)
        self._findings.look(Check.LAPSES, fine, place, f"{event.hold} is not {before}, as that stopped {event.target} in its depot")

    def _left_behind(self, product: str) -> None:
        moved = self._moved.pop(product, None)
        if moved is not None and moved.holds:
            what = f"{moved.lot} left {moved.stops}, and what stopped it there did not go on: {sorted(moved.holds)}"
            self._findings.under_rule(Check.LAPSES, self._holds_go_on, moved.place, what)

    def _take_off(self, product: str, name: str, effective_on: str, *, expired: bool) -> None:
        hold = self._holds.get(product, {}).pop(name, None)
        if hold is None:
            return
        end = hold.last + timedelta(days=1) if expired and hold.last is not None else date.fromisoformat(effective_on)
        for release in self._of(product).values():
            if self._covers(hold, release) and hold.since <= self._due(product, release):
                release.held |= {hold.since + timedelta(days=each) for each in range((end - hold.since).days)}

    def _covers(self, hold: _Hold, release: _Release) -> bool:
        stopped = {"all", "product", f"partner/{release.partner}", f"decision/{release.decision}"}
        for lot, units in release.pins.items():
            if units > 0:
                stopped |= {f"lot/{lot}", f"depot/{self._depots.get(lot)}"}
        return hold.stops in stopped

    def _due(self, product: str, release: _Release) -> date:
        """Its last day: a day on which a hold stands that is still on is counted when that is off."""
        standing = min((hold.since for hold in self._standing(product, release)), default=date.max)
        return release.first + timedelta(days=sum(day < standing for day in release.held))

    def _standing(self, product: str, release: _Release) -> Iterator[_Hold]:
        return (hold for hold in self._holds.get(product, {}).values() if self._covers(hold, release))

    def _lapse(self, place: str, effective_on: str, event: ReleaseLapsed, release: _Release) -> None:
        due = self._due(event.product, release)
        held = sorted(hold.stops for hold in self._standing(event.product, release) if hold.since <= due)
        self._findings.look(Check.LAPSES, not held, place, f"{event.release} lapsed while the Reserve held it: {held}")
        if release.partner in self._suspended.get(event.product, {}).values():
            self._findings.list_it(Check.LAPSES, place, f"{event.release} lapsed under a suspension, which may be one person's word")
        early = date.fromisoformat(effective_on) <= due
        self._findings.look(Check.LAPSES, not early, place, f"{event.release} lapsed on {effective_on}, and ends on {due}")

    def _end_if(self, event: StockDrawn | RightAssigned) -> None:
        if not event.remaining_g:
            self._of(event.product).pop(event.release, None)
