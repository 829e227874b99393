"""Read tables from the service's own events, in the journal's transaction."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any, assert_never

from services.allocation.events import (
    AfterwardsEvent,
    AgreementAmended,
    AgreementEnded,
    AgreementEvent,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    ApprovalsLapsed,
    ApproverKeyClaimed,
    ApproverKeyEnrolled,
    ApproverKeyRevoked,
    AuthorityEvent,
    AwardGranted,
    AwardWithdrawn,
    BidEvent,
    BookOpened,
    CarryEvent,
    ClockEvent,
    ClockSet,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionRevised,
    EmergencyEvent,
    LoanAwarded,
    LoanRequested,
    PartnerRegistered,
    PolicyEvent,
    ReadinessEvent,
    ReportSent,
    RequestAccepted,
    RequestDeclined,
    RequestExpired,
    RequestExpiryPostponed,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
    ReviewEvent,
    RoundApproved,
    RoundCancelled,
    RoundCertified,
    RoundExtended,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
    ScreeningEvent,
    ScreeningListEvent,
    TenderEvent,
)
from services.allocation.projections.authority import project_authority
from services.allocation.projections.carries import project_carry
from services.allocation.projections.certificates import project_proofs
from services.allocation.projections.clocks import project_clocks
from services.allocation.projections.decisions import project_afterwards, release_awards
from services.allocation.projections.emergency import project_emergency
from services.allocation.projections.policies import project_policy
from services.allocation.projections.readiness import project_readiness
from services.allocation.projections.reports import project_reports
from services.allocation.projections.requests import RUNS, waves_of
from services.allocation.projections.screening import project_screening
from services.allocation.projections.tenders import project_tender
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.journal.waves import InWaves, write_wave


async def _project(connection: Connection, facts: Sequence[Fact]) -> None:
    """Runs of one kind of event, which a large round has, are written at once; all in their order."""
    for kind, run in groupby(facts, key=lambda fact: type(fact.event)):
        if (write := RUNS.get(kind)) is not None:
            await write_wave(connection, write(list(run)))
            continue
        for fact in run:
            on = date.fromisoformat(fact.record.effective_on)
            if isinstance(fact.event, BidEvent | TenderEvent):
                await project_tender(connection, fact, fact.event, on)
            else:
                await _project_one(connection, fact, fact.event, on)
            await project_reports(connection, fact)
            await project_screening(connection, fact)
            await project_proofs(connection, fact)
    await project_clocks(connection, facts)


project = InWaves(waves_of, otherwise=_project)  # requests come by the hundred, and take the shortest way


async def _project_one(connection: Connection, fact: Fact, event: Any, on: date) -> None:
    if isinstance(event, EmergencyEvent):
        await project_emergency(connection, event)
        return
    if isinstance(event, AfterwardsEvent):
        await project_afterwards(connection, event, on)
        return
    if isinstance(event, AuthorityEvent):
        await project_authority(connection, fact, event, on)
        return
    if isinstance(event, CarryEvent):
        await project_carry(connection, event, on)
        return
    if isinstance(event, PolicyEvent):
        await project_policy(connection, event, fact.record.version)
        return
    if isinstance(event, ReadinessEvent):
        await project_readiness(connection, event, on)
        return
    if isinstance(event, ScreeningEvent | ScreeningListEvent | ReviewEvent):
        return  # beside the others
    if isinstance(event, ClockEvent):
        return  # all of them at once, after the others
    execute = connection.execute
    match event:
        case PartnerRegistered():
            await execute(
                "INSERT INTO partners (partner, name, version) VALUES ($1, $2, $3)", event.partner, event.name, fact.record.version
            )
        case AgreementSigned() | AgreementAmended() | AgreementEnded() | AgreementSuspended() | AgreementResumed():
            await _project_agreement(connection, event, fact.record.version)
        case DisruptionDeclared() | DisruptionRevised() | DisruptionEnded():
            await _project_disruption(connection, event, fact.record.version)
        case ApproverKeyEnrolled():
            await execute(
                "INSERT INTO approver_keys (id, subject, key, public_key, enrolled_on) VALUES ($1, $2, $3, $4, $5)",
                f"{event.subject}/{event.key}",
                event.subject,
                event.key,
                event.public_key,
                on,
            )
        case ApproverKeyClaimed():
            pass  # its enrolment says the rest
        case ApproverKeyRevoked():
            await execute("UPDATE approver_keys SET revoked_on = $2 WHERE id = $1", f"{event.subject}/{event.key}", on)
        case BookOpened():
            await execute("INSERT INTO books (product) VALUES ($1)", event.product)
        case RequestDeclined():
            await _close_request(connection, event.request, "declined", event.reasons)
        case RequestWithdrawn():
            await _close_request(connection, event.request, "withdrawn", (event.reason,))
        case RequestExpired():
            await _close_request(connection, event.request, "expired", ())
        case RequestExpiryPostponed() | ClockSet() | RequestScreeningDue() | RequestScreeningLate() | ReportSent():
            pass
        case RequestSubmitted() | LoanRequested() | RequestAccepted() | AwardGranted() | LoanAwarded() | AwardWithdrawn():
            raise AssertionError("these are written in runs")
        case _:
            await _project_round(connection, fact, event, on)


async def _project_agreement(connection: Connection, event: AgreementEvent, version: int) -> None:
    match event:
        case AgreementSigned():
            await connection.execute(
                """INSERT INTO agreements (agreement, partner, products, priority_class, valid_from, valid_until, ended, suspended,
                                           version)
                   VALUES ($1, $2, $3, $4, $5, $6, false, false, $7)""",
                event.agreement,
                event.partner,
                as_json(event.products),
                event.priority_class,
                event.valid_from,
                event.valid_until,
                version,
            )
        case AgreementAmended():
            await connection.execute(
                "UPDATE agreements SET products = $2, priority_class = $3, valid_until = $4, version = $5 WHERE agreement = $1",
                event.agreement,
                as_json(event.products),
                event.priority_class,
                event.valid_until,
                version,
            )
        case AgreementEnded():
            await connection.execute("UPDATE agreements SET ended = true, version = $2 WHERE agreement = $1", event.agreement, version)
        case AgreementSuspended() | AgreementResumed():
            await connection.execute(
                "UPDATE agreements SET suspended = $2, version = $3 WHERE agreement = $1",
                event.agreement,
                isinstance(event, AgreementSuspended),
                version,
            )


async def _project_disruption(
    connection: Connection, event: DisruptionDeclared | DisruptionRevised | DisruptionEnded, version: int
) -> None:
    match event:
        case DisruptionDeclared():
            await connection.execute(
                """INSERT INTO disruptions (disruption, instrument, products, declared_scope, observed_scope, partners, starts_on,
                                            evidence, version)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                event.disruption,
                event.instrument,
                as_json(event.products),
                event.declared_scope,
                event.observed_scope,
                as_json(event.partners),
                event.starts_on,
                as_json(event.evidence),
                version,
            )
        case DisruptionRevised():
            await connection.execute(
                """UPDATE disruptions SET declared_scope = $2, observed_scope = $3, partners = $4, starts_on = $5, evidence = $6,
                                          version = $7
                   WHERE disruption = $1""",
                event.disruption,
                event.declared_scope,
                event.observed_scope,
                as_json(event.partners),
                event.starts_on,
                as_json(event.evidence),
                version,
            )
        case DisruptionEnded():
            await connection.execute(
                "UPDATE disruptions SET ends_on = $2, version = $3 WHERE disruption = $1", event.disruption, event.ends_on, version
            )


