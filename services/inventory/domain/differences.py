"""Differences: goods that weigh less than was drawn leave as two people have weighed them. What they lack is in suspense until a third
signs what became of it."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Draw, Stockpile, day_after, proposed_for
from services.inventory.domain.weighing import fault_of_scale, tolerance_g
from services.inventory.events import (
    AwardForwarded,
    CommandWithdrawn,
    DifferenceOverdue,
    DifferenceSettled,
    DrawId,
    DrawWeighedAgain,
    Event,
    SettledAs,
)
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity

SIGNED_WITHIN_DAYS = 2  # business days
CALENDAR = "AU-NSW"  # of these


class WeighAgain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By another person, on call, than has proposed the first weighing. `sign_by`: the last day to sign for what is missing."""

    draw: DrawId
    weighed_g: int
    scale: str | None = None
    by: str
    accounts: frozenset[str]  # of theirs, `by` among them
    duty: str
    sign_by: date


class SettleDifference(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What became of what is missing: it is lost, the scales were wrong, or it was found. `capacity`: of who signs, once somebody does."""

    draw: DrawId
    cause: Literal["loss", "measurement", "found"]
    capacity: Capacity | None = None


class MissDifference(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, once the last day has passed."""

    draw: DrawId
    on: date


DifferenceCommand = WeighAgain | SettleDifference | MissDifference


def of_difference(command: DifferenceCommand, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case WeighAgain():
            return weigh_again(command, state)
        case SettleDifference():
            return settle_difference(command, state)
        case MissDifference():
            return miss_difference(command, state)


def weigh_again(command: WeighAgain, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (draw := state.draws.get(command.draw)) is None:
        return Refused(Reason.DRAW_NOT_FOUND, f"no draw {command.draw} is waiting here")
    if not command.weighed_g > 0:
        return Refused(Reason.QUANTITY_INVALID, "goods weigh at least one gram", "/weighed_g")
    if (fault := fault_of_scale(state, command.scale)) is not None:
        return fault
    allowed_g = tolerance_g(state, draw, command.scale)
    if command.weighed_g >= draw.mass_g - allowed_g:
        detail = f"the draw is {draw.mass_g} g, and a scale may be {allowed_g} g wrong"
        return Refused(Reason.NOT_UNDERWEIGHT, detail, "/weighed_g", "an ordinary weighing, which another person signs if it is too much")
    if command.draw in state.suspense:
        wanted = f"a weighing that another person signs: POST /inventory/v1/draws/{command.draw}/weighing"
        return Refused(Reason.WEIGHED_AGAIN, f"two people have weighed {command.draw} already", accepted=wanted)
    first = _first_weighings(state, command.draw, draw)
    if not first:
        wanted = f"a weighing by another person: POST /inventory/v1/draws/{command.draw}/weighing"
        return Refused(Reason.NOT_WEIGHED_FIRST, f"no weighing of {command.draw} waits for a signature", accepted=wanted)
    others = [each for each in first if each[1] not in command.accounts]
    if not others:
        return Refused(Reason.WEIGHED_BY_SAME, f"{command.by} has weighed it first", accepted="a second person")
    proposal, first_by, first_g = min(others, key=lambda each: abs(each[2] - command.weighed_g))
    if abs(first_g - command.weighed_g) > allowed_g:
        nearer = f"within {allowed_g} g of {first_g} g, or another first weighing"
        return Refused(Reason.WEIGHINGS_DIFFER, f"{first_by} has weighed {first_g} g", "/weighed_g", nearer)
    again = DrawWeighedAgain(
        product=state.product,
        draw=command.draw,
        partner=draw.partner,
        parcels=draw.parcels,
        mass_g=draw.mass_g,
        before_g=draw.mass_g if draw.weighed_g is None else draw.weighed_g,
        first_g=first_g,
        first_by=first_by,
        first_proposal=proposal,
        weighed_g=command.weighed_g,
        weighed_by=command.by,
        duty=command.duty,
        sign_by=command.sign_by,
        scale=command.scale,
    )
    weighed = AwardForwarded(
        product=state.product, draw=command.draw, release=draw.release, partner=draw.partner, step="weighed", mass_g=draw.mass_g
    )
    done = CommandWithdrawn(proposal=proposal, reason=TypedText("weighed again by a second person"))
    return [again, weighed, done]


def settle_difference(command: SettleDifference, state: Stockpile) -> Sequence[Event] | Refusal:
    if command.draw not in state.suspense:
        return Refused(Reason.DIFFERENCE_NOT_FOUND, f"nothing that {command.draw} lacks is in suspense")
    return settled(state, command.draw, command.cause, command.capacity)


def miss_difference(command: MissDifference, state: Stockpile) -> Sequence[Event]:
    found = state.suspense.get(command.draw)
    if state.product is None or found is None or command.on <= found.sign_by:
        return []
    return [DifferenceOverdue(product=state.product, draw=command.draw, partner=found.partner, mass_g=found.mass_g, sign_by=found.sign_by)]


def settled(state: Stockpile, draw: DrawId, cause: SettledAs, capacity: Capacity | None) -> list[DifferenceSettled] | Refusal:
    """What the draw lacks is in suspense no longer, however it ends: a third person, who has not weighed it, signs. Nothing, if nothing
    is. `capacity`: of who signs."""
    found = state.suspense.get(draw) if state.suspense else None
    if state.product is None or found is None:
        return []
    if capacity is not None and not found.weighed_by.isdisjoint(capacity.accounts):
        return Refused(Reason.SIGNED_BY_WEIGHER, f"{capacity.by} has weighed it", accepted="a third person")
    signed_by = None if capacity is None else capacity.by
    partner, mass_g = found.partner, found.mass_g
    return [DifferenceSettled(product=state.product, draw=draw, partner=partner, mass_g=mass_g, cause=cause, signed_by=signed_by)]


def overtaken(state: Stockpile, draw: DrawId, signed: str | None) -> list[CommandWithdrawn]:
    """What else waits for a signature about what a draw weighs, once a weighing is signed: it is of before. `signed`: its proposal."""
    if signed is None:
        return []
    waiting = [name for name, _ in proposed_for(state, draw, "WeighDraw", "SettleDifference") if name != signed]
    return [CommandWithdrawn(proposal=name, reason=TypedText("it was weighed otherwise, and that is signed")) for name in waiting]


def difference_timers(event: DrawWeighedAgain | DifferenceSettled) -> Sequence[Timer | CancelTimer]:
    name = f"difference/{event.draw}"
    if isinstance(event, DifferenceSettled):
        return [CancelTimer(name)]
    due = day_after(event.sign_by)
    return [Timer(name, due, MissDifference(draw=event.draw, on=due))]


def _first_weighings(state: Stockpile, name: DrawId, draw: Draw) -> list[tuple[str, str, int]]:
    """(proposal, who, grams) of those that wait for a signature, have found less than was drawn, and were not weighed otherwise since."""
    waiting = [(proposal, min(waits.proposed_by), waits.command["weighed_g"]) for proposal, waits in proposed_for(state, name, "WeighDraw")]
    return [(proposal, by, weighed_g) for proposal, by, weighed_g in waiting if weighed_g < draw.mass_g and proposal not in draw.overtaken]
