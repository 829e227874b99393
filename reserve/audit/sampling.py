"""Sampling: which lots an auditor goes and looks at, drawn by mass from what the events say is in the depots; and how many from the floor.

Systematic selection with probability proportional to size (ISA 530; AICPA, Audit Sampling: monetary unit sampling): the lots lie end to
end, and every `interval_g` grams one of them is hit, from a start that a seed gives. What is as large as the interval is always hit.
Anybody who has the bundle and the seed draws the same.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from hashlib import sha256

import msgspec

from reserve.audit.evidence import Evidence
from reserve.audit.life import events_of, read_event
from services.inventory import events as inventory

CONFIDENCE = 0.95
FACTOR = -math.log(1 - CONFIDENCE)  # of Poisson, for no error expected
CUT_OFF = 5  # movements of a depot that are looked at on paper


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """A lot in a depot, in stock or drawn and not dispatched yet: nominal, before any weighing."""

    product: str
    depot: str
    lot: str
    nominal_unit_g: int
    units: int
    origin: str
    serials: tuple[str, ...]  # of all units that came in; (): they have none

    @property
    def mass_g(self) -> int:
        return self.nominal_unit_g * self.units


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Sheet to floor: it is to be there. `hits`: how often it was hit; `certain`: it is as large as the interval."""

    here: Here
    hits: int
    certain: bool


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One of the last movements of a depot: its papers are to be of the same day."""

    depot: str
    effective_on: date
    place: str
    type: str
    lots: tuple[str, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`sheet`: all that is to be there. `from_floor`: by depot, how many units are picked where they stand, and found in the sheet."""

    seed: str
    mass_g: int
    interval_g: int
    size: int
    chosen: tuple[Chosen, ...]
    from_floor: dict[str, int]
    last_moved: tuple[Moved, ...]
    sheet: tuple[Here, ...]


def size_for(mass_g: int, material_g: int) -> int:
    """So many that 95% of samples hit something, if `material_g` of all are not there."""
    return max(1, math.ceil(FACTOR * mass_g / material_g))


async def here_at(evidence: Evidence, products: Collection[str]) -> tuple[tuple[Here, ...], tuple[Moved, ...]]:
    """What of these products (none: of all) is in depots at the end, by depot and lot; and each depot's last movements."""
    lots: dict[str, inventory.LotTakenIn] = {}
    units: Counter[tuple[str, str]] = Counter()  # (lot, depot)
    moved: dict[str, list[Moved]] = {}
    for shard in sorted(await evidence.heads("inventory")):
        async for record in events_of(evidence, "inventory", shard):
            event = read_event("inventory", record)
            if event is None or (products and getattr(event, "product", None) not in products):
                continue
            if isinstance(event, inventory.LotTakenIn):
                lots[event.lot] = event
            change = Counter[tuple[str, str]]()
            for lot, depot, some in _changes(event):
                change[lot, depot] += some
            units.update(change)
            for depot in sorted({depot for _, depot in change}):
                named = tuple(sorted({lot for lot, where in change if where == depot}))
                on = date.fromisoformat(record.effective_on)
                one = Moved(depot=depot, effective_on=on, place=record.place("inventory"), type=record.type, lots=named)
                moved.setdefault(depot, []).append(one)
                del moved[depot][:-CUT_OFF]
    sheet = [_here(lots[lot], depot, some) for (lot, depot), some in units.items() if some > 0 and lot in lots]
    return tuple(sorted(sheet, key=_order)), tuple(each for depot in sorted(moved) for each in moved[depot])


def _changes(event: object) -> Iterable[tuple[str, str, int]]:
    """(lot, depot, units more) of what comes, goes, or is put elsewhere."""
    match event:
        case inventory.LotTakenIn():
            yield event.lot, event.depot, event.units
        case inventory.StockAdjusted():
            yield event.lot, event.depot, event.change_units
        case inventory.LotMoved():
            yield event.lot, event.from_depot, -event.units
            yield event.lot, event.to_depot, event.units
        case inventory.DrawMoved():
            yield from ((parcel.lot, parcel.depot, -parcel.units) for parcel in event.before)
            yield from ((parcel.lot, parcel.depot, parcel.units) for parcel in event.parcels)
        case inventory.DrawDispatched():
            yield from ((parcel.lot, parcel.depot, -parcel.units) for parcel in event.parcels)
        case _:
            pass


def _here(lot: inventory.LotTakenIn, depot: str, units: int) -> Here:
    return Here(
        product=lot.product,
        depot=depot,
        lot=lot.lot,
        nominal_unit_g=lot.nominal_unit_g,
        units=units,
        origin=lot.origin,
        serials=lot.serials,
    )


def _order(here: Here) -> tuple[str, str, str]:
    return here.depot, here.product, here.lot


def sampled(sheet: Sequence[Here], moved: Sequence[Moved], size: int, seed: str) -> Sample:
    """`size`: hits, at least one. Of an empty sheet nothing is chosen."""
    mass_g = sum(here.mass_g for here in sheet)
    interval_g = max(1, mass_g // size)
    next_g = int.from_bytes(sha256(seed.encode()).digest()) % interval_g
    chosen, before_g = list[Chosen](), 0
    for here in sheet:
        ends_g = before_g + here.mass_g
        if hits := len(range(next_g, ends_g, interval_g)):
            chosen.append(Chosen(here=here, hits=hits, certain=here.mass_g >= interval_g))
            next_g += hits * interval_g
        before_g = ends_g
    depots = Counter[str]()
    for each in chosen:
        depots[each.here.depot] += each.hits
    return Sample(
        seed=seed,
        mass_g=mass_g,
        interval_g=interval_g,
        size=size,
        chosen=tuple(chosen),
        from_floor={depot: depots[depot] or 1 for depot in sorted({here.depot for here in sheet})},
        last_moved=tuple(moved),
        sheet=tuple(sheet),
    )
