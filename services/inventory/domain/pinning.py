"""Pinning: releases planned from the pools that a decision names, each pinned to lots of the pools that it takes from."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g, stopping_lot, unpinned_units, usable_units
from services.inventory.events import LotId, PinnedUnits, ReleaseId, Source, UnitCount
from shared.journal.decider import Refused

MAX_PINNED_LOTS = 500  # of one release: its event must fit in 64 KiB


class ReleasePool(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the supply. `lots`: those that it consists of. A pool of lots that names none is of all that the round's other pools do
    not name; where no pool names any, nothing is pinned."""

    pool: str
    source: Source
    lots: tuple[LotId, ...] = ()


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """Whole units of a pool, of one size."""

    pool: str
    unit_g: int
    units: int


class Planned(msgspec.Struct, frozen=True):
    """What one release is of."""

    units: tuple[UnitCount, ...]  # of lots, largest first
    rights_g: int
    pins: tuple[PinnedUnits, ...]


class Pools:
    """What the pools of one round can still give, on one day. Its cost is that of the lots, once, and then of what is taken."""

    def __init__(self, pools: Sequence[ReleasePool], state: Stockpile, on: date) -> None:
        self._state = state
        self._sources = {pool.pool: pool for pool in pools}
        self._usable = usable_units(state, on)
        self._spare_g = max(0, sum(unit_g * units for unit_g, units in self._usable.items()) - state.protected_g)
        self._rights_g = free_rights_g(state, on)
        self._left: dict[LotId, int] = {}
        self._rows: dict[tuple[str, int], list[LotId]] = {}  # pool and size -> lots with something left, the next one last
        named = {lot for pool in pools for lot in pool.lots}
        self._pins = bool(named)
        for pool in pools:
            if named and pool.source == "lots":
                self._line_up(pool.pool, pool.lots or [lot for lot in state.lots if lot not in named], on)

    def _line_up(self, pool: str, lots: Iterable[LotId], on: date) -> None:
        state = self._state
        known = [lot for lot in lots if lot in state.lots]  # one that is used up since the decision is not
        for lot_id in sorted(known, key=lambda lot: state.lots[lot].turn, reverse=True):
            lot, units = state.lots[lot_id], unpinned_units(state, lot_id)
            stopped = lot.turn[0] < on or stopping_lot(state, on, lot_id, lot.depot) is not None
            if units and lot.in_specification and not stopped:
                self._left[lot_id] = units
                self._rows.setdefault((pool, lot.nominal_unit_g), []).append(lot_id)

    def take(self, release: ReleaseId, takes: Sequence[Take], *, lent: bool) -> Planned | Refusal:
        """What this release is of. A refusal ends the round, so what was taken before it does not matter."""
        counts: dict[int, int] = {}
        pins: dict[LotId, PinnedUnits] = {}
        rights_g = 0
        for take in takes:
            pool, mass_g = self._sources.get(take.pool), take.unit_g * take.units
            if pool is None or take.unit_g <= 0 or take.units <= 0:
                return Refused(Reason.QUANTITY_INVALID, f"{release} takes {take.units} units of {take.pool}")
            if pool.source == "rights":
                if lent:
                    return Refused(Reason.LOAN_OF_GOODS, f"{release} is a loan, and {take.pool} is of rights")
                if mass_g % self._state.nominal_unit_g:
                    return Refused(Reason.NOT_WHOLE_UNITS, f"{release} takes {mass_g} g of rights, which is not a number of whole units")
                rights_g += mass_g
                continue
            if not self._pin(take, pins) or self._usable.get(take.unit_g, 0) < take.units:
                return Refused(Reason.STOCK_SHORT, f"{take.pool} is short of the {mass_g} g that {release} takes of it")
            self._usable[take.unit_g] -= take.units
            self._spare_g -= mass_g
            counts[take.unit_g] = counts.get(take.unit_g, 0) + take.units
        self._rights_g -= rights_g
        if rights_g and self._rights_g < 0:
            return Refused(Reason.RIGHTS_SHORT, f"firm rights are {-self._rights_g} g short of {release}")
        if counts and self._spare_g < 0:
            return Refused(Reason.STOCK_PROTECTED, f"{release} would take {-self._spare_g} g that are protected")
        if len(pins) > MAX_PINNED_LOTS:
            return Refused(Reason.TOO_MANY_LOTS, f"{release} takes {len(pins)} lots, and may take {MAX_PINNED_LOTS}")
        units = tuple(UnitCount(nominal_unit_g=unit_g, units=counts[unit_g]) for unit_g in sorted(counts, reverse=True))
        return Planned(units, rights_g, tuple(pins.values()))

    def _pin(self, take: Take, pins: dict[LotId, PinnedUnits]) -> bool:
        """Whether the pool's lots have so much: first-expiring, then oldest."""
        if not self._pins:
            return True
        row, wanted = self._rows.get((take.pool, take.unit_g), []), take.units
        while wanted and row:
            lot_id = row[-1]
            units = min(wanted, self._left[lot_id])
            if units:
                before = pins[lot_id].units if lot_id in pins else 0
                pins[lot_id] = PinnedUnits(lot=lot_id, nominal_unit_g=take.unit_g, units=before + units)
            wanted -= units
            self._left[lot_id] -= units
            if not self._left[lot_id]:
                row.pop()
        return not wanted
