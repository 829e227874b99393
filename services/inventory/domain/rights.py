"""Rights: claims on a project's future production. Only a firm one may be released; what is delivered under one becomes a lot."""

from collections.abc import Sequence
from datetime import date

import msgspec

from services.inventory.domain.lots import TakeInLot, take_in_lot
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g
from services.inventory.events import Event, RightAdded, RightId, RightKind, RightMatured
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER


class AddRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    right: RightId
    project: str
    kind: RightKind
    mass_g: int
    window_from: date
    window_to: date  # inclusive
    on: date


class MatureRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A delivery: `settled_g` of the claim (None: all that is left of it) ends, and what came is taken in as `delivery`."""

    right: RightId
    settled_g: int | None = None
    delivery: TakeInLot


def add_right(command: AddRight, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered", "/product")
    if command.right in state.rights:
        return Refused(Reason.ID_TAKEN, f"{command.right} was added already", "/right")
    if not 0 < command.mass_g <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "a right is of at least one gram", "/mass_g")
    if sum(right.mass_g for right in state.rights.values()) + command.mass_g > MAX_INTEGER:
        return Refused(Reason.QUANTITY_TOO_LARGE, "more grams than the books can hold", "/mass_g")
    if command.mass_g % state.nominal_unit_g:
        return Refused(Reason.NOT_WHOLE_UNITS, "a right is of whole units", "/mass_g", f"a multiple of {state.nominal_unit_g} g")
    if command.window_to < command.window_from:
        return Refused(Reason.WINDOW_REVERSED, "the delivery window ends before it begins", "/window_to")
    if command.window_to < command.on:
        return Refused(Reason.DATE_IN_PAST, "the delivery window has closed already", "/window_to", f"{command.on} or later")
    return [
        RightAdded(
            product=product,
            right=command.right,
            project=command.project,
            kind=command.kind,
            mass_g=command.mass_g,
            window_from=command.window_from,
            window_to=command.window_to,
        )
    ]


def mature_right(command: MatureRight, state: Stockpile) -> Sequence[Event] | Refusal:
    """A firm right that releases have reserved is not settled: they are drawn (assigned), or cancelled, first."""
    if state.product is None or (right := state.rights.get(command.right)) is None:
        return Refused(Reason.RIGHT_NOT_FOUND, f"no right {command.right} is open in this stockpile", "/right")
    settled_g = right.mass_g if command.settled_g is None else command.settled_g
    if not 0 < settled_g <= right.mass_g:
        return Refused(Reason.QUANTITY_INVALID, f"{right.mass_g} g of the right are open", "/settled_g", f"1 to {right.mass_g}")
    if settled_g % state.nominal_unit_g:  # what is left of a right stays whole units, so that it can be assigned
        return Refused(Reason.NOT_WHOLE_UNITS, "rights are settled in whole units", "/settled_g", f"a multiple of {state.nominal_unit_g} g")
    counts = right.kind == "firm_offtake" and right.window_to >= command.delivery.on
    if counts and settled_g > free_rights_g(state, command.delivery.on):
        return Refused(Reason.RIGHT_RELEASED, "releases have reserved this right: draw or cancel them first", "/settled_g")
    taken_in = take_in_lot(command.delivery, state, command.right)
    if isinstance(taken_in, Refused):
        return taken_in
    return [
        RightMatured(
            product=state.product,
            right=command.right,
            project=right.project,
            lot=command.delivery.lot,
            settled_g=settled_g,
            delivered_g=command.delivery.units * command.delivery.nominal_unit_g,
            remaining_g=right.mass_g - settled_g,
        ),
        *taken_in,
    ]
