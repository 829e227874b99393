"""Draws: stock taken under a release, as goods from lots or by assignment of rights."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from services.inventory.domain.assignment import Wanted, assign_rights, mass_of
from services.inventory.domain.evolve import pins_after
from services.inventory.domain.loans import closed_gate, lent
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.releases import release_not_found, split_with_rights
from services.inventory.domain.signing import fault_of_signature
from services.inventory.domain.state import Release, Stockpile, held_round, stopping_lot, stopping_partner, unpinned_units, until_when
from services.inventory.events import DrawId, Event, LotId, Parcel, PinnedUnits, ReleaseId, SignedDraw, StockDrawn, StockPinned, UnitCount
from shared.journal.decider import Refused

MAX_PARCELS = 256  # of one draw: its event must fit in 64 KiB


class DrawStock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Take `mass_g` under a release. `partner`: who asks (None: an operator). `on`: today.

    First-expiring then oldest lots, unless `lots` names them; of a release that is pinned to lots, those. What lots do not cover is met
    from firm rights if `assign_rights`: its partner alone takes a claim for goods. `signers`: the partners that have keys, as looked up;
    `signed`: by one of `partner`'s, as verified.
    """

    draw: DrawId
    release: ReleaseId
    partner: str | None
    mass_g: int
    lots: tuple[LotId, ...] = ()
    assign_rights: bool = False
    signers: frozenset[str] = frozenset()
    signed: SignedDraw | None = None
    on: date


def draw_stock(command: DrawStock, state: Stockpile) -> Sequence[Event] | Refusal:
    release = state.releases.get(command.release)
    if state.product is None or release is None or (command.partner is not None and command.partner != release.partner):
        return release_not_found(command.release)
    if (unsigned := fault_of_signature(release.partner, command.signers, command.signed)) is not None:
        return unsigned
    if command.draw in state.draws:
        return Refused(Reason.ID_TAKEN, f"{command.draw} is drawn already", "/draw")
    if (hold := stopping_partner(state, command.on, release.partner)) is not None:
        return Refused(Reason.ON_HOLD, f"{hold} stops this draw {until_when(state, hold)}")
    if (held := held_round(state, release.decision)) is not None:
        return Refused(Reason.ON_HOLD, f"the decision of {held} is not ratified")
    if command.on > release.expires_on:
        return Refused(Reason.RELEASE_LAPSED, f"the release could be drawn through {release.expires_on}")
    loan = state.loans.get(command.release) if state.loans else None
    if loan is not None and (fault := closed_gate(loan, command.on)) is not None:
        return fault
    if command.mass_g <= 0:
        return Refused(Reason.QUANTITY_INVALID, "a draw is of at least one unit", "/mass_g")
    if command.mass_g > release.mass_g:
        return Refused(Reason.RELEASE_EXCEEDED, f"{release.mass_g} g are left of the release", "/mass_g", f"at most {release.mass_g}")
    reserved = {count.nominal_unit_g: count.units for count in release.units}
    wanted, on_rights_g = split_with_rights(command.mass_g, reserved, command.mass_g, state.nominal_unit_g)
    if on_rights_g > release.rights_g or on_rights_g % state.nominal_unit_g:
        return _not_whole_units(release)
    picked = _pick(command, state, release, wanted)
    if isinstance(picked, Refused):
        return picked
    parcels, missing = picked
    if len(parcels) > MAX_PARCELS:
        return Refused(Reason.TOO_MANY_LOTS, f"the draw takes {len(parcels)} lots", "/mass_g", f"at most {MAX_PARCELS} lots a draw")
    if missing and (loan is not None or not command.assign_rights):
        return _loan_of_goods() if command.assign_rights else _short(command, state, release, missing)
    if missing and command.partner is None:
        detail = f"{mass_of(missing)} g of goods would become a claim on a project"
        return Refused(Reason.RIGHTS_NOT_ASKED, detail, "/assign_rights", f"false, or a draw by {release.partner} itself")
    drawn: list[Event] = []
    remaining_g = release.mass_g
    if parcels:
        drawn_g = sum([parcel.mass_g for parcel in parcels])
        remaining_g -= drawn_g
        goods = StockDrawn(
            product=state.product,
            draw=command.draw,
            release=command.release,
            partner=release.partner,
            parcels=tuple(parcels),
            mass_g=drawn_g,
            remaining_g=remaining_g,
            signed=command.signed,
        )
        drawn.append(goods)
        if loan is not None:
            drawn.append(lent(goods, loan, state))
    if on_rights_g or missing:
        wanted_rights = Wanted(reserved_g=on_rights_g, instead=missing)
        assigned = assign_rights(state, command.draw, command.release, wanted_rights, remaining_g, command.on)
        if isinstance(assigned, Refused):
            return assigned
        if command.signed is not None and not parcels:
            assigned = [msgspec.structs.replace(assigned[0], signed=command.signed), *assigned[1:]]
        drawn += assigned
        if release.pins and missing and assigned[-1].remaining_g:
            pins = _without(pins_after(release.pins, parcels), missing, state, command.on)
            drawn.append(StockPinned(product=state.product, release=command.release, partner=release.partner, lots=pins))
    return drawn


