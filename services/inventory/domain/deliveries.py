"""Deliveries: what a project owes a partner under rights that were assigned to it: delivered, substituted, postponed, given back, or failed
when its window passes.

What is failed is the Reserve's own doing as far as the partner goes: its quota and carry are given back, and it may ask again.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import assert_never

import msgspec

from services.inventory.domain.performing import later_by
from services.inventory.domain.programme import counted, tolerated
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Assignment, Stockpile, last_day, owed_under, programme_of
from services.inventory.events import (
    Assay,
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    DrawId,
    Event,
    PostponementCause,
    ProductId,
    RightId,
)
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.dating import Dated, undated


class DeliverAssignment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`partner`: who reports it, of what it is owed itself; None: an operator, and another person signs it. `drawn_on`: as looked up."""

    draw: DrawId
    right: RightId
    partner: str | None
    mass_g: int
    delivered_on: date
    evidence: TypedText
    drawn_on: date | None = None
    dated_because: Dated | None = None  # needed where it was not delivered on the day on which it is reported
    reported_on: date
    on: date


class SubstituteDelivery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Other goods for `mass_g` of what was assigned: `substitute` is a product, or the right's own, of another lot."""

    draw: DrawId
    right: RightId
    mass_g: int
    substitute: ProductId
    delivered_g: int
    assay: Assay
    delivered_on: date
    drawn_on: date | None = None
    on: date


class GiveBackAssignment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The partner asks for it."""

    draw: DrawId
    right: RightId
    partner: str
    mass_g: int
    on: date


class PostponeDelivery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By force majeure, of which the project has given notice, or as its partners have agreed."""

    right: RightId
    window_to: date
    cause: PostponementCause
    evidence: TypedText
    on: date


