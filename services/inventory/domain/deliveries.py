"""Deliveries: what a project owes a partner under rights that were assigned to it: delivered, postponed, or failed when its window passes.

What is failed is the Reserve's own doing as far as the partner goes: its quota and carry are given back, and it may ask again.
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Assignment, Stockpile
from services.inventory.events import AssignmentDelivered, AssignmentFailed, DeliveryPostponed, DrawId, Event, RightId
from shared.journal.decider import Refused
from shared.journal.texts import TypedText


class DeliverAssignment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`partner`: who tells of it (None: an operator)."""

    draw: DrawId
    right: RightId
    partner: str | None
    mass_g: int
    delivered_on: date
    evidence: TypedText
    on: date


class PostponeDelivery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By force majeure, of which the project has given notice, or as its partners have agreed."""

    right: RightId
    window_to: date
    cause: Literal["force_majeure", "agreed"]
    evidence: TypedText
    on: date


class FailAssignments(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the window of a right that was assigned has passed."""

    right: RightId
    on: date


DeliveryCommand = DeliverAssignment | PostponeDelivery | FailAssignments


def deliver_assignment(command: DeliverAssignment, state: Stockpile) -> Sequence[Event] | Refusal:
    assigned = state.assigned.get(f"{command.draw}/{command.right}")
    if state.product is None or assigned is None or command.partner not in (None, assigned.partner):
        return Refused(Reason.ASSIGNMENT_NOT_FOUND, f"nothing of {command.right} is owed under {command.draw}", "/draw")
    if not 0 < command.mass_g <= assigned.mass_g:
        return Refused(Reason.QUANTITY_INVALID, f"{assigned.mass_g} g are still owed", "/mass_g", f"1 to {assigned.mass_g}")
    if command.delivered_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, "it is not delivered yet", "/delivered_on", f"{command.on} or before")
    return [
        AssignmentDelivered(
            product=state.product,
            draw=command.draw,
            right=command.right,
            partner=assigned.partner,
            mass_g=command.mass_g,
            remaining_g=assigned.mass_g - command.mass_g,
            delivered_on=command.delivered_on,
            evidence=command.evidence,
        )
    ]


def postpone_delivery(command: PostponeDelivery, state: Stockpile) -> Sequence[Event] | Refusal:
    owed = [assigned for _, assigned in _owed(state, command.right)]
    windows = [assigned.window_to for assigned in owed if assigned.window_to is not None]
    if (right := state.rights.get(command.right)) is not None:
        windows.append(right.window_to)
    if state.product is None or not windows:
        return Refused(Reason.RIGHT_NOT_FOUND, f"nothing is owed under {command.right}")
    before = max(windows)
    if command.window_to <= before or command.window_to < command.on:
        later = f"after {max(before, command.on)}"
        return Refused(Reason.WINDOW_REVERSED, f"it is to be delivered by {before} as it is", "/window_to", later)
    return [
        DeliveryPostponed(
            product=state.product,
            right=command.right,
            window_to=command.window_to,
            before=before,
            cause=command.cause,
            evidence=command.evidence,
        )
    ]


def fail_assignments(command: FailAssignments, state: Stockpile) -> Sequence[Event]:
    product = state.product
    if product is None:
        return []
    return [
        AssignmentFailed(
            product=product,
            draw=owed.draw,
            right=owed.right,
            project=owed.project,
            partner=owed.partner,
            decision=owed.decision,
            mass_g=owed.mass_g,
        )
        for _, owed in _owed(state, command.right)
        if owed.window_to is not None and owed.window_to < command.on
    ]


def _owed(state: Stockpile, right: RightId) -> list[tuple[str, Assignment]]:
    return [(name, assigned) for name, assigned in sorted(state.assigned.items()) if assigned.right == right]
