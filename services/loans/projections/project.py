"""Read tables of projects."""

from datetime import date

from services.loans.events.project import ProjectFactRecorded, ProjectFactWithdrawn, ProjectWatched
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_project(connection: Connection, fact: Fact) -> None:
    event, on = fact.event, date.fromisoformat(fact.record.effective_on)
    await connection.execute(
        """INSERT INTO projects (project, loans, version) VALUES ($1, '[]', $2)
           ON CONFLICT (project) DO UPDATE SET version = $2""",
        event.project,
        fact.record.version,
    )
    match event:
        case ProjectFactRecorded():
            await _record(connection, event)
        case ProjectFactWithdrawn():
            await connection.execute(
                "UPDATE project_facts SET withdrawn_on = $2, withdrawn_by = $3, withdrawn_because = $4 WHERE fact = $1",
                event.fact,
                on,
                event.by,
                event.reason,
            )
        case ProjectWatched():  # of many facts, several: the loan stands there once
            await connection.execute(
                "UPDATE projects SET loans = loans || to_jsonb($2::text) WHERE project = $1 AND NOT loans ? $2", event.project, event.loan
            )
        case _:
            pass


async def _record(connection: Connection, event: ProjectFactRecorded) -> None:
    known = event.known
    await connection.execute(
        """INSERT INTO project_facts (fact, project, kind, subject, product, quantity, unit, binding, by, since, until, evidence, document)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
        known.fact,
        event.project,
        known.kind,
        known.subject,
        known.product,
        known.quantity,
        known.unit,
        known.binding,
        known.by,
        known.since,
        known.until,
        as_json(event.evidence),
        event.document,
    )
