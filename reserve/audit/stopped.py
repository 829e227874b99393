"""Stopped: nothing is drawn, or leaves, under a hold, or of a lot that is out of specification or past its last day. A lot is in
specification as its ruling assay says, and what is lent of it contains what that says. Rounds that are held: `emergencies.py`."""

from collections.abc import Iterable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.inventory.events import (
    Assay,
    AssayRecorded,
    DrawDispatched,
    HoldLifted,
    HoldPutOn,
    LotTakenIn,
    MaterialLent,
    Parcel,
    RightAssigned,
    StockAdjusted,
    StockDrawn,
)


class _Lot(msgspec.Struct):
    assay: Assay
    expires_on: date | None
    unit_g: int

    @property
    def status(self) -> str:
        return "available" if self.assay.in_specification else "quarantined"


class Stopped:
    """All stockpiles."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._lots: dict[tuple[str, str], _Lot] = {}  # (product, lot)
        self._holds: dict[str, dict[str, tuple[str, date | None]]] = {}  # product -> hold -> what it stops, and until when

    def see(self, place: str, effective_on: str, event: Any) -> None:
        match event:
            case LotTakenIn():
                self._lots[event.product, event.lot] = new = _Lot(event.assay, event.expires_on, event.nominal_unit_g)
                self._look(event.status == new.status, place, f"{event.lot} is {event.status}, and its assay says {new.status}")
            case AssayRecorded() if (lot := self._lots.get((event.product, event.lot))) is not None:
                before, lot.assay = lot.status, event.assay
                fine = (event.from_status, event.to_status) == (before, lot.status)
                what = f"{event.lot} goes from {event.from_status} to {event.to_status}, and its assays from {before} to {lot.status}"
                self._look(fine, place, what)
            case StockAdjusted() if (lot := self._lots.get((event.product, event.lot))) is not None:
                fine = (event.status, event.change_g) == (lot.status, event.change_units * lot.unit_g)
                self._look(fine, place, f"{event.lot} is {lot.status}, or so many units do not change by {event.change_g} g")
            case HoldPutOn():
                stops = event.scope if event.target is None else f"{event.scope}/{event.target}"
                self._holds.setdefault(event.product, {})[event.hold] = stops, event.expires_on
            case HoldLifted():
                self._holds.get(event.product, {}).pop(event.hold, None)
            case StockDrawn():
                self._stop(place, effective_on, event, event.parcels)
                self._look_at_lots(place, effective_on, event)
            case RightAssigned():
                self._stop(place, effective_on, event, ())
            case DrawDispatched():
                self._stop(place, effective_on, event, event.parcels)
            case MaterialLent():
                self._look_at_contents(place, event)
            case _:
                pass

    def _stop(self, place: str, on: str, event: StockDrawn | RightAssigned | DrawDispatched, parcels: Iterable[Parcel]) -> None:
        stopping: tuple[str, ...] = ()
        if holds := self._holds.get(event.product):
            named = {"all", "product", f"partner/{event.partner}"}
            named.update(each for parcel in parcels for each in (f"lot/{parcel.lot}", f"depot/{parcel.depot}"))
            stopping = tuple(_of(holds, named, date.fromisoformat(on)))
        self._look(not stopping, place, f"{event.draw} goes on under {', '.join(stopping)}")

    def _look_at_lots(self, place: str, on: str, event: StockDrawn) -> None:
        for parcel in event.parcels:
            lot = self._lots.get((event.product, parcel.lot))
            good = lot is not None and lot.assay.in_specification and (lot.expires_on is None or on <= lot.expires_on.isoformat())
            self._look(good, place, f"{event.draw} takes of {parcel.lot}, which is not here, out of specification, or past its last day")

    def _look_at_contents(self, place: str, event: MaterialLent) -> None:
        sums: dict[str, int] = {}
        for parcel in event.parcels:
            lot = self._lots.get((event.product, parcel.lot))
            contents = {} if lot is None else lot.assay.contents
            found = {element: round(parcel.mass_g * Fraction(share)) for element, share in contents.items()}
            self._look(found == parcel.contained_g, place, f"{parcel.lot} contains {found} g of what is lent of it, by its assay")
            sums |= {element: sums.get(element, 0) + mass_g for element, mass_g in found.items()}
        fine = sums == event.contained_g and sum(parcel.mass_g for parcel in event.parcels) == event.mass_g
        self._look(fine, place, f"{event.draw} contains {sums} g of what is lent, or its parts are not the whole")

    def _look(self, fine: bool, place: str, what: str) -> None:
        self._findings.look(Check.STOPPED, fine, place, what)


def _of(holds: dict[str, tuple[str, date | None]], named: set[str], on: date) -> Iterator[str]:
    """Those that stop any of it on that day."""
    return (hold for hold, (stops, last) in holds.items() if stops in named and (last is None or on <= last))