async def _close_request(connection: Connection, request: str, status: str, reasons: tuple[str, ...]) -> None:
    await connection.execute(
        "UPDATE requests SET status = $2, reasons = $3, round = NULL WHERE request = $1", request, status, as_json(reasons)
    )


async def _project_round(
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
            await execute(
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
            await execute("UPDATE requests SET round = $1 WHERE request = ANY($2::text[])", event.round, list(event.requests))
        case RoundExtended():
            await execute("UPDATE rounds SET requests = requests || $2 WHERE round = $1", event.round, as_json(event.requests))
            await execute("UPDATE requests SET round = $1 WHERE request = ANY($2::text[])", event.round, list(event.requests))
        case RoundProposed():
            await execute(
                """UPDATE rounds SET status = 'proposed', decision = $2, file = $3, proposed_by = $4, supply_g = $5, left_g = $6,
                                     release_order = $7, awarded_g = $8, reason = NULL
                   WHERE round = $1""",
                event.round,
                event.decision,
                event.file,
                event.proposed_by,
                event.supply_g,
                event.left_g,
                event.release_order,
                sum(event.awarded_g.values()),
            )
        case RoundApproved():
            approval = event.approval
            await execute(
                """INSERT INTO approvals (round, decision, key, subject, signature, approved_on, lapsed)
                   VALUES ($1, $2, $3, $4, $5, $6, false)""",
                event.round,
                event.decision,
                approval.key,
                approval.subject,
                approval.signature,
                approval.approved_on,
            )
        case ApprovalsLapsed():
            await execute(
                "UPDATE approvals SET lapsed = true WHERE round = $1 AND decision = $2 AND key = ANY($3::text[])",
                event.round,
                event.decision,
                list(event.keys),
            )
            if not event.decision_stands:
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
            await execute("UPDATE approvals SET lapsed = true WHERE round = $1 AND decision = $2", event.round, event.decision)
            await _drop_decision(connection, event.round, f"refused by inventory: {event.reason}")
        case RoundReleased():
            await execute("UPDATE rounds SET status = 'released' WHERE round = $1", event.round)
            await release_awards(connection, event.round, event.decision)
            await execute("UPDATE requests SET round = NULL WHERE round = $1 AND status <> 'awarded'", event.round)
        case RoundCancelled():
            await execute("UPDATE rounds SET status = 'cancelled', reason = $2 WHERE round = $1", event.round, event.reason)
            await execute("UPDATE approvals SET lapsed = true WHERE round = $1", event.round)
            await execute("UPDATE requests SET round = NULL WHERE round = $1", event.round)
        case _:
            assert_never(event)


async def _drop_decision(connection: Connection, round: str, reason: str) -> None:
    await connection.execute(
        """UPDATE rounds SET status = 'open', decision = NULL, file = NULL, proposed_by = NULL, supply_g = NULL, left_g = NULL,
                             release_order = NULL, awarded_g = NULL,
                             expires_on = NULL, certified_in = NULL, reason = $2
           WHERE round = $1""",
        round,
        reason,
    )
