"""Which reports are due, and which were sent: a certified round owes one, and owes none once inventory has refused it."""

from datetime import date

from services.allocation.events import ReportSent, RoundCertified, RoundReopened
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.postgres import Connection
from shared.record import Fact


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
            await connection.execute(
                """UPDATE reports SET status = 'sent', report = $3, sent_on = $4
                   WHERE round = $1 AND decision = $2 AND status <> 'withdrawn'""",
                event.round,
                event.decision,
                event.report,
                event.sent_on,
            )
            await end_tasks(connection, {f"report/{event.round}": event.sent_on})


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
