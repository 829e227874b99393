"""Assignment: a draw met from rights. The partner gets the claim on the project; nothing leaves a depot."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g, open_rights, programme_of
from services.inventory.events import DrawId, ReleaseId, RightAssigned, Source, UnitCount
from shared.journal.decider import Refused


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a draw needs of rights."""

    reserved_g: int  # grams that its release has reserved of rights
    instead: Sequence[UnitCount]  # units that its release has reserved of lots, and that lots do not give


def assign_rights(
    state: Stockpile, draw: DrawId, release_id: ReleaseId, wanted: Wanted, remaining_g: int, on: date
) -> Sequence[RightAssigned] | Refusal:
    """Parts of firm rights, the first to close first. `remaining_g`: of the release, before them."""
    product, release = state.product, state.releases[release_id]
    assert product is not None
    reserved_g, instead = wanted.reserved_g, list(wanted.instead)
    if (short_g := _short_g(state, wanted, on)) > 0:
        return Refused(Reason.RIGHTS_SHORT, f"firm rights are {short_g} g short of this draw", "/mass_g")
    if any(count.nominal_unit_g % state.nominal_unit_g for count in instead):
        return _no_fitting_right()  # rights stay whole units of the product
    assigned: list[RightAssigned] = []
    for right_id, right in open_rights(state, on):
        left_g = right.mass_g
        from_reserved_g = min(reserved_g, left_g)
        reserved_g -= from_reserved_g
        units, instead = _fitting(instead, left_g - from_reserved_g)
        parts: list[tuple[Source, tuple[UnitCount, ...], int]] = [("rights", (), from_reserved_g), ("lots", units, mass_of(units))]
        for source, counts, mass_g in parts:
            if not mass_g:
                continue
            left_g -= mass_g
            remaining_g -= mass_g
            assigned.append(
                RightAssigned(
                    product=product,
                    draw=draw,
                    release=release_id,
                    partner=release.partner,
                    right=right_id,
                    project=right.project,
                    source=source,
                    units=counts,
                    mass_g=mass_g,
                    remaining_g=remaining_g,
                    right_remaining_g=left_g,
                    window_to=right.window_to,
                    grace_days=programme_of(state, right_id).terms.grace_days,
                )
            )
        if not reserved_g and not instead:
            return assigned
    return _no_fitting_right()


def _short_g(state: Stockpile, wanted: Wanted, on: date) -> int:
    """How far open rights are from covering it: what other releases have reserved is theirs."""
    free_g = free_rights_g(state, on)
    instead_g = mass_of(wanted.instead)
    if instead_g:
        return instead_g - max(0, free_g)
    return wanted.reserved_g - (free_g + state.reserved_rights_g)


def _fitting(wanted: Iterable[UnitCount], mass_g: int) -> tuple[tuple[UnitCount, ...], list[UnitCount]]:
    """What of the wanted units fits in `mass_g`, and the rest of them."""
    fitting: list[UnitCount] = []
    rest: list[UnitCount] = []
    for count in wanted:
        units = min(count.units, mass_g // count.nominal_unit_g)
        mass_g -= units * count.nominal_unit_g
        if units:
            fitting.append(UnitCount(nominal_unit_g=count.nominal_unit_g, units=units))
        if units < count.units:
            rest.append(UnitCount(nominal_unit_g=count.nominal_unit_g, units=count.units - units))
    return tuple(fitting), rest


def _no_fitting_right() -> Refusal:
    return Refused(Reason.RIGHTS_SHORT, "no firm right has whole units of the sizes that this draw needs", "/mass_g")


def mass_of(counts: Iterable[UnitCount]) -> int:
    return sum(count.nominal_unit_g * count.units for count in counts)
