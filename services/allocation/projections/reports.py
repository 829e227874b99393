"""Which reports are due, and which were sent: a certified round owes one, and owes none once inventory has refused it.

That one was sent is told by a stream of its own, which a rebuild may meet before the round's.
"""

from datetime import date

from services.allocation.events import ReportSent, RoundCertified, RoundReopened
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.journal.connection import Connection
from shared.journal.record import Fact


async def project_reports(connection: Connection, fact: Fact) -> None:
    on = date.fromisoformat(fact.record.effective_on)
    match fact.event:
        case RoundCertified() as event:
            await connection.execute(
                """INSERT INTO reports (round, product, decision, certified_on, status) VALUES ($1, $2, $3, $4, 'due')
                   ON CONFLICT (round) DO UPDATE SET decision = $3, certified_on = $4, status = 'due', report = NULL, sent_on = NULL""",
                event.round,
                event.product,
                event.decision,
                on,
            )
            await raise_tasks(connection, [_task(event, on)])
            await _sent(connection, event.round, event.decision)
        case RoundReopened() as event:
            await connection.execute("UPDATE reports SET status = 'withdrawn' WHERE round = $1 AND status = 'sent'", event.round)
            await connection.execute("DELETE FROM reports WHERE round = $1 AND status = 'due'", event.round)
            await end_tasks(connection, {f"report/{event.round}": on})
        case ReportSent() as event:
            await connection.execute(
                """INSERT INTO reports_sent (report, round, decision, addressee, reference, sent_on, sent_by, place)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
                event.report,
                event.round,
                event.decision,
                event.addressee,
                event.reference,
                event.sent_on,
                event.sent_by,
                fact.place,
            )
            await _sent(connection, event.round, event.decision)


async def _sent(connection: Connection, round: str, decision: str) -> None:
    """The last one that was sent of the decision, if there is one and the round still owes it."""
    sent = await connection.fetchrow(
        """UPDATE reports SET status = 'sent', report = last.report, sent_on = last.sent_on
           FROM (SELECT report, sent_on FROM reports_sent WHERE round = $1 AND decision = $2
                 ORDER BY split_part(place, '/', 3)::bigint DESC LIMIT 1) AS last
           WHERE reports.round = $1 AND reports.decision = $2 AND reports.status <> 'withdrawn'
           RETURNING (SELECT min(sent_on) FROM reports_sent WHERE round = $1 AND decision = $2) AS first_on""",
        round,
        decision,
    )
    if sent is not None:
        await end_tasks(connection, {f"report/{round}": sent["first_on"]})


def _task(event: RoundCertified, on: date) -> Task:
    return Task(
        task=f"report/{event.round}",
        kind="report",
        about=event.round,
        partner=None,
        product=event.product,
        what="send the report on the release to the Minister, and say that it was sent",
        why=f"{event.round} was certified on {on}",
        due_on=on,  # the report is there from then on
        raised_on=on,
    )