def _without(pins: Sequence[PinnedUnits], missing: Iterable[UnitCount], state: Stockpile, on: date) -> tuple[PinnedUnits, ...]:
    """The pins that are left where rights stand in for what is missing: those go first that cannot be drawn, then the last."""
    units = [pin.units for pin in pins]
    for count in missing:
        left = count.units
        order = sorted(range(len(pins)), key=lambda place: (_fault_of_lot(pins[place].lot, state, on) is None, -place))
        for place in order:
            if pins[place].nominal_unit_g == count.nominal_unit_g:
                taken = min(left, units[place])
                units[place] -= taken
                left -= taken
    return tuple(msgspec.structs.replace(pin, units=rest) for pin, rest in zip(pins, units, strict=True) if rest)


def _loan_of_goods() -> Refusal:
    return Refused(Reason.LOAN_OF_GOODS, "what is lent comes back, and a right that is assigned does not", "/assign_rights", "false")


def _not_whole_units(release: Release) -> Refusal:
    sizes = [f"{count.units} units of {count.nominal_unit_g} g" for count in release.units]
    if release.rights_g:
        sizes.append(f"{release.rights_g} g of rights")
    return Refused(Reason.NOT_WHOLE_UNITS, "a draw is of whole units", "/mass_g", f"whole units out of {' and '.join(sizes)}")


def _pick(
    command: DrawStock, state: Stockpile, release: Release, wanted: Iterable[UnitCount]
) -> tuple[list[Parcel], list[UnitCount]] | Refusal:
    """Parcels for the wanted units, and the units that no lot may give."""
    pins = {pin.lot: pin.units for pin in release.pins}
    named = dict.fromkeys(command.lots)
    for lot_id in named:
        if (fault := _fault_of_lot(lot_id, state, command.on)) is not None:
            return fault
        if pins and lot_id not in pins:
            return Refused(Reason.LOT_UNAVAILABLE, f"{lot_id} is none of the lots that the release is of", "/lots", ", ".join(pins))
    parcels: list[Parcel] = []
    missing: list[UnitCount] = []
    for count in wanted:
        unit_g, left = count.nominal_unit_g, count.units
        for lot_id in named or pins or (turn[2] for turn in state.shelves[unit_g].queue):
            lot = state.lots[lot_id]
            if lot.nominal_unit_g != unit_g or lot.turn[0] < command.on:
                continue
            if stopping_lot(state, command.on, lot_id, lot.depot) is not None:
                continue
            units = min(left, lot.units)
            if pins:
                units = min(units, pins[lot_id]) if lot.in_specification else 0
            elif state.pinned:
                units = min(units, unpinned_units(state, lot_id))
            if not units:
                continue
            parcels.append(Parcel(lot=lot_id, depot=lot.depot, nominal_unit_g=unit_g, units=units, mass_g=units * unit_g))
            left -= units
            if not left:
                break
        if left:
            missing.append(UnitCount(nominal_unit_g=unit_g, units=left))
    return parcels, missing


def _fault_of_lot(lot_id: LotId, state: Stockpile, on: date) -> Refusal | None:
    """Why nothing of the lot may be drawn on that day."""
    if (lot := state.lots.get(lot_id)) is None:
        return Refused(Reason.LOT_NOT_FOUND, f"no lot {lot_id} has anything left in this stockpile", "/lots")
    if not lot.units or not lot.in_specification or lot.turn[0] < on:
        return Refused(Reason.LOT_UNAVAILABLE, f"nothing of {lot_id} may be drawn", "/lots")
    if (hold := stopping_lot(state, on, lot_id, lot.depot)) is not None:
        return Refused(Reason.ON_HOLD, f"{hold} stops {lot_id} {until_when(state, hold)}", "/lots")
    return None


def _short(command: DrawStock, state: Stockpile, release: Release, missing: Iterable[UnitCount]) -> Refusal:
    """Whether holds or the stock itself stand in the way."""
    short_g = mass_of(missing)
    if command.lots:
        return Refused(Reason.STOCK_SHORT, f"the named lots are {short_g} g short", "/lots")
    held = (
        hold
        for count in missing
        for lot_id in [pin.lot for pin in release.pins] or [turn[2] for turn in state.shelves[count.nominal_unit_g].queue]
        if (hold := stopping_lot(state, command.on, lot_id, state.lots[lot_id].depot)) is not None
    )
    if (hold := next(held, None)) is not None:
        return Refused(Reason.ON_HOLD, f"{hold} stops lots that the draw needs {until_when(state, hold)}: {short_g} g short")
    whose = "that the release is of" if release.pins else "in specification"
    return Refused(Reason.STOCK_SHORT, f"the lots {whose} are {short_g} g short of this draw")
