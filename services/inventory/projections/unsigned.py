"""Read tables of what is done at once and signed for, or ratified, later: differences in suspense, and moves. Few commits have any."""

from collections.abc import Awaitable, Callable
from datetime import date

from services.inventory.events import (
    DifferenceSettled,
    DrawMoved,
    DrawWeighedAgain,
    LotMoved,
    MoveRatificationMissed,
    MoveRatified,
)
from services.inventory.tables import MoveStatus
from shared.journal.connection import Connection, Project, as_json
from shared.journal.record import Fact
from shared.journal.waves import beside


async def _weighed_again(connection: Connection, fact: Fact) -> None:
    event: DrawWeighedAgain = fact.event
    await connection.execute("UPDATE draws SET weighed_g = $2 WHERE draw = $1", event.draw, event.weighed_g)
    await connection.execute(
        """INSERT INTO differences (id, draw, product, partner, mass_g, weighed_g, first_by, weighed_by, weighed_on, sign_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        *(f"{event.draw}/{fact.place}", event.draw, event.product, event.partner, event.mass_g - event.weighed_g, event.weighed_g),
        *(event.first_by, event.weighed_by, _day_of(fact), event.sign_by),
    )


async def _settled(connection: Connection, fact: Fact) -> None:
    event: DifferenceSettled = fact.event
    await connection.execute(
        "UPDATE differences SET settled_on = $2, cause = $3 WHERE draw = $1 AND settled_on IS NULL", event.draw, _day_of(fact), event.cause
    )


async def _lot_moved(connection: Connection, fact: Fact) -> None:
    event: LotMoved = fact.event
    await connection.execute("UPDATE lots SET depot = $2 WHERE lot = $1", event.lot, event.to_depot)
    await connection.execute(
        """INSERT INTO moves (move, product, lot, from_depot, to_depot, cause, moved_by, moved_on, ratify_by, status)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        *(event.move, event.product, event.lot, event.from_depot, event.to_depot, event.cause, event.moved_by),
        *(_day_of(fact), event.ratify_by, MoveStatus.MOVED),
    )


async def _draw_moved(connection: Connection, fact: Fact) -> None:
    event: DrawMoved = fact.event
    await connection.execute("UPDATE draws SET parcels = $2::jsonb WHERE draw = $1", event.draw, as_json(event.parcels))


async def _ratified(connection: Connection, fact: Fact) -> None:
    event: MoveRatified = fact.event
    await connection.execute(
        "UPDATE moves SET status = $2, ratified_by = $3 WHERE move = $1", event.move, MoveStatus.RATIFIED, event.ratified_by
    )


async def _missed(connection: Connection, fact: Fact) -> None:
    event: MoveRatificationMissed = fact.event
    await connection.execute("UPDATE moves SET status = $2 WHERE move = $1", event.move, MoveStatus.HELD)


_KEPT: dict[type, Callable[[Connection, Fact], Awaitable[None]]] = {
    DifferenceSettled: _settled,
    DrawWeighedAgain: _weighed_again,
    LotMoved: _lot_moved,
    DrawMoved: _draw_moved,
    MoveRatified: _ratified,
    MoveRatificationMissed: _missed,
}


def with_unsigned(project: Project) -> Project:
    """A projection, and these tables', each event of them in its place."""

    async def keep(connection: Connection, fact: Fact) -> None:
        await _KEPT[type(fact.event)](connection, fact)

    return beside(project, tuple(_KEPT), keep)


def _day_of(fact: Fact) -> date:
    return date.fromisoformat(fact.record.effective_on)
