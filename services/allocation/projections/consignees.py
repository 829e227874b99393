"""Read tables of consignees: what lists have of each, and who asked for another."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, assert_never

import msgspec

from services.allocation.domain.figures import HIT_DAYS
from services.allocation.events import (
    ConsigneeChangeApproved,
    ConsigneeChangeAsked,
    ConsigneeChangeRefused,
    ConsigneeEvent,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeScreened,
)
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.journal.connection import Connection, as_json


async def project_consignee(connection: Connection, event: ConsigneeEvent, on: date) -> None:
    match event:
        case ConsigneeScreened():
            await _screened(connection, event, on)
        case ConsigneeHitDecided():
            hits = [
                hit | ({"status": event.outcome} if hit["hit"] == event.hit else {}) for hit in await _hits(connection, event.consignee)
            ]
            query = "UPDATE consignees SET hits = $2, clear = $3 WHERE consignee = $1"
            await connection.execute(query, event.consignee, as_json(hits), event.clear)
            await end_tasks(connection, {f"hit/{event.hit}": on})
        case ConsigneeHitLapsed():
            await _lapsed(connection, event, on)
        case ConsigneeChangeAsked():
            await _asked(connection, event, on)
        case ConsigneeChangeApproved():
            await _answered(connection, event.change, "approved", event.reason, event.approved_by, on)
        case ConsigneeChangeRefused():
            await _answered(connection, event.change, "refused", event.reason, event.refused_by, on)
        case _:
            assert_never(event)


async def _hits(connection: Connection, consignee: str) -> list[dict[str, Any]]:
    hits = await connection.fetchval("SELECT hits FROM consignees WHERE consignee = $1", consignee)
    found: list[dict[str, Any]] = msgspec.json.decode(hits) if hits is not None else []
    return found


async def _screened(connection: Connection, event: ConsigneeScreened, on: date) -> None:
    before = {hit["hit"]: hit["status"] for hit in await _hits(connection, event.consignee)}
    hits = [msgspec.to_builtins(hit) | {"status": _status(before.get(hit.hit, "open"), hit)} for hit in event.hits]
    await connection.execute(
        """INSERT INTO consignees (consignee, name, lists, hits, beyond, clear, screened_on) VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (consignee) DO UPDATE SET lists = $3, hits = $4, beyond = $5, clear = $6, screened_on = $7""",
        event.consignee,
        event.name,
        as_json(event.lists),
        as_json(hits),
        event.beyond,
        event.clear,
        on,
    )
    still_open = {hit["hit"] for hit in hits if hit["status"] == "open"}
    await end_tasks(connection, {f"hit/{hit}": on for hit in before.keys() - still_open})
    await raise_tasks(connection, _hit_tasks(event, [hit for hit in hits if hit["status"] == "open" and hit["hit"] not in before], on))


async def _lapsed(connection: Connection, event: ConsigneeHitLapsed, on: date) -> None:
    hits = [hit | ({"status": event.status} if hit["hit"] == event.hit else {}) for hit in await _hits(connection, event.consignee)]
    query = "UPDATE consignees SET hits = $2, clear = $3 WHERE consignee = $1"
    await connection.execute(query, event.consignee, as_json(hits), event.clear)
    again = [hit for hit in hits if hit["hit"] == event.hit and event.status == "open"]
    await raise_tasks(connection, _hit_tasks(event, again, on))


def _status(before: str, hit: ConsigneeHit) -> str:
    return "cleared" if before == "open" and hit.cleared_as is not None else before


def _hit_tasks(event: ConsigneeScreened | ConsigneeHitLapsed, hits: Sequence[dict[str, Any]], on: date) -> list[Task]:
    return [
        Task(
            task=f"hit/{hit['hit']}",
            kind="screening",
            about=event.consignee,
            partner=None,  # partners are told nothing of hits
            product=None,
            what=f"clear or confirm {hit['hit']}",
            why=f"the name of a consignee is like {hit['entry']} on {hit['list']}",
            due_on=on + timedelta(days=HIT_DAYS),
            raised_on=on,
        )
        for hit in hits
    ]


async def _asked(connection: Connection, event: ConsigneeChangeAsked, on: date) -> None:
    await connection.execute(
        """INSERT INTO consignee_changes
               (change, award, request, product, partner, consignee, name, reason, asked_by, asked_on, status)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'asked')""",
        event.change,
        event.award,
        event.request,
        event.product,
        event.partner,
        event.consignee,
        event.name,
        event.reason,
        event.asked_by,
        on,
    )
    task = Task(
        task=f"change/{event.change}",
        kind="consignee",
        about=event.award,
        partner=None,
        product=event.product,
        what=f"approve or refuse {event.change}",
        why=f"{event.partner} asks that {event.award} may go to another consignee",
        due_on=on + timedelta(days=HIT_DAYS),
        raised_on=on,
    )
    await raise_tasks(connection, [task])


async def _answered(connection: Connection, change: str, status: str, reason: str, by: str, on: date) -> None:
    query = "UPDATE consignee_changes SET status = $2, answer = $3, answered_by = $4, answered_on = $5 WHERE change = $1"
    await connection.execute(query, change, status, reason, by, on)
    await end_tasks(connection, {f"change/{change}": on})
