"""Read tables from the service's own events, in the journal's transaction."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

from services.allocation.events import (
    AgreementEvent,
    ApproverEvent,
    ApproverKeyClaimed,
    AuthorityEvent,
    AwardGranted,
    AwardWithdrawn,
    BidEvent,
    BookOpened,
    CarryEvent,
    CeremonyEntered,
    ClockEvent,
    ClockSet,
    ConsigneeEvent,
    DecisionEvent,
    DecisionGivenBack,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionRevised,
    EmergencyEvent,
    LoanAwarded,
    LoanRequested,
    ParkingEvent,
    PartnerEvent,
    PolicyEvent,
    ProposalEvent,
    ReadinessEvent,
    ReportSent,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestExpired,
    RequestExpiryPostponed,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
    ReviewEvent,
    ScreeningEvent,
    ScreeningListEvent,
    TenderEvent,
)
from services.allocation.events.reach import LogEvent
from services.allocation.projections.authority import project_approver, project_authority
from services.allocation.projections.carries import project_carry
from services.allocation.projections.certificates import project_proofs
from services.allocation.projections.clocks import project_clocks
from services.allocation.projections.consignees import project_consignee
from services.allocation.projections.decisions import fail_award, project_decisions
from services.allocation.projections.emergency import project_emergency
from services.allocation.projections.partners import project_agreement, project_disruption, project_partner
from services.allocation.projections.policies import project_policy
from services.allocation.projections.readiness import project_readiness
from services.allocation.projections.reports import project_reports
from services.allocation.projections.requests import RUNS, waves_of
from services.allocation.projections.rounds import project_round
from services.allocation.projections.screening import project_screening
from services.allocation.projections.tenders import project_tender
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.journal.waves import InWaves, without, write_wave
from shared.terms.countersigning_tables import with_proposals
from shared.terms.uses import give_back_use

_AS_BEFORE = """
    UPDATE requests SET status = $2, lapses_at = NULL, reasons = coalesce(
        (SELECT reasons FROM acceptances WHERE acceptances.request = $1 ORDER BY position DESC LIMIT 1), '[]'::jsonb)
    WHERE request = $1"""


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


_in_waves = InWaves(waves_of, otherwise=_project)  # requests come by the hundred, and take the shortest way
project = without(LogEvent | ParkingEvent, with_proposals(_in_waves))


async def _project_one(connection: Connection, fact: Fact, event: Any, on: date) -> None:
    if isinstance(event, EmergencyEvent):
        await project_emergency(connection, event)
        return
    if isinstance(event, DecisionEvent):
        await project_decisions(connection, event, on)
        return
    if isinstance(event, AuthorityEvent):
        await project_authority(connection, fact, event, on)
        return
    if isinstance(event, ApproverEvent):
        await project_approver(connection, event, on)
        return
    if isinstance(event, ConsigneeEvent):
        await project_consignee(connection, event, on)
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
    if isinstance(event, ScreeningEvent | ScreeningListEvent | ReviewEvent | ProposalEvent):
        return  # beside the others
    if isinstance(event, ClockEvent):
        return  # all of them at once, after the others
    if isinstance(event, PartnerEvent):
        await project_partner(connection, event, on, fact.record.version)
        return
    if isinstance(event, AgreementEvent):
        await project_agreement(connection, event, fact.record.version)
        return
    execute = connection.execute
    match event:
        case DisruptionDeclared() | DisruptionRevised() | DisruptionEnded():
            await project_disruption(connection, event, fact.record.version)
        case ApproverKeyClaimed() | CeremonyEntered():
            pass  # its enrolment says the rest
        case BookOpened():
            await execute("INSERT INTO books (product) VALUES ($1)", event.product)
        case RequestDeclined():
            await _close_request(connection, event.request, "declined", event.reasons, event.lapses_at)
        case RequestDeclineConfirmed():
            await execute("UPDATE requests SET lapses_at = NULL WHERE request = $1", event.request)
        case RequestDeclineLapsed():
            await execute(_AS_BEFORE, event.request, "submitted" if event.accepted_g is None else "accepted")
        case RequestWithdrawn():
            await _close_request(connection, event.request, "withdrawn", (event.reason,))
        case RequestExpired():
            await _close_request(connection, event.request, "expired", ())
        case DecisionGivenBack():
            await give_back_use(connection, event.round, sum(back.mass_g for back in event.given.values()))
            await fail_award(connection, fact.place, event, on)
        case RequestExpiryPostponed() | ClockSet() | RequestScreeningDue() | RequestScreeningLate() | ReportSent():
            pass
        case RequestSubmitted() | LoanRequested() | RequestAccepted() | AwardGranted() | LoanAwarded() | AwardWithdrawn():
            raise AssertionError("these are written in runs")
        case _:
            await project_round(connection, fact, event, on)


async def _close_request(
    connection: Connection, request: str, status: str, reasons: tuple[str, ...], lapses_at: datetime | None = None
) -> None:
    query = "UPDATE requests SET status = $2, reasons = $3, lapses_at = $4, round = NULL WHERE request = $1"
    await connection.execute(query, request, status, as_json(reasons), lapses_at)
