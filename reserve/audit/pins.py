"""Pins: whose units of a lot are whose, followed from event to event. Nobody draws what is pinned for another, nor anything but its own."""

from collections import Counter
from typing import Any

from services.inventory.events import (
    DrawReturned,
    LotTakenIn,
    Parcel,
    ReleaseCancelled,
    ReleaseLapsed,
    RightAssigned,
    StockAdjusted,
    StockDrawn,
    StockPinned,
    StockReleased,
)

type _Lot = tuple[str, str]  # product and lot


class Pins:
    """Of all stockpiles."""

    def __init__(self) -> None:
        self._units: Counter[_Lot] = Counter()  # in stock, in specification or not
        self._of_lots_g: Counter[str] = Counter()  # what releases have left of lots
        self._pins: dict[str, Counter[_Lot]] = {}  # release -> units of each lot
        self._pinned: Counter[_Lot] = Counter()

    def fault(self, event: Any) -> str | None:
        """What is wrong with the event, if anything is."""
        match event:
            case StockPinned():
                return self._pin(event)
            case StockDrawn():
                self._of_lots_g[event.release] -= event.mass_g
                return self._draw(event)
            case LotTakenIn():
                self._units[event.product, event.lot] += event.units
            case StockAdjusted():
                self._units[event.product, event.lot] += event.change_units
                if max(0, self._units[event.product, event.lot]) < self._pinned[event.product, event.lot]:
                    return f"fewer units of {event.lot} are left than releases are pinned to"
            case DrawReturned():
                self._units.update(_units_of(event.product, (*event.available, *event.quarantined)))
            case StockReleased():
                self._of_lots_g[event.release] = event.mass_g - event.rights_g
            case RightAssigned():
                self._of_lots_g[event.release] -= event.mass_g if event.source == "lots" else 0
                if not event.remaining_g:
                    self._end(event.release)
            case ReleaseLapsed() | ReleaseCancelled():
                self._end(event.release)
            case _:
                pass
        return None

    def _pin(self, event: StockPinned) -> str | None:
        before = self._pins.pop(event.release, None)
        self._pinned.subtract(before or Counter())
        own = Counter[_Lot]({(event.product, pin.lot): pin.units for pin in event.lots})
        self._pins[event.release] = own
        self._pinned.update(own)
        if sum(pin.units * pin.nominal_unit_g for pin in event.lots) != self._of_lots_g[event.release]:
            return f"{event.release} is pinned to other than the {self._of_lots_g[event.release]} g that it has of lots"
        if before is not None and not own <= before:
            return f"{event.release} is pinned anew to lots that it was not pinned to"
        over = [lot for lot in own if self._pinned[lot] > self._units[lot]]
        return f"more of {over[0][1]} is pinned than it has" if over else None

    def _draw(self, event: StockDrawn) -> str | None:
        taken = _units_of(event.product, event.parcels)
        own = self._pins.get(event.release)
        fault = None
        if own:
            if not taken <= own:
                fault = f"{event.release} is pinned to other lots than those that are drawn"
            self._pinned.subtract(taken & own)
            self._pins[event.release] = own - taken
        self._units.subtract(taken)
        others = [lot for lot in taken if self._pinned[lot] > max(0, self._units[lot])]
        if not event.remaining_g:
            self._end(event.release)
        return fault or (f"what is drawn of {others[0][1]} is pinned for another" if others else None)

    def _end(self, release: str) -> None:
        self._pinned.subtract(self._pins.pop(release, Counter()))
        self._of_lots_g.pop(release, None)


def _units_of(product: str, parcels: tuple[Parcel, ...]) -> Counter[_Lot]:
    units: Counter[_Lot] = Counter()
    for parcel in parcels:
        units[product, parcel.lot] += parcel.units
    return units
