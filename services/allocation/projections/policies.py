"""Policies in the read tables, in the transaction of their events."""

from typing import assert_never

from services.allocation.events.policies import (
    PolicyActivated,
    PolicyApproved,
    PolicyDrafted,
    PolicyEvent,
    PolicyRevised,
    PolicySubmitted,
    PolicyUsed,
    PolicyWithdrawn,
)
from shared.journal.connection import Connection, as_json


async def project_policy(connection: Connection, event: PolicyEvent, stream_version: int) -> None:
    execute = connection.execute
    match event:
        case PolicyDrafted():
            await execute(
                """INSERT INTO policies (policy, latest, stream_version) VALUES ($1, $2, $3)
                   ON CONFLICT (policy) DO UPDATE SET latest = $2""",
                event.policy,
                event.version,
                stream_version,
            )
            await execute(
                """INSERT INTO policy_versions (policy, version, status, active_from, document, terms, drafted_by)
                   VALUES ($1, $2, 'draft', $3, $4, $5, $6)""",
                event.policy,
                event.version,
                event.active_from,
                event.document,
                as_json(event.terms),
                event.drafted_by,
            )
        case PolicyRevised():
            await execute(
                "UPDATE policy_versions SET active_from = $3, document = $4, terms = $5 WHERE policy = $1 AND version = $2",
                event.policy,
                event.version,
                event.active_from,
                event.document,
                as_json(event.terms),
            )
        case PolicySubmitted():
            await execute(
                "UPDATE policy_versions SET status = 'submitted', submitted_by = $3 WHERE policy = $1 AND version = $2",
                event.policy,
                event.version,
                event.submitted_by,
            )
        case PolicyApproved():
            await execute(
                """UPDATE policy_versions SET status = 'approved', active_from = $3, approved_by = $4, approved_on = $5
                   WHERE policy = $1 AND version = $2""",
                event.policy,
                event.version,
                event.active_from,
                event.approval.subject,
                event.approval.approved_on,
            )
        case PolicyWithdrawn():
            await execute(
                "UPDATE policy_versions SET status = 'withdrawn', reason = $3 WHERE policy = $1 AND version = $2",
                event.policy,
                event.version,
                event.reason,
            )
            await execute(  # so earlier builds gave way
                "UPDATE policy_versions SET status = 'approved' WHERE policy = $1 AND version = $2 AND status = 'superseded'",
                event.policy,
                event.active,
            )
        case PolicyActivated():  # which version is active follows from the days
            await execute(
                "UPDATE policy_versions SET status = 'superseded' WHERE policy = $1 AND version < $2 AND status = 'approved'",
                event.policy,
                event.version,
            )
        case PolicyUsed():
            pass
        case _:
            assert_never(event)
    await execute("UPDATE policies SET stream_version = $2 WHERE policy = $1", event.policy, stream_version)
