"""Stock: releases, and what is drawn under them and leaves, followed from event to event."""

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import msgspec

from reserve.audit.checkpoints import Checkpoints
from reserve.audit.pins import Pins
from reserve.audit.report import Check, Findings
from reserve.audit.witnesses import Numbered
from services.inventory.events import (
    DrawDelivered,
    DrawDispatched,
    DrawReturned,
    DrawWeighed,
    DrawWeighedAgain,
    GateEvidence,
    ReceiptGradeSet,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseLapsed,
    RightAssigned,
    StockDrawn,
    StockReleased,
)

_RECEIPT_GATE, _WITNESSED_GATE = "ledger_receipt", "witnessed_receipt"
_ROOT = re.compile(r"\b[0-9a-f]{64}\b")


class _Open(msgspec.Struct, frozen=True, gc=False):
    """What is left of a release."""

    product: str
    partner: str
    left_g: int
    expires_on: date


class _Drawn(msgspec.Struct, frozen=True, gc=False):
    """`signed`, `witnessed`: the numbers of the first checkpoints that cover it."""

    partner: str
    place: str
    signed: Numbered
    witnessed: Numbered
    weighed_g: int | None = None  # last


class Stock:
    """All stockpiles."""

    def __init__(self, findings: Findings, checkpoints: Checkpoints) -> None:
        self._findings = findings
        self._pins = Pins()
        self._checkpoints = checkpoints
        self._witnessed: set[str] = set()  # products whose goods leave on a witnessed receipt alone
        self._releases: dict[str, _Open] = {}
        self._gone: dict[str, str] = {}  # release -> how its rest went back
        self._draws: dict[str, _Drawn] = {}  # drawn goods that are still here
        self._under_way: dict[str, tuple[str, int, str]] = {}  # draw -> (partner, weighed_g, carrier)

    def see(self, place: str, effective_on: str, event: Any) -> None:
        if (fault := self._pins.fault(event)) is not None:
            self._findings.look(Check.DRAWS, False, place, fault)
        match event:
            case StockReleased():
                fine = event.release not in self._releases and event.mass_g == event.rights_g + _units_g(event.units)
                self._findings.look(Check.DRAWS, fine, place, f"{event.release} is open already, or does not add up")
                self._releases[event.release] = _Open(event.product, event.partner, event.mass_g, event.expires_on)
                self._gone.pop(event.release, None)
            case StockDrawn():
                self._take(place, effective_on, event, sum(parcel.mass_g for parcel in event.parcels))
                self._findings.look(Check.DRAWS, event.draw not in self._draws, place, f"{event.draw} is drawn already")
                self._draws[event.draw] = _Drawn(event.partner, place, self._checkpoints.next, self._checkpoints.witnesses.next)
            case DrawWeighed() | DrawWeighedAgain() if (drawn := self._draws.get(event.draw)) is not None:
                self._draws[event.draw] = msgspec.structs.replace(drawn, weighed_g=event.weighed_g)
            case RightAssigned():
                self._take(place, effective_on, event, _units_g(event.units) if event.source == "lots" else event.mass_g)
            case ReleaseExtended() if (release := self._releases.get(event.release)) is not None:
                self._releases[event.release] = msgspec.structs.replace(release, expires_on=event.expires_on)  # see `held.py`
            case ReleaseLapsed() | ReleaseCancelled():
                self._give_back(place, effective_on, event)
            case ReceiptGradeSet():
                (self._witnessed.add if event.grade == "witnessed" else self._witnessed.discard)(event.product)
            case DrawDispatched():
                self._dispatch(place, event)
            case DrawDelivered():
                fine = self._under_way.pop(event.draw, None) == (event.partner, event.weighed_g, event.carrier)
                self._findings.look(
                    Check.DISPATCHES, fine, place, f"{event.draw} is not under way with {event.carrier} for {event.partner}"
                )
            case DrawReturned():
                drawn = self._draws.pop(event.draw, None)
                fine = drawn is not None and drawn.partner == event.partner
                self._findings.look(Check.DRAWS, fine, place, f"{event.draw} is no draw of {event.partner} that could come back")
            case _:
                pass

    def _take(self, place: str, effective_on: str, event: StockDrawn | RightAssigned, parts_g: int) -> None:
        look = self._findings.look
        release = self._releases.get(event.release)
        if release is None:
            gone = self._gone.get(event.release)
            look(
                Check.DRAWS if gone is None else Check.LAPSES,
                False,
                place,
                f"{event.release} {gone or 'was never released, or is used up'}",
            )
            return
        look(
            Check.LAPSES,
            date.fromisoformat(effective_on) <= release.expires_on,
            place,
            f"drawn on {effective_on}; {event.release} ended on {release.expires_on}",
        )
        left_g = release.left_g - event.mass_g
        fault = _fault_of_draw(release, event, left_g, parts_g)
        look(Check.DRAWS, fault is None, place, fault or "")
        if left_g > 0:
            self._releases[event.release] = msgspec.structs.replace(release, left_g=left_g)
        else:
            del self._releases[event.release]

    def _give_back(self, place: str, effective_on: str, event: ReleaseLapsed | ReleaseCancelled) -> None:
        release = self._releases.pop(event.release, None)
        lapsed = isinstance(event, ReleaseLapsed)
        fine = release is not None and (release.partner, release.product, release.left_g) == (event.partner, event.product, event.mass_g)
        if lapsed and release is not None and date.fromisoformat(effective_on) <= release.expires_on:
            fine = False
        self._findings.look(
            Check.DRAWS, fine, place, f"{event.mass_g} g go back of {event.release}, which is not what was left, or too early"
        )
        self._gone[event.release] = f"lapsed in {place}" if lapsed else f"was cancelled in {place}"

    def _dispatch(self, place: str, event: DrawDispatched) -> None:
        drawn = self._draws.pop(event.draw, None)
        if drawn is None or drawn.partner != event.partner:
            self._findings.look(Check.DISPATCHES, False, place, f"{event.draw} is no draw of {event.partner} that is here")
            return
        self._under_way[event.draw] = (event.partner, event.weighed_g, event.carrier)
        weighed = "was never weighed" if drawn.weighed_g is None else f"weighed {drawn.weighed_g} g"
        what = f"{event.draw} {weighed}, and left with {event.weighed_g} g"
        self._findings.look(Check.DISPATCHES, event.weighed_g == drawn.weighed_g, place, what)
        needed = {_RECEIPT_GATE: partial(self._checkpoints.covers_since, drawn.signed)}
        if event.product in self._witnessed:
            needed[_WITNESSED_GATE] = partial(self._checkpoints.witnesses.covers_since, drawn.witnessed)
        for name, covers in needed.items():
            gate = next((gate for gate in event.gates if gate.gate == name), None)
            fault = f"no {name} was shown" if gate is None else _fault_of(gate, drawn.place, covers)
            self._findings.look(Check.DISPATCHES, fault is None, place, f"{event.draw}: {fault}")


