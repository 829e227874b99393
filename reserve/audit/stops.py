"""Stops: which of them stop any of the same goods: everything, a product, a partner, a depot, a lot."""

from collections.abc import Collection
from typing import Any

import msgspec

from services.inventory.events import (
    DrawDispatched,
    DrawReturned,
    LotMoved,
    LotTakenIn,
    ReleaseCancelled,
    ReleaseLapsed,
    RightAssigned,
    StockAdjusted,
    StockDrawn,
    StockPinned,
    StockReleased,
)

_WHOLE = ("all", "product")


class _Release(msgspec.Struct):
    partner: str
    units: int  # of lots, not drawn yet
    pins: dict[str, int] = {}


class _Lot(msgspec.Struct):
    depots: set[str]  # that it lies, or lay, in
    units: int  # that are here


class _Goods(msgspec.Struct):
    """Of a product."""

    lots: dict[str, _Lot] = {}
    releases: dict[str, _Release] = {}
    draws: dict[str, tuple[str, set[str]]] = {}  # that are here -> whose, of which lots


class Stops:
    """All stockpiles, by product. What is stopped is written "all", "product", "partner/JP", "depot/Fremantle", "lot/lot_..."."""

    def __init__(self) -> None:
        self._goods: dict[str, _Goods] = {}

    def see(self, event: Any) -> None:
        goods = self._goods.setdefault(getattr(event, "product", ""), _Goods())
        match event:
            case LotTakenIn():
                goods.lots[event.lot] = _Lot({event.depot}, event.units)
            case LotMoved() if (lot := goods.lots.get(event.lot)) is not None:
                lot.depots.add(event.to_depot)
            case StockAdjusted() if (lot := goods.lots.get(event.lot)) is not None:
                lot.units += event.change_units
            case StockReleased():
                goods.releases[event.release] = _Release(event.partner, sum(count.units for count in event.units))
            case StockPinned() if (release := goods.releases.get(event.release)) is not None:
                release.pins = {pin.lot: pin.units for pin in event.lots}
            case ReleaseLapsed() | ReleaseCancelled():
                goods.releases.pop(event.release, None)
            case RightAssigned() if (release := goods.releases.get(event.release)) is not None:
                release.units -= sum(count.units for count in event.units)
                self._end_if(goods, event, release)
            case StockDrawn():
                self._draw(goods, event)
            case DrawDispatched():
                goods.draws.pop(event.draw, None)
                for parcel in event.parcels:
                    if (lot := goods.lots.get(parcel.lot)) is not None:
                        lot.units -= parcel.units
            case DrawReturned():
                goods.draws.pop(event.draw, None)
            case _:
                pass

    def overlap(self, product: str, one: str, other: str, *, drawn_together: bool = False) -> bool:
        """As things stand by now. `drawn_together`: lots of one draw, which leaves as a whole, count as one."""
        if one == other or one in _WHOLE or other in _WHOLE:
            return True
        goods = self._goods.get(product, _Goods())
        partners = [each.removeprefix("partner/") for each in (one, other) if each.startswith("partner/")]
        lots = [self._lots(goods, each) for each in (one, other) if not each.startswith("partner/")]
        if len(lots) == 1:
            return self._may_have(goods, partners[0], lots[0])
        if drawn_together and lots:
            lots[0] = lots[0].union(*(of for _, of in goods.draws.values() if not of.isdisjoint(lots[0])))
        return bool(lots) and not lots[0].isdisjoint(lots[1])

    def _lots(self, goods: _Goods, stops: str) -> set[str]:
        scope, _, target = stops.partition("/")
        if scope == "lot":
            return {target}
        return {name for name, lot in goods.lots.items() if lot.units > 0 and target in lot.depots}

    def _may_have(self, goods: _Goods, partner: str, lots: Collection[str]) -> bool:
        releases = [release for release in goods.releases.values() if release.partner == partner and release.units > 0]
        if lots and any(not release.pins for release in releases):
            return True
        pinned = {lot for release in releases for lot, units in release.pins.items() if units > 0}
        return not pinned.union(*(of for whose, of in goods.draws.values() if whose == partner)).isdisjoint(lots)

    def _draw(self, goods: _Goods, event: StockDrawn) -> None:
        goods.draws[event.draw] = event.partner, {parcel.lot for parcel in event.parcels}
        if (release := goods.releases.get(event.release)) is None:
            return
        release.units -= sum(parcel.units for parcel in event.parcels)
        for parcel in event.parcels if release.pins else ():
            release.pins = release.pins | {parcel.lot: release.pins.get(parcel.lot, 0) - parcel.units}
        self._end_if(goods, event, release)

    def _end_if(self, goods: _Goods, event: StockDrawn | RightAssigned, release: _Release) -> None:
        if not event.remaining_g or release.units <= 0:
            goods.releases.pop(event.release, None)
