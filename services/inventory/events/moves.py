"""What one person moves between the Reserve's own depots in an emergency, and another ratifies. Whose it is, and that the Reserve has it,
stays as it was."""

from datetime import datetime
from typing import Literal

from services.inventory.events.ids import DrawId, LotId, MoveId, Parcel, StockpileEvent, Units
from shared.journal.record import Grams

type MoveCause = Literal["fire", "flood", "contamination", "structure", "security"]


class LotMoved(StockpileEvent, frozen=True, kw_only=True, tag="inventory.lot_moved.v1"):
    """All of the lot that is here: `units` in stock and, by the `draw_moved` events that follow, what is drawn and has not left."""

    move: MoveId
    lot: LotId
    from_depot: str
    to_depot: str
    units: Units
    mass_g: Grams  # of these units
    cause: MoveCause
    moved_by: str
    ratify_by: datetime


class DrawMoved(StockpileEvent, frozen=True, kw_only=True, tag="inventory.draw_moved.v1"):
    """Drawn goods, with a lot that was moved."""

    move: MoveId
    draw: DrawId
    partner: str
    before: tuple[Parcel, ...]
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    held_g: Grams  # in the books: as weighed, or the nominal mass


class MoveRatified(StockpileEvent, frozen=True, kw_only=True, tag="inventory.move_ratified.v1"):
    move: MoveId
    lot: LotId
    ratified_by: str
    late: bool


class MoveRatificationMissed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.move_ratification_missed.v1"):
    """What is left of the lot is on hold: see the event after this one."""

    move: MoveId
    lot: LotId
    ratify_by: datetime
