"""Read table of laboratories."""

from datetime import date
from typing import assert_never

from services.loans.events.laboratory import (
    LaboratoryEndConfirmed,
    LaboratoryEnded,
    LaboratoryEndLapsed,
    LaboratoryEvent,
    LaboratoryRegistered,
)
from shared.journal.connection import Connection
from shared.journal.record import Fact


async def project_laboratory(connection: Connection, fact: Fact) -> None:
    event: LaboratoryEvent = fact.event
    match event:
        case LaboratoryRegistered():
            await connection.execute(
                """INSERT INTO laboratories (laboratory, name, owner, accredited_until, version) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (laboratory) DO UPDATE SET name = $2, owner = $3, accredited_until = $4, version = $5,
                       ended_on = NULL, ended_by = NULL, ended_because = NULL, lapses_at = NULL""",
                event.laboratory,
                event.name,
                event.owner,
                event.accredited_until,
                fact.record.version,
            )
        case LaboratoryEnded():
            await connection.execute(
                """UPDATE laboratories SET ended_on = $2, ended_by = $3, ended_because = $4, lapses_at = $5, version = $6
                   WHERE laboratory = $1""",
                event.laboratory,
                date.fromisoformat(fact.record.effective_on),
                event.by,
                event.reason,
                event.lapses_at,
                fact.record.version,
            )
        case LaboratoryEndConfirmed():
            query = "UPDATE laboratories SET lapses_at = NULL, version = $2 WHERE laboratory = $1"
            await connection.execute(query, event.laboratory, fact.record.version)
        case LaboratoryEndLapsed():
            await connection.execute(
                """UPDATE laboratories SET ended_on = NULL, ended_by = NULL, ended_because = NULL, lapses_at = NULL, version = $2
                   WHERE laboratory = $1""",
                event.laboratory,
                fact.record.version,
            )
        case _:
            assert_never(event)
