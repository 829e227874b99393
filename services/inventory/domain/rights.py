"""Rights: claims on a project's future production. Only a firm one, or an option that is exercised, may be released; what is delivered
under one becomes a lot."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import assert_never

import msgspec

from services.inventory.domain.lots import TakeInLot, take_in_lot
from services.inventory.domain.programme import counted, outstanding
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g, owed_under, programme_of
from services.inventory.events import (
    AssignmentFailed,
    Event,
    RightAdded,
    RightExercised,
    RightId,
    RightKind,
    RightMatured,
    RightTerminated,
    RightTerms,
    TerminationCause,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER


class AddRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    right: RightId
    project: str
    kind: RightKind
    mass_g: int
    window_from: date
    window_to: date  # inclusive
    terms: RightTerms | None = None
    on: date


class ExerciseRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Notice to the project, given on the day `on`, that all of an option or a first refusal is called on."""

    right: RightId
    deliver_from: date
    on: date


class TerminateRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    right: RightId
    cause: TerminationCause
    on: date


class MatureRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A delivery: `settled_g` of the claim (None: all that is left of it) ends, and what came is taken in as `delivery`."""

    right: RightId
    settled_g: int | None = None
    delivery: TakeInLot


RightCommand = AddRight | ExerciseRight | TerminateRight | MatureRight


def of_right(command: RightCommand, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case AddRight():
            return _add(command, state)
        case ExerciseRight():
            return _exercise(command, state)
        case TerminateRight():
            return _terminate(command, state)
        case MatureRight():
            return _mature(command, state)
        case _:
            assert_never(command)


def _add(command: AddRight, state: Stockpile) -> Sequence[Event] | Refusal:
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
            terms=command.terms,
        )
    ]


def _exercise(command: ExerciseRight, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (right := state.rights.get(command.right)) is None:
        return Refused(Reason.RIGHT_NOT_FOUND, f"no right {command.right} is open in this stockpile", "/right")
    if right.kind == "firm_offtake":
        return Refused(Reason.RIGHT_FIRM, f"{command.right} is firm: there is nothing to exercise", "/right")
    programme = programme_of(state, command.right)
    notice = timedelta(days=programme.terms.notice_days)
    first = max(right.window_from, command.on + notice)
    if first > right.window_to:
        last = right.window_to - notice
        return Refused(Reason.NOTICE_TOO_SHORT, f"the last day to give notice was {last}", "/deliver_from")
    if command.deliver_from < command.on + notice:
        why = f"notice is given {notice.days} days before the first delivery"
        return Refused(Reason.NOTICE_TOO_SHORT, why, "/deliver_from", f"{first} or later")
    if not right.window_from <= command.deliver_from <= right.window_to:
        return Refused(Reason.OUTSIDE_WINDOW, "it is outside the right's window", "/deliver_from", f"{first} to {right.window_to}")
    return [
        RightExercised(
            product=state.product,
            right=command.right,
            project=right.project,
            mass_g=right.mass_g,
            notice_days=notice.days,
            deliver_from=command.deliver_from,
            window_to=right.window_to,
            tranche=programme.numbered + 1,
            grace_days=programme.terms.grace_days,
        )
    ]


def _terminate(command: TerminateRight, state: Stockpile) -> Sequence[Event] | Refusal:
    """By agreement, or since so many tranches have failed as the terms say. Partners' claims end with it, by no doing of theirs."""
    product, found = state.product, outstanding(state, command.right)
    if product is None or found is None:
        return Refused(Reason.RIGHT_NOT_FOUND, f"nothing is to come under {command.right}", "/right")
    programme, right = programme_of(state, command.right), state.rights.get(command.right)
    needed = programme.terms.failures_to_terminate
    if command.cause == "repeated_failure" and (needed is None or programme.failures < needed):
        allowed = "its terms allow it by agreement only" if needed is None else f"its terms allow it after {needed}"
        accepted = "agreed" if needed is None else f"{needed} failed tranches, or agreed"
        return Refused(Reason.FAILURES_TOO_FEW, f"{programme.failures} tranches have failed: {allowed}", "/cause", accepted)
    counts = right is not None and right.kind == "firm_offtake" and right.window_to >= command.on
    if counts and right is not None and right.mass_g > free_rights_g(state, command.on):
        return Refused(Reason.RIGHT_RELEASED, "releases have reserved this right: cancel them first")
    ended = RightTerminated(
        product=product,
        right=command.right,
        project=found.project,
        cause=command.cause,
        failures=programme.failures,
        mass_g=0 if right is None else right.mass_g,
    )
    failed = [
        AssignmentFailed(
            product=product,
            draw=owed.draw,
            right=owed.right,
            project=owed.project,
            partner=owed.partner,
            decision=owed.decision,
            mass_g=owed.mass_g,
            release=owed.release,
            cause="terminated",
        )
        for _, owed in owed_under(state, command.right)
    ]
    return [ended, *failed]


def _mature(command: MatureRight, state: Stockpile) -> Sequence[Event] | Refusal:
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
    delivered_g = command.delivery.units * command.delivery.nominal_unit_g
    tolerance = Fraction(programme_of(state, command.right).terms.tolerance)
    if command.right in state.programmes and delivered_g < settled_g * (1 - tolerance):
        most_g = int(delivered_g / (1 - tolerance)) // state.nominal_unit_g * state.nominal_unit_g
        why = f"{delivered_g} g are less than its terms take for {settled_g} g"
        return Refused(Reason.DELIVERY_SHORT, why, "/settled_g", f"at most {most_g}")
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
            delivered_g=delivered_g,
            remaining_g=right.mass_g - settled_g,
        ),
        *taken_in,
        *counted(state, command.right, settled_g, command.delivery.on),
    ]
