"""Read tables of reference rates."""

from typing import assert_never

from services.loans.events.rates import (
    RateEvent,
    ReferenceRateFollowed,
    ReferenceRateLeft,
    ReferenceRatePublished,
    ReferenceRateRegistered,
)
from shared.journal.connection import Connection
from shared.journal.record import Fact


async def project_rate(connection: Connection, fact: Fact) -> None:
    event: RateEvent = fact.event
    match event:
        case ReferenceRateRegistered():
            await connection.execute(
                "INSERT INTO reference_rates (rate, name, administrator, calendar, version) VALUES ($1, $2, $3, $4, $5)",
                event.rate,
                event.name,
                event.administrator,
                event.calendar,
                fact.record.version,
            )
            return
        case ReferenceRatePublished():
            await connection.execute(
                """INSERT INTO publications (rate, day, pct, source, corrected) VALUES ($1, $2, $3, $4, false)
                   ON CONFLICT (rate, day) DO UPDATE SET pct = $3, source = $4, corrected = true""",
                event.rate,
                event.publication.day,
                event.publication.pct,
                event.source,
            )
        case ReferenceRateFollowed() | ReferenceRateLeft():
            pass
        case _:
            assert_never(event)
    await connection.execute("UPDATE reference_rates SET version = $2 WHERE rate = $1", event.rate, fact.record.version)
