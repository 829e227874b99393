"""Read tables of equity."""

from typing import Any

from services.loans.domain.equity.state import HoldingStatus
from services.loans.events.equity import (
    DividendReceived,
    DividendReversed,
    HoldingApproved,
    HoldingClosed,
    HoldingCommitted,
    HoldingFigures,
    HoldingProposed,
    HoldingRefused,
    HoldingValued,
    HoldingWithdrawn,
    HoldingWrittenDown,
    HoldingWrittenOff,
    SharesDivested,
    SharesSubscribed,
    UncalledCancelled,
    WriteDownProposed,
    WriteDownWithdrawn,
)
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_equity(connection: Connection, fact: Fact) -> None:
    if isinstance(fact.event, HoldingProposed):
        await _insert(connection, fact.event)
        return
    changed = {**_changed(fact.event), "version": fact.record.version}
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(changed, 2))
    update = f"UPDATE holdings SET {names} WHERE holding = $1"  # noqa: S608 - the names are those below
    await connection.execute(update, fact.event.holding, *changed.values())
    await _flow(connection, fact.event)


async def _insert(connection: Connection, event: HoldingProposed) -> None:
    await connection.execute(
        """INSERT INTO holdings (holding, status, facility, company, project, currency, terms, figures, document, proposed_by, version)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)""",
        event.holding,
        HoldingStatus.PROPOSED.value,
        event.terms.facility,
        event.terms.company,
        event.terms.project,
        event.terms.currency,
        as_json(event.terms),
        as_json(HoldingFigures()),
        event.document,
        event.proposed_by,
    )


def _changed(event: Any) -> dict[str, Any]:
    """Columns of the holding, as the event leaves them."""
    match event:
        case HoldingApproved():
            return {"status": HoldingStatus.APPROVED.value, "approval": as_json(event.approval), "reason": None}
        case HoldingRefused():
            return {"status": HoldingStatus.PROPOSED.value, "approval": None, "reason": event.detail}
        case HoldingWithdrawn():
            return {"status": HoldingStatus.WITHDRAWN.value, "reason": event.reason}
        case HoldingCommitted():
            return {"status": HoldingStatus.COMMITTED.value, "figures": as_json(HoldingFigures(uncalled_minor=event.commitment_minor))}
        case HoldingClosed():
            return {"status": HoldingStatus.CLOSED.value}
        case _:
            after = getattr(event, "after", None)
            return {} if after is None else {"figures": as_json(after)}


async def _flow(connection: Connection, event: Any) -> None:
    match event:
        case SharesSubscribed():
            await _insert_flow(connection, event, "subscription", event.paid_on, event.units, event.reference)
        case DividendReceived():
            await _insert_flow(connection, event, "dividend", event.received_on, 0, event.reference)
        case SharesDivested():
            await _insert_flow(connection, event, "divestment", event.received_on, -event.units, event.reference)
        case HoldingWrittenDown():
            await _insert_flow(connection, event, "write_down", event.on, 0, None)
            await _close_write_down(connection, event.flow, "approved", as_json(event.approval))
        case HoldingWrittenOff():
            await _insert_flow(connection, event, "write_off", event.on, -event.units, None)
            await _close_write_down(connection, event.flow, "approved", as_json(event.approval))
        case WriteDownProposed():
            await _propose_write_down(connection, event)
        case WriteDownWithdrawn():
            await _close_write_down(connection, event.flow, "withdrawn", None)
        case DividendReversed():
            await connection.execute("UPDATE equity_flows SET reversed = true WHERE flow = $1", event.flow)
        case UncalledCancelled():
            await connection.execute(
                """UPDATE holdings SET figures = jsonb_set(figures, '{uncalled_minor}', to_jsonb((figures->>'uncalled_minor')::bigint - $2))
                   WHERE holding = $1""",
                event.holding,
                event.amount_minor,
            )
        case HoldingValued():
            await connection.execute(
                """INSERT INTO valuations (holding, "on", units, value_minor, source) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (holding, "on") DO UPDATE SET units = $3, value_minor = $4, source = $5""",
                event.holding,
                event.on,
                event.units,
                event.value_minor,
                event.source,
            )
        case _:
            pass


async def _insert_flow(connection: Connection, event: Any, kind: str, on: Any, units: int, reference: str | None) -> None:
    await connection.execute(
        """INSERT INTO equity_flows (flow, holding, kind, reference, "on", units, cash_minor, cost_minor, reversed)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false)""",
        event.flow,
        event.holding,
        kind,
        reference,
        on,
        units,
        event.change.cash_minor,
        event.change.cost_minor,
    )


async def _propose_write_down(connection: Connection, event: WriteDownProposed) -> None:
    await connection.execute(
        """INSERT INTO write_downs (flow, holding, status, amount_minor, "on", authority, reason, document, proposed_by)
           VALUES ($1, $2, 'proposed', $3, $4, $5, $6, $7, $8)""",
        event.flow,
        event.holding,
        event.amount_minor,
        event.on,
        event.authority,
        event.reason,
        event.document,
        event.proposed_by,
    )


async def _close_write_down(connection: Connection, flow: str, status: str, approval: str | None) -> None:
    await connection.execute("UPDATE write_downs SET status = $2, approval = $3 WHERE flow = $1", flow, status, approval)
