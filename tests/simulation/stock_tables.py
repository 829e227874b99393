"""Stock as allocation's read tables have it, from inventory's events: by size, lot by lot, and what is pinned."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from services.allocation.domain.decisions.eligibility import Lot, Right, Stock, Stop
from services.inventory import events as inventory
from shared.journal.record import Fact


class LotSeen(msgspec.Struct):
    product: str
    depot: str
    unit_g: int
    units: int
    origin: str
    contents: dict[str, str]
    good: bool
    pinned: int = 0


class StockTables:
    def __init__(self) -> None:
        self.units: defaultdict[str, Counter[int]] = defaultdict(Counter)  # product -> unit size -> free units
        self.protected_g: Counter[str] = Counter()
        self.rights_g: Counter[str] = Counter()  # product -> firm, and not reserved
        self.firm: set[str] = set()  # rights
        self.lots: dict[str, LotSeen] = {}
        self.pins: dict[str, Counter[str]] = {}  # release -> lot -> units
        self.stops: dict[tuple[str, str], Stop] = {}  # product and hold

    def take(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if fact.event is not None:
                self._take(fact.event)

    def _take(self, event: Any) -> None:
        match event:
            case inventory.LotTakenIn():
                good = event.status == "available"
                told = (event.product, event.depot, event.nominal_unit_g, event.units, event.origin, event.assay.contents, good)
                self.lots[event.lot] = LotSeen(*told)
                self.units[event.product][event.nominal_unit_g] += event.units if good else 0
            case inventory.AssayRecorded():
                lot = self.lots[event.lot]
                lot.contents = event.assay.contents
                if event.from_status != event.to_status:
                    lot.good = event.to_status == "available"
                    free = event.units - lot.pinned
                    self.units[event.product][lot.unit_g] += free if lot.good else -free
            case inventory.StockAdjusted():
                self.lots[event.lot].units += event.change_units
                self.units[event.product][event.nominal_unit_g] += event.change_units if event.status == "available" else 0
            case inventory.DrawReturned():
                for parcel in (*event.available, *event.quarantined):
                    self.lots[parcel.lot].units += parcel.units
                for parcel in event.available:
                    self.units[event.product][parcel.nominal_unit_g] += parcel.units
            case inventory.StockDrawn():
                pins = self.pins.get(event.release, Counter())
                for parcel in event.parcels:
                    self.lots[parcel.lot].units -= parcel.units
                    if pins[parcel.lot]:
                        pins[parcel.lot] -= parcel.units
                        self.lots[parcel.lot].pinned -= parcel.units
            case _:
                self._take_release(event)

    def _take_release(self, event: Any) -> None:
        match event:
            case inventory.StockReleased():
                self.rights_g[event.product] -= event.rights_g
                for count in event.units:
                    self.units[event.product][count.nominal_unit_g] -= count.units
            case inventory.StockPinned():
                self._pin(event.release, Counter({pin.lot: pin.units for pin in event.lots}))
            case inventory.ReleaseLapsed() | inventory.ReleaseCancelled():
                self.rights_g[event.product] += event.rights_g
                self._give_back(event)
                self._pin(event.release, Counter())
            case inventory.RightAssigned():
                if event.source == "lots":
                    self.rights_g[event.product] -= event.mass_g
                    self._give_back(event)
                if not event.remaining_g:
                    self._pin(event.release, Counter())
            case inventory.RightAdded(kind="firm_offtake") | inventory.RightExercised() | inventory.AssignmentGivenBack():
                self.firm.add(event.right)
                self.rights_g[event.product] += event.mass_g
            case inventory.RightMatured(settled_g=mass_g) | inventory.RightTerminated(mass_g=mass_g) if event.right in self.firm:
                self.rights_g[event.product] -= mass_g
            case inventory.ProtectedStockSet():
                self.protected_g[event.product] = event.mass_g
            case inventory.HoldPutOn():
                self.stops[event.product, event.hold] = Stop(scope=event.scope, target=event.target, expires_on=event.expires_on)
            case inventory.HoldLifted():
                del self.stops[event.product, event.hold]
            case _:
                pass

    def _give_back(self, event: Any) -> None:
        for count in event.units:
            self.units[event.product][count.nominal_unit_g] += count.units

    def _pin(self, release: str, pins: Counter[str]) -> None:
        changed = Counter(pins)
        changed.subtract(self.pins.get(release, Counter()))
        for name, units in changed.items():
            lot = self.lots[name]
            lot.pinned += units
            if not lot.good:
                self.units[lot.product][lot.unit_g] += units
        self.pins[release] = pins

    def free_units(self, product: str) -> dict[int, int]:
        return {unit_g: units for unit_g, units in self.units[product].items() if units > 0}

    def stock(self, product: str, nominal_unit_g: int) -> Stock:
        return Stock(
            nominal_unit_g=nominal_unit_g,
            lots=[
                Lot(
                    lot=name,
                    depot=lot.depot,
                    unit_g=lot.unit_g,
                    units=lot.units - lot.pinned,
                    origin=lot.origin,
                    contents=lot.contents,
                    expires_on=None,
                )
                for name, lot in sorted(self.lots.items())
                if lot.product == product and lot.good and lot.units > lot.pinned
            ],
            rights=[Right(right="all", mass_g=max(0, self.rights_g[product]), window_from=None, window_to=date.max)],
            stops=[stop for (of, _), stop in sorted(self.stops.items()) if of == product],
            free_units=self.free_units(product),
            reserved_rights_g=0,
            protected_g=self.protected_g[product],
        )