def _fault_of(gate: GateEvidence, drawn_at: str, covers: Callable[[str], bool]) -> str | None:
    """The evidence names a root, which nobody knows before it is signed, and the draw, which that root must cover. `covers`: whether it is
    the root of such a checkpoint."""
    if drawn_at not in gate.evidence.split():
        return f"the evidence is not of {drawn_at}: {gate.evidence}"
    found = _ROOT.search(gate.evidence)
    if found is None or not covers(found[0]):
        return f"the evidence names no such checkpoint of the ledger that covers {drawn_at}: {gate.evidence}"
    return None


def _fault_of_draw(release: _Open, event: StockDrawn | RightAssigned, left_g: int, parts_g: int) -> str | None:
    if event.partner != release.partner:
        return f"{event.release} is {release.partner}'s, not {event.partner}'s"
    if event.product != release.product:
        return f"{event.release} is of {release.product}, not of {event.product}"
    if left_g < 0 or event.mass_g <= 0:
        return f"{event.mass_g} g are drawn of the {release.left_g} g that are left of {event.release}"
    if event.remaining_g != left_g:
        return f"{event.remaining_g} g are said to be left of {event.release}, not {left_g} g"
    if parts_g != event.mass_g:
        return f"the parts are {parts_g} g, the whole {event.mass_g} g"
    return None


def _units_g(units: Any) -> int:
    return sum(count.units * count.nominal_unit_g for count in units)
