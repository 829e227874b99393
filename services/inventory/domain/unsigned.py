"""Unsigned: what the state of a stockpile keeps of what was done at once, until it is signed for, or ratified."""

from msgspec.structs import replace

from services.inventory.domain.state import Move, Stockpile, Suspense
from services.inventory.domain.weighing import with_weighing
from services.inventory.events import DifferenceSettled, DrawMoved, DrawWeighedAgain, LotMoved, MoveRatificationMissed, MoveRatified

type Unsigned = DrawWeighedAgain | DifferenceSettled | LotMoved | DrawMoved | MoveRatified | MoveRatificationMissed


def with_unsigned(state: Stockpile, event: Unsigned) -> Stockpile:
    match event:
        case DrawWeighedAgain():
            weighed_by = frozenset({event.first_by, event.weighed_by})
            draw, drift = with_weighing(state, event.draw, event.weighed_g, event.scale)
            draw = replace(draw, weighed_by=weighed_by)
            lacks = Suspense(event.partner, event.mass_g - event.weighed_g, weighed_by, event.sign_by)
            return replace(state, draws=state.draws.set(event.draw, draw), suspense=state.suspense.set(event.draw, lacks), drift=drift)
        case DifferenceSettled():
            return replace(state, suspense=state.suspense.delete(event.draw))
        case LotMoved():
            lot = state.lots[event.lot]
            lot = replace(lot, depot=event.to_depot, lay_in=(*lot.lay_in, event.from_depot))
            move = Move(event.lot, event.moved_by, event.ratify_by)
            return replace(state, lots=state.lots.set(event.lot, lot), moves=state.moves.set(event.move, move))
        case DrawMoved():
            moved = replace(state.draws[event.draw], parcels=event.parcels)
            return replace(state, draws=state.draws.set(event.draw, moved))
        case MoveRatified():
            return replace(state, moves=state.moves.delete(event.move))
        case MoveRatificationMissed():
            return replace(state, moves=state.moves.set(event.move, replace(state.moves[event.move], missed=True)))
