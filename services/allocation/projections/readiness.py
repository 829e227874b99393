"""Read table of readiness registers, and the tasks that expiring items give."""

from datetime import date
from typing import assert_never

from services.allocation.events.readiness import (
    ReadinessCleared,
    ReadinessEvent,
    ReadinessExpired,
    ReadinessExpiring,
    ReadinessRenewed,
    ReadinessWithdrawn,
)
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.journal.connection import Connection


async def project_readiness(connection: Connection, event: ReadinessEvent, on: date) -> None:
    execute = connection.execute
    match event:
        case ReadinessCleared():
            await execute(
                """INSERT INTO readiness_items (item, agreement, product, partner, kind, name, evidence, cleared_by, cleared_on, until,
                                                status)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'cleared')""",
                event.item,
                event.agreement,
                event.product,
                event.partner,
                event.kind,
                event.name,
                event.evidence,
                event.by,
                on,
                event.until,
            )
        case ReadinessRenewed():
            await execute(
                """UPDATE readiness_items SET evidence = $2, cleared_by = $3, cleared_on = $4, until = $5, status = 'cleared'
                   WHERE item = $1""",
                event.item,
                event.evidence,
                event.by,
                on,
                event.until,
            )
            await end_tasks(connection, {_task_of(event): on})
        case ReadinessWithdrawn():
            await execute("UPDATE readiness_items SET status = 'withdrawn', reason = $2 WHERE item = $1", event.item, event.reason)
            await end_tasks(connection, {_task_of(event): on})
        case ReadinessExpiring():
            await raise_tasks(connection, [_task(event, on, f"it expires on {event.until}")])
        case ReadinessExpired():
            await execute("UPDATE readiness_items SET status = 'expired' WHERE item = $1", event.item)
            await raise_tasks(connection, [_task(event, on, f"it expired on {event.until}")])
        case _:
            assert_never(event)


def _task_of(event: ReadinessEvent) -> str:
    return f"readiness/{event.item}"


def _task(event: ReadinessExpiring | ReadinessExpired, on: date, why: str) -> Task:
    return Task(
        task=_task_of(event),
        kind="readiness",
        about=event.agreement,
        partner=event.partner,
        product=event.product,
        what=f"the {event.kind} {event.name} is to be renewed",
        why=why,
        due_on=event.until,
        raised_on=on,
    )