class FailAssignments(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the window of a right that was assigned has passed."""

    right: RightId
    on: date


DeliveryCommand = DeliverAssignment | SubstituteDelivery | GiveBackAssignment | PostponeDelivery | FailAssignments


def of_delivery(command: DeliveryCommand, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case DeliverAssignment():
            return _deliver(command, state)
        case SubstituteDelivery():
            return _substitute(command, state)
        case GiveBackAssignment():
            return _give_back(command, state)
        case PostponeDelivery():
            return _postpone(command, state)
        case FailAssignments():
            return _fail(command, state)
        case _:
            assert_never(command)


def _deliver(command: DeliverAssignment, state: Stockpile) -> Sequence[Event] | Refusal:
    assigned = _assigned(command.draw, command.right, command.partner, state)
    if isinstance(assigned, Refused):
        return assigned
    assert state.product is not None
    fault = _fault_of(command, assigned, state) or undated(command.delivered_on, command.reported_on, command.dated_because)
    if fault is not None:
        return fault
    delivered = AssignmentDelivered(
        product=state.product,
        draw=command.draw,
        right=command.right,
        partner=assigned.partner,
        mass_g=command.mass_g,
        remaining_g=assigned.mass_g - command.mass_g,
        delivered_on=command.delivered_on,
        evidence=command.evidence,
        late_days=0 if assigned.window_to is None else max(0, (command.delivered_on - assigned.window_to).days),
        dated_because=command.dated_because,
        reported_by="reserve" if command.partner is None else "partner",
    )
    return [delivered, *counted(state, command.right, command.mass_g, command.delivered_on)]


def _substitute(command: SubstituteDelivery, state: Stockpile) -> Sequence[Event] | Refusal:
    """No worse than what was assigned: in specification, of no lower grade in any element that the product is of, with no less of it."""
    assigned = _assigned(command.draw, command.right, None, state)
    if isinstance(assigned, Refused):
        return assigned
    assert state.product is not None
    if (fault := _fault_of(command, assigned, state)) is not None:
        return fault
    if not command.assay.in_specification:
        return Refused(Reason.SUBSTITUTE_INFERIOR, "its assay finds it out of specification", "/assay/in_specification", "true")
    for element, share in sorted(state.contents.items()):
        if not Fraction(share):
            continue
        found = Fraction(command.assay.contents.get(element, "0"))
        if found < Fraction(share):
            why = f"the product is of {share} {element}, and the substitute of {found}"
            return Refused(Reason.SUBSTITUTE_INFERIOR, why, f"/assay/contents/{element}", f"at least {share}")
        needed_g = command.mass_g * Fraction(share) / found
        if command.delivered_g < needed_g:
            least_g = -(-needed_g.numerator // needed_g.denominator)
            why = f"it contains less {element} than {command.mass_g} g of the product"
            return Refused(Reason.SUBSTITUTE_SHORT, why, "/delivered_g", f"at least {least_g}")
    delivered = AssignmentSubstituted(
        product=state.product,
        draw=command.draw,
        right=command.right,
        project=assigned.project,
        partner=assigned.partner,
        mass_g=command.mass_g,
        remaining_g=assigned.mass_g - command.mass_g,
        substitute=command.substitute,
        delivered_g=command.delivered_g,
        assay=command.assay,
        delivered_on=command.delivered_on,
    )
    return [delivered, *counted(state, command.right, command.mass_g, command.delivered_on)]


def _give_back(command: GiveBackAssignment, state: Stockpile) -> Sequence[Event] | Refusal:
    assigned = _assigned(command.draw, command.right, command.partner, state)
    if isinstance(assigned, Refused):
        return assigned
    assert state.product is not None
    if assigned.window_to is None or assigned.window_to < command.on:
        return Refused(Reason.DATE_IN_PAST, "its delivery window has closed: nobody could be offered it")
    if not 0 < command.mass_g <= assigned.mass_g:
        return Refused(Reason.QUANTITY_INVALID, f"{assigned.mass_g} g are still owed", "/mass_g", f"1 to {assigned.mass_g}")
    if command.mass_g % state.nominal_unit_g:
        return Refused(Reason.NOT_WHOLE_UNITS, "rights stay whole units", "/mass_g", f"a multiple of {state.nominal_unit_g} g")
    right = state.rights.get(command.right)
    return [
        AssignmentGivenBack(
            product=state.product,
            draw=command.draw,
            right=command.right,
            project=assigned.project,
            partner=assigned.partner,
            mass_g=command.mass_g,
            remaining_g=assigned.mass_g - command.mass_g,
            right_remaining_g=command.mass_g + (0 if right is None else right.mass_g),
            window_from=assigned.window_from if right is None else right.window_from,
            window_to=assigned.window_to,
        )
    ]


def _postpone(command: PostponeDelivery, state: Stockpile) -> Sequence[Event] | Refusal:
    windows = [owed.window_to for _, owed in owed_under(state, command.right) if owed.window_to is not None]
    if (right := state.rights.get(command.right)) is not None:
        windows.append(right.window_to)
    if state.product is None or not windows:
        return Refused(Reason.RIGHT_NOT_FOUND, f"nothing is owed under {command.right}")
    before = max(windows)
    if command.window_to <= before or command.window_to < command.on:
        later = f"after {max(before, command.on)}"
        return Refused(Reason.WINDOW_REVERSED, f"it is to be delivered by {before} as it is", "/window_to", later)
    programme, days = programme_of(state, command.right), (command.window_to - before).days
    most = programme.terms.force_majeure_days
    if command.cause == "force_majeure" and most is not None and programme.majeure_days + days > most:
        left = most - programme.majeure_days
        why = f"its terms allow force majeure {most} days in all, and {programme.majeure_days} of them are used"
        return Refused(
            Reason.FORCE_MAJEURE_EXHAUSTED, why, "/window_to", f"{before + timedelta(days=left)} or before" if left > 0 else None
        )
    return [
        DeliveryPostponed(
            product=state.product,
            right=command.right,
            window_to=command.window_to,
            before=before,
            cause=command.cause,
            evidence=command.evidence,
            grace_days=programme.terms.grace_days,
            tranches=tuple(later_by(tranche, days) for tranche in programme.tranches),
        )
    ]


def _fail(command: FailAssignments, state: Stockpile) -> Sequence[Event]:
    product = state.product
    if product is None:
        return []
    terms = programme_of(state, command.right).terms
    return [
        AssignmentClosed(
            product=product,
            draw=owed.draw,
            right=owed.right,
            project=owed.project,
            partner=owed.partner,
            mass_g=owed.mass_g,
            of_g=owed.assigned_g,
        )
        if tolerated(owed.mass_g, owed.assigned_g, terms.tolerance)
        else AssignmentFailed(
            product=product,
            draw=owed.draw,
            right=owed.right,
            project=owed.project,
            partner=owed.partner,
            decision=owed.decision,
            mass_g=owed.mass_g,
            release=owed.release,
        )
        for _, owed in owed_under(state, command.right)
        if owed.window_to is not None and last_day(owed.window_to, terms.grace_days) < command.on
    ]


def _assigned(draw: DrawId, right: RightId, partner: str | None, state: Stockpile) -> Assignment | Refusal:
    """`partner`: who asks; None: an operator."""
    assigned = state.assigned.get(f"{draw}/{right}")
    if assigned is None or partner not in (None, assigned.partner):
        return Refused(Reason.ASSIGNMENT_NOT_FOUND, f"nothing of {right} is owed under {draw}", "/draw")
    return assigned


def _fault_of(command: DeliverAssignment | SubstituteDelivery, assigned: Assignment, state: Stockpile) -> Refusal | None:
    """Why it is no delivery of what is owed. Whether the timer has failed it yet makes no difference."""
    if not 0 < command.mass_g <= assigned.mass_g:
        return Refused(Reason.QUANTITY_INVALID, f"{assigned.mass_g} g are still owed", "/mass_g", f"1 to {assigned.mass_g}")
    if command.delivered_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, "it is not delivered yet", "/delivered_on", f"{command.on} or before")
    if command.drawn_on is not None and command.delivered_on < command.drawn_on:
        detail = f"it was assigned on {command.drawn_on}"
        return Refused(Reason.DELIVERED_BEFORE_DRAWN, detail, "/delivered_on", f"{command.drawn_on} to {command.on}")
    if assigned.window_to is not None:
        last = last_day(assigned.window_to, programme_of(state, command.right).terms.grace_days)
        if command.delivered_on > last:
            why = f"it was to be delivered by {assigned.window_to}, and with grace by {last}"
            return Refused(Reason.DELIVERY_TOO_LATE, why, "/delivered_on", f"{last} or before")
    return None
