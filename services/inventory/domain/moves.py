"""Moves: in an emergency one person brings a lot to another of the Reserve's own depots, at once. Another ratifies it within a day, or what
is left of the lot is on hold. Nothing changes whose it is, and nothing leaves the Reserve's custody."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256

import msgspec

from services.inventory.domain.extending import extended
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, stop_key
from services.inventory.events import (
    DrawMoved,
    Event,
    HoldId,
    HoldLifted,
    HoldPutOn,
    LotId,
    LotMoved,
    MoveCause,
    MoveId,
    MoveRatificationMissed,
    MoveRatified,
)
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText

RATIFIED_WITHIN = timedelta(hours=24)


class MoveLot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`own_depots`: those that signed intakes have brought goods into, as looked up."""

    move: MoveId
    lot: LotId
    to_depot: str
    cause: MoveCause
    own_depots: tuple[str, ...]
    by: str
    on: date
    at: datetime


class RatifyMove(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By another person; late, too: what was put on hold for it is free again."""

    move: MoveId
    by: str
    accounts: frozenset[str]  # of theirs, `by` among them
    on: date


class MissMove(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, once the instant has passed."""

    move: MoveId
    on: date


MoveCommand = MoveLot | RatifyMove | MissMove


def of_move(command: MoveCommand, state: Stockpile) -> Sequence[Event] | Refusal:
    match command:
        case MoveLot():
            return move_lot(command, state)
        case RatifyMove():
            return ratify_move(command, state)
        case MissMove():
            return miss_move(command, state)


def move_lot(command: MoveLot, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None or (lot := state.lots.get(command.lot)) is None:
        return Refused(Reason.LOT_NOT_FOUND, f"no lot {command.lot} has anything left in this stockpile", "/lot")
    if command.to_depot == lot.depot:
        return Refused(Reason.MOVED_NOWHERE, f"{command.lot} is in {lot.depot}", "/to_depot", "another depot")
    if command.to_depot not in command.own_depots:
        own = ", ".join(sorted(command.own_depots))
        return Refused(Reason.DEPOT_UNKNOWN, f"no goods were ever taken in to {command.to_depot}", "/to_depot", own)
    moved = LotMoved(
        product=product,
        move=command.move,
        lot=command.lot,
        from_depot=lot.depot,
        to_depot=command.to_depot,
        units=lot.units,
        mass_g=lot.units * lot.nominal_unit_g,
        cause=command.cause,
        moved_by=command.by,
        ratify_by=command.at.replace(microsecond=0) + RATIFIED_WITHIN,
    )
    events: list[Event] = [moved]
    for name, draw in sorted(state.draws.items()) if lot.drawn_units else ():
        parcels = tuple(msgspec.structs.replace(each, depot=command.to_depot) if each.lot == command.lot else each for each in draw.parcels)
        if parcels != draw.parcels:
            events.append(
                DrawMoved(
                    product=product,
                    move=command.move,
                    draw=name,
                    partner=draw.partner,
                    before=draw.parcels,
                    parcels=parcels,
                    mass_g=draw.mass_g,
                    held_g=draw.mass_g if draw.weighed_g is None else draw.weighed_g,
                )
            )
    return [*events, *_taken_on(moved, state)]


def ratify_move(command: RatifyMove, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (move := state.moves.get(command.move)) is None:
        return Refused(Reason.MOVE_NOT_FOUND, f"no move {command.move} waits to be ratified")
    if move.moved_by in command.accounts:
        return Refused(Reason.MOVE_OWN, f"{command.move} is by the same person", accepted="a second person")
    ratified = MoveRatified(product=state.product, move=command.move, lot=move.lot, ratified_by=command.by, late=move.missed)
    hold = hold_of(command.move)
    if not move.missed or hold not in state.holds:
        return [ratified]
    off = HoldLifted(product=state.product, hold=hold, reason=TypedText("the move is ratified"), authority=None)
    return [ratified, off, *extended(state, hold, command.on)]


def miss_move(command: MissMove, state: Stockpile) -> Sequence[Event]:
    if state.product is None or (move := state.moves.get(command.move)) is None or move.missed:
        return []
    missed = MoveRatificationMissed(product=state.product, move=command.move, lot=move.lot, ratify_by=move.ratify_by)
    if move.lot not in state.lots:
        return [missed]
    hold = HoldPutOn(
        product=state.product,
        hold=hold_of(command.move),
        scope="lot",
        target=move.lot,
        reason=TypedText("nobody else has ratified its move"),
        authority=TypedText(f"move {command.move}"),
        expires_on=None,
        put_on_on=command.on,
    )
    return [missed, hold]


def move_timers(event: LotMoved | MoveRatified) -> Sequence[Timer | CancelTimer]:
    name = f"move/{event.move}"
    if isinstance(event, MoveRatified):
        return [CancelTimer(name)]
    missed = MissMove(move=event.move, on=event.ratify_by.date())
    return [Timer.at_instant(name, event.ratify_by, missed)]


def hold_of(move: MoveId) -> HoldId:
    """`mov_01j...` -> `hld_01j...`"""
    return HoldId(f"hld_{move.removeprefix('mov_')}")


def _taken_on(event: LotMoved, state: Stockpile) -> Iterator[HoldPutOn]:
    """What stopped the lot in its depot stops it in the next: each hold since its first day, for who put it on, and to the same end."""
    for name in state.stops.get(stop_key("depot", event.from_depot), ()):
        hold = state.holds[name]
        yield HoldPutOn(
            product=event.product,
            hold=HoldId(f"hld_0{sha256(f'{event.move}/{name}'.encode()).hexdigest()[:25]}"),
            scope="lot",
            target=event.lot,
            reason=TypedText(f"it was moved out of a depot that {name} stops"),
            authority=TypedText(f"move {event.move}"),
            expires_on=hold.expires_on,
            put_on_on=hold.since,
            put_on_by=hold.by,
            lapses_at=hold.lapses_at,
            takes_on=name,
        )
