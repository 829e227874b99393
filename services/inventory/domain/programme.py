"""Programme: the tranches in which a project delivers under a right, what counts of each, and what becomes of one that is not delivered."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, last_day, owed_under, programme_of
from services.inventory.events import Event, ProgrammeAgreed, RightId, Tranche, TrancheClosed, TrancheDelivered
from shared.journal.decider import Refused

MAX_TRANCHES = 120  # ten years of months: what is agreed must fit in one event


class PlannedTranche(msgspec.Struct, frozen=True, kw_only=True):
    window_from: date
    window_to: date  # inclusive
    mass_g: int


class AgreeProgramme(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All that is still to come under the right, to the Reserve and to partners, in this order."""

    right: RightId
    tranches: tuple[PlannedTranche, ...]
    on: date


class CloseTranches(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: a tranche's last day, and the days of grace, have passed."""

    right: RightId
    on: date


class Outstanding(msgspec.Struct, frozen=True):
    """What is to come under a right that may be called on."""

    project: str
    mass_g: int
    window_from: date
    window_to: date
    firm: bool


def outstanding(state: Stockpile, right_id: RightId) -> Outstanding | None:
    """Of the Reserve's own and of what was assigned, both; None: nothing."""
    owed = [assigned for _, assigned in owed_under(state, right_id)]
    owed_g = sum(assigned.mass_g for assigned in owed)
    if (right := state.rights.get(right_id)) is not None:
        firm = right.kind == "firm_offtake"
        return Outstanding(right.project, right.mass_g + owed_g, right.window_from, right.window_to, firm)
    last = max((assigned.window_to for assigned in owed if assigned.window_to is not None), default=None)
    if last is None:
        return None
    return Outstanding(owed[0].project, owed_g, min(assigned.window_from for assigned in owed), last, firm=True)


def agree_programme(command: AgreeProgramme, state: Stockpile) -> Sequence[Event] | Refusal:
    found = outstanding(state, command.right)
    if state.product is None or found is None:
        return Refused(Reason.RIGHT_NOT_FOUND, f"nothing is to come under {command.right}", "/right")
    if not found.firm:
        return Refused(Reason.RIGHT_NOT_EXERCISED, f"{command.right} is an option: exercise it first", "/right")
    if not 0 < len(command.tranches) <= MAX_TRANCHES:
        count = f"1 to {MAX_TRANCHES} tranches"
        return Refused(Reason.PROGRAMME_INVALID, f"a programme has {count}", "/tranches", count)
    planned_g = sum(tranche.mass_g for tranche in command.tranches)
    if planned_g != found.mass_g:
        all_g = f"{found.mass_g} g in all"
        return Refused(Reason.PROGRAMME_INCOMPLETE, f"its tranches are {planned_g} g, and {found.mass_g} g are to come", "/tranches", all_g)
    first = max(found.window_from, command.on)
    for place, tranche in enumerate(command.tranches):
        if (fault := _fault_of(tranche, place, first, found.window_to, state.nominal_unit_g)) is not None:
            return fault
        first = tranche.window_to + timedelta(days=1)
    programme = programme_of(state, command.right)
    tranches = tuple(
        Tranche(number=number, window_from=planned.window_from, window_to=planned.window_to, mass_g=planned.mass_g)
        for number, planned in enumerate(command.tranches, start=programme.numbered + 1)
    )
    return [ProgrammeAgreed(product=state.product, right=command.right, tranches=tranches, grace_days=programme.terms.grace_days)]


def _fault_of(tranche: PlannedTranche, place: int, first: date, last: date, unit_g: int) -> Refusal | None:
    field = f"/tranches/{place}"
    if tranche.mass_g <= 0 or tranche.mass_g % unit_g:
        whole = f"a multiple of {unit_g} g"
        return Refused(Reason.NOT_WHOLE_UNITS, "a tranche is of whole units", f"{field}/mass_g", whole)
    if tranche.window_to < tranche.window_from:
        return Refused(Reason.WINDOW_REVERSED, "the tranche ends before it begins", f"{field}/window_to")
    if tranche.window_from < first or tranche.window_to > last:
        days = f"{first} to {last}"
        why = "tranches follow each other within the right's window, and begin today at the earliest"
        return Refused(Reason.PROGRAMME_INVALID, why, field, days)
    return None


def counted(state: Stockpile, right: RightId, mass_g: int, delivered_on: date) -> Iterator[TrancheDelivered]:
    """What a delivery counts of each open tranche, the first due first."""
    assert state.product is not None
    for tranche in programme_of(state, right).tranches:
        if not mass_g:
            return
        taken_g = min(mass_g, tranche.left_g)
        mass_g -= taken_g
        yield TrancheDelivered(
            product=state.product,
            right=right,
            tranche=tranche.number,
            mass_g=taken_g,
            remaining_g=tranche.left_g - taken_g,
            delivered_on=delivered_on,
            late_days=max(0, (delivered_on - tranche.window_to).days),
        )


def close_tranches(command: CloseTranches, state: Stockpile) -> Sequence[Event]:
    if state.product is None:
        return []
    programme = programme_of(state, command.right)
    return [
        TrancheClosed(
            product=state.product,
            right=command.right,
            tranche=tranche.number,
            mass_g=tranche.left_g,
            outcome="short" if tolerated(tranche.left_g, tranche.mass_g, programme.terms.tolerance) else "failed",
        )
        for tranche in programme.tranches
        if last_day(tranche.window_to, programme.terms.grace_days) < command.on
    ]


def tolerated(missing_g: int, of_g: int, tolerance: str) -> bool:
    """Whether a delivery in which so much is missing counts as a whole one."""
    return missing_g <= of_g * Fraction(tolerance)
