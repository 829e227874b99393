"""Tasks: what somebody is to do, by when, and why. Whatever projection knows of one raises it, and ends it once it is done."""

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from shared.journal.connection import Connection

RAISE = """
    INSERT INTO tasks (task, kind, about, partner, product, what, why, due_on, raised_on)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[])
    ON CONFLICT (task) DO UPDATE SET what = excluded.what, why = excluded.why, due_on = excluded.due_on, raised_on = excluded.raised_on,
                                     done_on = NULL"""
END = """
    UPDATE tasks SET done_on = done.done_on FROM unnest($1::text[], $2::date[]) AS done(task, done_on)
    WHERE tasks.task = done.task AND (tasks.done_on IS NULL) <> (done.done_on IS NULL)"""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    task: str  # names it for good: raised again, it is the same one
    kind: str  # "clock", "readiness": what it comes of
    about: str
    partner: str | None  # whose it is, and who sees it
    product: str | None
    what: str
    why: str
    due_on: date
    raised_on: date


async def raise_tasks(connection: Connection, tasks: Iterable[Task]) -> None:
    """Anew, or once more with what is now to be said of it."""
    if rows := [msgspec.structs.astuple(task) for task in tasks]:
        await connection.execute(RAISE, *map(list, zip(*rows, strict=True)))


async def end_tasks(connection: Connection, done: Mapping[str, date | None]) -> None:
    """Done on that day; None: to be done again, if it ever was to be. Of those that were never raised nothing is kept."""
    if done:
        await connection.execute(END, list(done), list(done.values()))
