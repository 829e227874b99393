"""What the rounds' table says of an emergency: by when it is to be ratified, and whether that was done."""

from typing import assert_never

from services.allocation.events.emergency import DecisionRatified, EmergencyDecided, EmergencyEvent, RatificationMissed
from shared.journal.connection import Connection


async def project_emergency(connection: Connection, event: EmergencyEvent) -> None:
    match event:
        case EmergencyDecided():
            await connection.execute(
                "UPDATE rounds SET ratification = 'due', ratify_by = $2, ratified_by = NULL WHERE round = $1", event.round, event.ratify_by
            )
        case RatificationMissed():
            await connection.execute("UPDATE rounds SET ratification = 'missed' WHERE round = $1", event.round)
        case DecisionRatified():
            await connection.execute(
                "UPDATE rounds SET ratification = 'ratified', ratified_by = $2 WHERE round = $1", event.round, event.approval.subject
            )
        case _:
            assert_never(event)
