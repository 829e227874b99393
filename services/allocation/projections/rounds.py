"""Read tables of rounds, their approvals and decisions."""

from datetime import date
from typing import assert_never

from services.allocation.events import (
    ApprovalsLapsed,
    RoundApproved,
    RoundCancelled,
    RoundCertified,
    RoundExtended,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
)
from services.allocation.projections.decisions import make_good, release_awards
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.terms.uses import give_back_use


async def project_round(
    connection: Connection,
    fact: Fact,
    event: RoundOpened
    | RoundExtended
    | RoundProposed
    | RoundApproved
    | ApprovalsLapsed
    | RoundCertified
    | RoundCancelled
    | RoundReopened
    | RoundReleased,
    on: date,
) -> None:
    execute = connection.execute
    match event:
        case RoundOpened():
            await _opened(connection, event, on)
        case RoundExtended():
            await execute("UPDATE rounds SET requests = requests || $2 WHERE round = $1", event.round, as_json(event.requests))
            await execute("UPDATE requests SET round = $1 WHERE request = ANY($2::text[])", event.round, list(event.requests))
        case RoundProposed():
            await _proposed(connection, event)
        case RoundApproved():
            await _approved(connection, event)
        case ApprovalsLapsed():
            await execute(
                "UPDATE approvals SET lapsed = true WHERE round = $1 AND decision = $2 AND key = ANY($3::text[])",
                event.round,
                event.decision,
                list(event.keys),
            )
            if not event.decision_stands:
                await give_back_use(connection, event.round)
                await _drop_decision(connection, event.round, f"lapsed: {event.cause}")
        case RoundCertified():
            await execute(
                "UPDATE rounds SET status = 'certified', expires_on = $2, certified_in = $3 WHERE round = $1",
                event.round,
                event.expires_on,
                fact.place,
            )
            await execute(  # an approval whose key was revoked at the last moment
                "UPDATE approvals SET lapsed = true WHERE round = $1 AND decision = $2 AND key <> ALL($3::text[])",
                event.round,
                event.decision,
                [approval.key for approval in event.approvals],
            )
        case RoundReopened():
            await give_back_use(connection, event.round)
            await execute("UPDATE approvals SET lapsed = true WHERE round = $1 AND decision = $2", event.round, event.decision)
            await _drop_decision(connection, event.round, f"refused by inventory: {event.reason}")
        case RoundReleased():
            await execute("UPDATE rounds SET status = 'released' WHERE round = $1", event.round)
            await release_awards(connection, event.round, event.decision)
            await make_good(connection, event, on)
            await execute("UPDATE requests SET round = NULL WHERE round = $1 AND status <> 'awarded'", event.round)
        case RoundCancelled():
            await give_back_use(connection, event.round)
            await execute("UPDATE rounds SET status = 'cancelled', reason = $2 WHERE round = $1", event.round, event.reason)
            await execute("UPDATE approvals SET lapsed = true WHERE round = $1", event.round)
            await execute("UPDATE requests SET round = NULL WHERE round = $1", event.round)
        case _:
            assert_never(event)


async def _opened(connection: Connection, event: RoundOpened, on: date) -> None:
    await connection.execute(
        """INSERT INTO rounds (round, product, status, requests, disruption, rule, policy, policy_version, approvals_needed,
                               release_days, opened_on, method, positions, quorum, emergency)
           VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)""",
        event.round,
        event.product,
        as_json(event.requests),
        event.disruption,
        event.method.rule,
        event.policy,
        event.policy_version,
        event.quorum[0].approvals,
        event.release_days,
        on,
        as_json(event.method),
        as_json(event.positions),
        as_json(event.quorum),
        None if event.emergency is None else as_json(event.emergency),
    )
    await connection.execute("UPDATE requests SET round = $1 WHERE request = ANY($2::text[])", event.round, list(event.requests))


async def _approved(connection: Connection, event: RoundApproved) -> None:
    """Again with the same key, where an approval has lapsed."""
    approval = event.approval
    await connection.execute(
        """INSERT INTO approvals (round, decision, key, subject, signature, approved_on, lapsed)
           VALUES ($1, $2, $3, $4, $5, $6, false)
           ON CONFLICT (round, decision, key) DO UPDATE SET signature = $5, approved_on = $6, lapsed = false""",
        event.round,
        event.decision,
        approval.key,
        approval.subject,
        approval.signature,
        approval.approved_on,
    )


async def _proposed(connection: Connection, event: RoundProposed) -> None:
    await connection.execute(
        """UPDATE rounds SET status = 'proposed', decision = $2, file = $3, proposed_by = $4, supply_g = $5, left_g = $6,
                             release_order = $7, awarded_g = $8, needed = $9, summed_g = $10, reason = NULL
           WHERE round = $1""",
        event.round,
        event.decision,
        event.file,
        event.proposed_by,
        event.supply_g,
        event.left_g,
        event.release_order,
        sum(event.awarded_g.values()),
        event.approvals_needed,
        event.summed_g,
    )


async def _drop_decision(connection: Connection, round: str, reason: str) -> None:
    await connection.execute(
        """UPDATE rounds SET status = 'open', decision = NULL, file = NULL, proposed_by = NULL, supply_g = NULL, left_g = NULL,
                             release_order = NULL, awarded_g = NULL, needed = NULL, summed_g = NULL,
                             expires_on = NULL, certified_in = NULL, reason = $2
           WHERE round = $1""",
        round,
        reason,
    )
