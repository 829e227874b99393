"""Read tables of what becomes of decisions after their rounds."""

from services.allocation.events import AfterwardsEvent, AwardRenounced, DecisionSuperseded
from shared.postgres import Connection


async def project_afterwards(connection: Connection, event: AfterwardsEvent) -> None:
    match event:
        case AwardRenounced():
            await connection.execute("UPDATE awards SET status = 'renounced' WHERE award = $1", event.award)
        case DecisionSuperseded():
            await connection.execute("UPDATE rounds SET superseded_by = $2 WHERE round = $1", event.round, event.by_round)
