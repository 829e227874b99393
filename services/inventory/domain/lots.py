"""Lots: what comes in, what a laboratory says of it, and what a stock-take finds."""

from collections.abc import Sequence
from datetime import date

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Lot, Stockpile, held_g, short_g, unpinned_units
from services.inventory.events import (
    AdjustmentCause,
    Assay,
    AssayRecorded,
    CustodyModel,
    Event,
    LotId,
    LotTakenIn,
    RightId,
    Status,
    StockAdjusted,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText


class TakeInLot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`units` trade units come into `depot`. `on`: today."""

    lot: LotId
    depot: str
    units: int
    nominal_unit_g: int
    serials: tuple[str, ...] = ()
    origin: str
    custody_model: CustodyModel
    assay: Assay
    expires_on: date | None = None
    on: date


class RecordAssay(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A new ruling report: what is still in stock goes where it says, also what releases had reserved, which are then short."""

    lot: LotId
    assay: Assay


class AdjustStock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A stock-take found `change_units` more (or, below zero, fewer) than the books. Less than a unit shows when a draw is weighed."""

    lot: LotId
    change_units: int
    cause: AdjustmentCause
    reason: TypedText


def take_in_lot(command: TakeInLot, state: Stockpile, right: RightId | None = None) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered", "/product")
    if command.lot in state.lots:
        return Refused(Reason.ID_TAKEN, f"{command.lot} was taken in already", "/lot")
    if command.units <= 0 or command.nominal_unit_g <= 0:
        return Refused(Reason.QUANTITY_INVALID, "a lot has at least one unit of at least one gram", "/units")
    mass_g = command.units * command.nominal_unit_g
    if held_g(state) + mass_g > MAX_INTEGER:
        return Refused(Reason.QUANTITY_TOO_LARGE, "more grams than the books can hold", "/units", f"at most {MAX_INTEGER} g of a product")
    if command.serials and (len(command.serials) != command.units or len(set(command.serials)) != command.units):
        return Refused(Reason.SERIALS_MISMATCH, "serials must be one for each unit, all different, or none", "/serials")
    if command.expires_on is not None and command.expires_on < command.on:
        return Refused(Reason.DATE_IN_PAST, "the lot has expired already", "/expires_on", f"{command.on} or later")
    return [
        LotTakenIn(
            product=product,
            lot=command.lot,
            depot=command.depot,
            units=command.units,
            nominal_unit_g=command.nominal_unit_g,
            mass_g=mass_g,
            status=_status(command.assay.in_specification),
            serials=command.serials,
            origin=command.origin,
            custody_model=command.custody_model,
            assay=command.assay,
            expires_on=command.expires_on,
            right=right,
        )
    ]


def record_assay(command: RecordAssay, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (lot := state.lots.get(command.lot)) is None:
        return _lot_not_found(command.lot)
    before, after = _status(lot.in_specification), _status(command.assay.in_specification)
    moved = lot.units if before != after else 0
    return [
        AssayRecorded(
            product=state.product,
            lot=command.lot,
            depot=lot.depot,
            assay=command.assay,
            from_status=before,
            to_status=after,
            units=moved,
            mass_g=moved * lot.nominal_unit_g,
            short_g=_short_after(state, lot, after, moved),
        )
    ]


def _short_after(state: Stockpile, lot: Lot, after: Status, moved: int) -> int:
    shelf = state.shelves.get(lot.nominal_unit_g)
    free = shelf.free_units if shelf is not None else 0
    pinned = state.pinned.get(lot.turn[2], 0) if moved else 0
    sign = 1 if after == "available" else -1
    changed = free + sign * (moved - pinned)
    return short_g(state) + (max(0, -changed) - max(0, -free) - sign * pinned) * lot.nominal_unit_g


def adjust_stock(command: AdjustStock, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (lot := state.lots.get(command.lot)) is None:
        return _lot_not_found(command.lot)
    change = command.change_units
    if change == 0:
        return Refused(Reason.QUANTITY_INVALID, "an adjustment changes at least one unit", "/change_units")
    if change > 0 and held_g(state) + change * lot.nominal_unit_g > MAX_INTEGER:
        return Refused(Reason.QUANTITY_TOO_LARGE, "more grams than the books can hold", "/change_units")
    free = unpinned_units(state, command.lot)
    if lot.in_specification:
        free = min(free, state.shelves[lot.nominal_unit_g].free_units)
    if -change > max(0, free):
        return Refused(
            Reason.STOCK_NOT_FREE,
            f"only {max(0, free)} units of {command.lot} are free: the rest is released or drawn",
            "/change_units",
            f"{-max(0, free)} or more",
        )
    return [
        StockAdjusted(
            product=state.product,
            lot=command.lot,
            depot=lot.depot,
            status=_status(lot.in_specification),
            nominal_unit_g=lot.nominal_unit_g,
            change_units=change,
            change_g=change * lot.nominal_unit_g,
            cause=command.cause,
            reason=command.reason,
        )
    ]


def _status(in_specification: bool) -> Status:
    return "available" if in_specification else "quarantined"


def _lot_not_found(lot: LotId) -> Refusal:
    return Refused(Reason.LOT_NOT_FOUND, f"no lot {lot} has anything left in this stockpile", "/lot")
