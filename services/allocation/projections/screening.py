"""What screening, objections and reviews have come to, and who had a part in what."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from services.allocation.domain.figures import CORRECTION_DAYS, HIT_DAYS, OBJECTION_ANSWER_DAYS, REVIEW_DAYS
from services.allocation.events import (
    Hit,
    ObjectionAnswered,
    ObjectionRaised,
    PartiesScreened,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestExpired,
    RequestScreened,
    RequestWithdrawn,
    ReviewAssigned,
    ReviewConcluded,
    ReviewEvent,
    ReviewLapsed,
    ReviewRequested,
    RoundApproved,
    RoundCertified,
    RoundOpened,
    RoundProposed,
    ScreeningHitDecided,
    ScreeningHitLapsed,
    ScreeningListPutInForce,
    ScreeningListWithdrawn,
)
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.journal.waves import Wave
from shared.terms.protecting import day_of_lapse

_KEEP_ACCEPTANCES = """
    INSERT INTO acceptances (place, request, position, command, accepted_g, reasons, accepted_on, screened_by)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::jsonb[], $7::date[], $8::text[])"""
_SCREENERS = """
    INSERT INTO involvements (id, matter, subject, part)
    SELECT request || '/' || subject || '/screener', request, subject, 'screener'
    FROM unnest($1::text[], $2::text[]) AS accepted(request, subject)
    ON CONFLICT DO NOTHING"""


async def project_screening(connection: Connection, fact: Fact) -> None:
    execute = connection.execute
    on = date.fromisoformat(fact.record.effective_on)
    match fact.event:
        case ScreeningListPutInForce() | ScreeningListWithdrawn() as event:
            await _list(connection, event, on)
        case PartiesScreened() as event:
            await _screened(connection, event, on)
        case ScreeningHitDecided() as event:
            await execute(
                "UPDATE screening_hits SET status = $2, reason = $3, decided_by = $4, decided_on = $5, lapses_at = $6 WHERE hit = $1",
                event.hit,
                event.outcome,
                event.reason,
                event.decided_by,
                on,
                event.lapses_at,
            )
            await _involve(connection, event.request, event.decided_by, "screener")
            await end_tasks(connection, {f"hit/{event.hit}": on})
        case ScreeningHitLapsed() as event:
            await _lapsed(connection, event, on)
        case RequestScreened() as event:
            await execute(
                """UPDATE acceptances SET findings = $3, not_pre_cleared = $4, objections_until = $5
                   WHERE request = $1 AND command = $2""",
                event.request,
                fact.record.command_id,
                as_json(event.findings),
                as_json(event.not_pre_cleared),
                event.objections_until,
            )
        case RequestDeclined(lapses_at=datetime() as lapses_at) as event:
            await _involve(connection, event.request, fact.record.actor, "screener")
            await raise_tasks(connection, [_decline_task(event, on, day_of_lapse(lapses_at))])
        case RequestDeclineLapsed() as event:
            await end_tasks(connection, {f"decline/{event.request}": on})
        case RequestDeclined() | RequestDeclineConfirmed() | RequestWithdrawn() | RequestExpired() as event:
            if isinstance(event, RequestDeclined | RequestDeclineConfirmed):
                await _involve(connection, event.request, fact.record.actor, "screener")
            await _no_longer(connection, event.request, (), on)
            await end_tasks(connection, {f"decline/{event.request}": on})
        case ObjectionRaised() | ObjectionAnswered() as event:
            await _object(connection, event, on)
        case RoundOpened() as event:
            await _involve(connection, event.round, fact.record.actor, "opener")
        case RoundProposed() as event:
            await _involve(connection, event.round, event.proposed_by, "proposer")
        case RoundApproved() as event:
            await _involve(connection, event.round, event.approval.subject, "approver")
        case RoundCertified() as event:
            await _involve(connection, event.round, fact.record.actor, "certifier")
        case ReviewRequested() | ReviewAssigned() | ReviewConcluded() | ReviewLapsed() as event:
            await _review(connection, event, on)
        case _:
            pass


def keep_acceptances(facts: Sequence[Fact]) -> Wave:
    """Each of them stays, also once another counts."""
    kept = [
        (
            fact.place,
            fact.event.request,
            fact.record.position,
            fact.record.command_id,
            fact.event.accepted_g,
            as_json(fact.event.reasons),
            date.fromisoformat(fact.record.effective_on),
            fact.record.actor,
        )
        for fact in facts
    ]
    columns = [list(column) for column in zip(*kept, strict=True)]
    return Wave((_KEEP_ACCEPTANCES, _SCREENERS), [*columns, [row[1] for row in kept], [row[7] for row in kept]])


async def _list(connection: Connection, event: ScreeningListPutInForce | ScreeningListWithdrawn, on: date) -> None:
    match event:
        case ScreeningListPutInForce():
            await connection.execute("UPDATE screening_lists SET in_force = false WHERE list = $1", event.list)
            await connection.execute(
                """INSERT INTO screening_lists (id, list, version, document, entries, in_force, reason, put_on)
                   VALUES ($1, $2, $3, $4, $5, true, $6, $7)""",
                f"{event.list}/{event.version}",
                event.list,
                event.version,
                event.document,
                event.entries,
                event.reason,
                on,
            )
        case ScreeningListWithdrawn():
            await connection.execute(
                "UPDATE screening_lists SET in_force = false, reason = $2, withdrawn_on = $3 WHERE id = $1",
                f"{event.list}/{event.version}",
                event.reason,
                on,
            )


async def _screened(connection: Connection, event: PartiesScreened, on: date) -> None:
    await connection.execute(
        """INSERT INTO request_screenings (request, lists, beyond, screened_on) VALUES ($1, $2, $3, $4)
           ON CONFLICT (request) DO UPDATE SET lists = $2, beyond = $3, screened_on = $4""",
        event.request,
        as_json(event.lists),
        event.beyond,
        on,
    )
    open_before = await _open_hits(connection, event.request)
    await _no_longer(connection, event.request, tuple(hit.hit for hit in event.hits), on)
    for hit in event.hits:  # one that is back after it had gone is open, whatever was said of it then
        await connection.execute(
            """INSERT INTO screening_hits AS h (hit, request, product, role, list, version, entry, match, found_on, status)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open')
               ON CONFLICT (hit) DO UPDATE SET
                   version = $6, match = $8, status = CASE h.status WHEN 'gone' THEN 'open' ELSE h.status END,
                   reason = CASE h.status WHEN 'gone' THEN NULL ELSE h.reason END,
                   decided_by = CASE h.status WHEN 'gone' THEN NULL ELSE h.decided_by END,
                   decided_on = CASE h.status WHEN 'gone' THEN NULL ELSE h.decided_on END,
                   lapses_at = CASE h.status WHEN 'gone' THEN NULL ELSE h.lapses_at END""",
            hit.hit,
            event.request,
            event.product,
            hit.role,
            hit.list,
            event.lists[hit.list],
            hit.entry,
            hit.match,
            on,
        )

    new = await _open_hits(connection, event.request) - open_before
    await raise_tasks(connection, [_hit_task(event, hit, on) for hit in event.hits if hit.hit in new])


async def _lapsed(connection: Connection, event: ScreeningHitLapsed, on: date) -> None:
    query = "UPDATE screening_hits SET status = $2, lapses_at = NULL WHERE hit = $1 RETURNING role, entry, list"
    row = await connection.fetchrow(query, event.hit, event.status)
    if row is not None and event.status == "open":
        await raise_tasks(connection, [_task(event.hit, event, row["role"], row["entry"], row["list"], on)])


async def _open_hits(connection: Connection, request: str) -> set[str]:
    rows = await connection.fetch("SELECT hit FROM screening_hits WHERE request = $1 AND status = 'open'", request)
    return {row["hit"] for row in rows}


async def _no_longer(connection: Connection, request: str, hits: Sequence[str], on: date) -> None:
    """All other hits of the request are hits no more: no list has them, or the request is closed and nothing has to be decided."""
    query = """UPDATE screening_hits SET status = 'gone' WHERE request = $1 AND hit <> ALL($2::text[]) AND status <> 'gone'
               RETURNING hit"""
    gone = await connection.fetch(query, request, list(hits))
    await end_tasks(connection, {f"hit/{row['hit']}": on for row in gone})


def _hit_task(event: PartiesScreened, hit: Hit, on: date) -> Task:
    return _task(hit.hit, event, hit.role, hit.entry, hit.list, on)


def _task(hit: str, event: PartiesScreened | ScreeningHitLapsed, role: str, entry: str, list_name: str, on: date) -> Task:
    return Task(
        task=f"hit/{hit}",
        kind="screening",
        about=event.request,
        partner=None,  # partners are told nothing of hits
        product=event.product,
        what=f"clear or confirm {hit}",
        why=f"the name of the {role.replace('_', ' ')} is like {entry} on {list_name}",
        due_on=on + timedelta(days=HIT_DAYS),
        raised_on=on,
    )


def _decline_task(event: RequestDeclined, on: date, due_on: date) -> Task:
    return Task(
        task=f"decline/{event.request}",
        kind="screening",
        about=event.request,
        partner=None,  # it is for the Reserve to do
        product=event.product,
        what=f"confirm that {event.request} is declined, or have it screened anew",
        why="one person has declined it, and it is as before once that has lapsed",
        due_on=due_on,
        raised_on=on,
    )


def _objection_task(event: ObjectionRaised, on: date, due_on: date) -> Task:
    return Task(
        task=f"objection/{event.objection}",
        kind="objection",
        about=event.request,
        partner=event.partner,
        product=event.product,
        what=f"answer {event.objection}",
        why=f"{event.partner} objects to what was accepted",
        due_on=due_on,
        raised_on=on,
    )


def _review_task(event: ReviewRequested, on: date) -> Task:
    return Task(
        task=f"review/{event.review}",
        kind="review",
        about=event.round,
        partner=event.partner,
        product=event.product,
        what=f"assign and conclude {event.review}",
        why=f"{event.partner or 'an operator'} asks for a review of the decision",
        due_on=on + timedelta(days=REVIEW_DAYS),
        raised_on=on,
    )


async def _object(connection: Connection, event: ObjectionRaised | ObjectionAnswered, on: date) -> None:
    match event:
        case ObjectionRaised():
            await connection.execute(
                """INSERT INTO objections (objection, request, product, partner, accepted_g, reasons, raised_on, status)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, 'open')""",
                event.objection,
                event.request,
                event.product,
                event.partner,
                event.accepted_g,
                as_json(event.reasons),
                on,
            )
            due_on = on + timedelta(days=OBJECTION_ANSWER_DAYS)
            await raise_tasks(connection, [_objection_task(event, on, due_on)])
        case ObjectionAnswered():
            await connection.execute(
                "UPDATE objections SET status = $2, answer = $3, answered_by = $4, answered_on = $5 WHERE objection = $1",
                event.objection,
                "upheld" if event.upheld else "not_upheld",
                as_json(event.reasons),
                event.answered_by,
                on,
            )
            await _involve(connection, event.request, event.answered_by, "screener")
            await end_tasks(connection, {f"objection/{event.objection}": on})
            if event.upheld and event.round is not None:
                why = f"the objection of {event.partner} is upheld"
                await _to_correct(connection, _correction_task(event.objection, event.round, event.partner, event.product, why, on))


async def _review(connection: Connection, event: ReviewEvent, on: date) -> None:
    match event:
        case ReviewRequested():
            await connection.execute(
                """INSERT INTO reviews (review, round, product, decision, partner, grounds, requested_by, requested_on, status)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'requested')""",
                event.review,
                event.round,
                event.product,
                event.decision,
                event.partner,
                as_json(event.grounds),
                event.requested_by,
                on,
            )
            await raise_tasks(connection, [_review_task(event, on)])
        case ReviewAssigned():
            await connection.execute(
                "UPDATE reviews SET status = 'assigned', reviewer = $2 WHERE review = $1", event.review, event.reviewer
            )
        case ReviewLapsed():
            await connection.execute("UPDATE reviews SET status = 'lapsed' WHERE review = $1", event.review)
            await end_tasks(connection, {f"review/{event.review}": on})
        case ReviewConcluded():
            await connection.execute(
                "UPDATE reviews SET status = 'concluded', outcome = $2, findings = $3, concluded_on = $4 WHERE review = $1",
                event.review,
                event.outcome,
                as_json(event.findings),
                on,
            )
            await end_tasks(connection, {f"review/{event.review}": on})
            if event.outcome == "error_found":
                review = await connection.fetchrow("SELECT round, product FROM reviews WHERE review = $1", event.review)
                assert review is not None, "what is concluded was asked for"
                why = "a review has found an error"
                task = _correction_task(event.review, review["round"], event.partner, review["product"], why, on)
                await _to_correct(connection, task)


def _correction_task(cause: str, round: str, partner: str | None, product: str, why: str, on: date) -> Task:
    return Task(
        task=f"correction/{cause}",
        kind="correction",
        about=round,
        partner=partner,
        product=product,
        what=f"supersede {round} by a round that decides again",
        why=why,
        due_on=on + timedelta(days=CORRECTION_DAYS),
        raised_on=on,
    )


async def _to_correct(connection: Connection, task: Task) -> None:
    """Until the decision is superseded, which a rebuild may have met before."""
    await raise_tasks(connection, [task])
    superseded_on = await connection.fetchval("SELECT superseded_on FROM superseded_rounds WHERE round = $1", task.about)
    if superseded_on is not None:
        await end_tasks(connection, {task.task: superseded_on})


async def _involve(connection: Connection, matter: str, subject: str, part: str) -> None:
    await connection.execute(
        "INSERT INTO involvements (id, matter, subject, part) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        f"{matter}/{subject}/{part}",
        matter,
        subject,
        part,
    )
