"""Carries in the read tables: those that are still remembered."""

from datetime import date
from typing import assert_never

from services.allocation.events import CarryEvent, CarryExpired, CarrySet
from shared.journal.connection import Connection


async def project_carry(connection: Connection, event: CarryEvent, on: date) -> None:
    match event:
        case CarrySet(carry_g="0") | CarryExpired():
            await connection.execute("DELETE FROM carries WHERE id = $1", f"{event.product}/{event.agreement}")
        case CarrySet():
            await connection.execute(
                """INSERT INTO carries (id, product, agreement, partner, carry_g, expires_on, cause, since)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT (id) DO UPDATE SET carry_g = $5, expires_on = $6, cause = $7, since = $8""",
                f"{event.product}/{event.agreement}",
                event.product,
                event.agreement,
                event.partner,
                event.carry_g,
                event.expires_on,
                event.cause,
                on,
            )
        case _:
            assert_never(event)
