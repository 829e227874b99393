"""Read tables of what becomes of decisions after their rounds. Their events have streams of their own, and a rebuild may meet them before
the round's: what they say stands in tables of their own, and an award takes its status from there, too."""

from datetime import date, timedelta

from services.allocation.domain.figures import CORRECTION_DAYS
from services.allocation.events import AwardRenounced, DecisionEvent, DecisionGivenBack, DecisionSuperseded, RoundReleased
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.journal.connection import Connection


async def project_decisions(connection: Connection, event: DecisionEvent, on: date) -> None:
    match event:
        case AwardRenounced():
            await connection.execute(
                """INSERT INTO renounced_awards (award, decision, reason, renounced_on) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (award) DO UPDATE SET decision = $2, reason = $3, renounced_on = $4""",
                event.award,
                event.decision,
                event.reason,
                on,
            )
            await connection.execute(
                "UPDATE awards SET status = 'renounced' WHERE award = $1 AND decision = $2 AND status = 'released'",
                event.award,
                event.decision,
            )
        case DecisionSuperseded():
            await connection.execute(
                """INSERT INTO superseded_rounds (round, by_round, decision, reason, superseded_on, gives_back)
                   VALUES ($1, $2, $3, $4, $5, $6)""",
                event.round,
                event.by_round,
                event.decision,
                event.reason,
                on,
                event.gives_back,
            )
            due = "SELECT task FROM tasks WHERE kind = 'correction' AND about = $1"
            await end_tasks(connection, {row["task"]: on for row in await connection.fetch(due, event.round)})


async def release_awards(connection: Connection, round: str, decision: str) -> None:
    """Of a round that inventory has released."""
    await connection.execute(
        """UPDATE awards SET status = CASE WHEN renounced.award IS NULL THEN 'released' ELSE 'renounced' END
           FROM awards AS own LEFT JOIN renounced_awards AS renounced
                ON renounced.award = own.award AND renounced.decision = own.decision
           WHERE awards.award = own.award AND own.round = $1 AND own.decision = $2""",
        round,
        decision,
    )


async def fail_award(connection: Connection, place: str, event: DecisionGivenBack, on: date) -> None:
    """What a partner does not get after all, by no doing of its own, is to be offered to it again. Of a decision that is superseded,
    another round has decided."""
    if event.whole:
        return
    failed_g = sum(back.mass_g for back in event.given.values())
    await connection.execute("UPDATE awards SET failed_g = failed_g + $2 WHERE award = $1", event.award, failed_g)
    tasks = [
        Task(
            task=f"make_good/{place}/{partner}",
            kind="make_good",
            about=event.award or event.round,
            partner=partner,
            product=event.product,
            what=f"offer {partner} {back.mass_g} g of {event.product} again in the next round, from stock or another right",
            why=event.reason,
            due_on=on + timedelta(days=CORRECTION_DAYS),
            raised_on=on,
        )
        for partner, back in sorted(event.given.items())
    ]
    await raise_tasks(connection, tasks)


async def make_good(connection: Connection, event: RoundReleased, on: date) -> None:
    """A later round has given the partner something of the product."""
    due = """SELECT task FROM tasks WHERE kind = 'make_good' AND product = $1 AND done_on IS NULL
             AND partner IN (SELECT partner FROM awards WHERE round = $2 AND decision = $3)"""
    rows = await connection.fetch(due, event.product, event.round, event.decision)
    await end_tasks(connection, {row["task"]: on for row in rows})
