"""Read tables of authority: instruments, approvers' keys, officials' conflicts, who bars whom by their word alone, and what was cited."""

from datetime import date, datetime
from typing import assert_never

from services.allocation.events import ApproverEvent
from services.allocation.events.authority import (
    ActingOfficerNamed,
    AuthorityEvent,
    ConflictConfirmed,
    ConflictDeclared,
    ConflictLapsed,
    ConflictWithdrawn,
    InstrumentEndConfirmed,
    InstrumentEnded,
    InstrumentEvent,
    InstrumentRegistered,
    InstrumentRestored,
    OfficialEvent,
    PersonNamed,
    name_of_use,
)
from services.allocation.events.partners import (
    ApproverKeyEnrolled,
    ApproverKeyRestored,
    ApproverKeyRevocationConfirmed,
    ApproverKeyRevoked,
)
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.terms.authority import Acting, interest_in
from shared.terms.uses import keep_use


async def project_authority(connection: Connection, fact: Fact, event: AuthorityEvent, on: date) -> None:
    if isinstance(event, InstrumentEvent):
        await _project_instrument(connection, fact, event)
        return
    if isinstance(event, OfficialEvent):
        await _project_official(connection, event, on)
        return
    cited = event.cited
    await connection.execute(
        "INSERT INTO citations (place, matter, act, by, authority, cited, cited_on) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        fact.place,
        event.matter,
        cited.act,
        cited.by,
        cited.authority,
        as_json(cited),
        on,
    )
    await keep_use(connection, fact, name_of_use(event.matter, cited.act))


async def _project_instrument(connection: Connection, fact: Fact, event: InstrumentEvent) -> None:
    execute = connection.execute
    match event:
        case InstrumentRegistered():
            await execute(
                """INSERT INTO instruments (instrument, kind, title, office, under, holder, acting, acts, products, limit_g, limit_minor,
                                            currency, valid_from, valid_until, may_sub_delegate, window_days, version)
                   VALUES ($1, $2, $3, $4, $5, $6, '[]', $7, $8, $9, $10, $11, $12, $13, $14, $15, 1)""",
                event.instrument,
                event.kind,
                event.title,
                event.office,
                event.under,
                event.holder,
                as_json(event.acts),
                as_json(event.products),
                event.limit_g,
                event.limit_minor,
                event.currency,
                event.valid_from,
                event.valid_until,
                event.may_sub_delegate,
                event.window_days,
            )
        case ActingOfficerNamed():
            officer = Acting(subject=event.officer, valid_from=event.valid_from, valid_until=event.valid_until)
            await execute(
                "UPDATE instruments SET acting = acting || $2::jsonb, version = $3 WHERE instrument = $1",
                event.instrument,
                as_json((officer,)),
                fact.record.version,
            )
        case InstrumentEnded() | InstrumentRestored():
            ended = event if isinstance(event, InstrumentEnded) else None
            await execute(
                """UPDATE instruments SET ended_on = $2, ended_by = $3, end_lapses_at = $4, end_confirmed_by = NULL, version = $5
                   WHERE instrument = $1""",
                event.instrument,
                *((None, None, None) if ended is None else (ended.ended_on, ended.ended_by, ended.lapses_at)),
                fact.record.version,
            )
            if ended is not None:
                await _bar(connection, f"instrument/{event.instrument}", ended.ended_by, ended.lapses_at)
        case InstrumentEndConfirmed():
            await execute(
                "UPDATE instruments SET end_lapses_at = NULL, end_confirmed_by = $2, version = $3 WHERE instrument = $1",
                event.instrument,
                event.confirmed_by,
                fact.record.version,
            )
            await _confirm(connection, f"instrument/{event.instrument}")
        case _:
            assert_never(event)


async def _project_official(connection: Connection, event: OfficialEvent, on: date) -> None:
    execute = connection.execute
    if isinstance(event, PersonNamed):
        await execute("INSERT INTO persons (subject, person) VALUES ($1, $2)", event.official, event.person)
        return
    key = interest_in(event.about, event.name)
    bar = f"conflict/{event.official}/{key}"
    match event:
        case ConflictDeclared():
            await execute(
                """INSERT INTO conflicts (official, key, about, name, reason, declared_on, declared_by, lapses_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
                event.official,
                key,
                event.about,
                event.name,
                event.reason,
                on,
                event.declared_by,
                event.lapses_at,
            )
            await _bar(connection, bar, event.declared_by, event.lapses_at)
        case ConflictConfirmed():
            await execute(
                "UPDATE conflicts SET lapses_at = NULL, confirmed_by = $3 WHERE official = $1 AND key = $2",
                event.official,
                key,
                event.confirmed_by,
            )
            await _confirm(connection, bar)
        case ConflictLapsed() | ConflictWithdrawn():
            if isinstance(event, ConflictWithdrawn):  # by two persons: the word that it stood on, and no older one
                await execute(
                    """DELETE FROM bars USING conflicts WHERE bars.what = $3 AND official = $1 AND key = $2
                       AND bars.by = declared_by AND bars.lapses_at = conflicts.lapses_at""",
                    event.official,
                    key,
                    bar,
                )
            await execute("DELETE FROM conflicts WHERE official = $1 AND key = $2", event.official, key)
        case _:
            assert_never(event)


async def project_approver(connection: Connection, event: ApproverEvent, on: date) -> None:
    execute, id = connection.execute, f"{event.subject}/{event.key}"
    match event:
        case ApproverKeyEnrolled():
            await execute(
                "INSERT INTO approver_keys (id, subject, key, public_key, enrolled_on) VALUES ($1, $2, $3, $4, $5)",
                id,
                event.subject,
                event.key,
                event.public_key,
                on,
            )
        case ApproverKeyRevoked():
            await execute(
                "UPDATE approver_keys SET revoked_on = $2, revoked_by = $3, revocation_lapses_at = $4 WHERE id = $1",
                id,
                on,
                event.revoked_by,
                event.lapses_at,
            )
            await _bar(connection, f"key/{id}", event.revoked_by, event.lapses_at)
        case ApproverKeyRevocationConfirmed():
            await execute(
                "UPDATE approver_keys SET revocation_lapses_at = NULL, revocation_confirmed_by = $2 WHERE id = $1", id, event.confirmed_by
            )
            await _confirm(connection, f"key/{id}")
        case ApproverKeyRestored():
            await execute("UPDATE approver_keys SET revoked_on = NULL, revoked_by = NULL, revocation_lapses_at = NULL WHERE id = $1", id)
        case _:
            assert_never(event)


async def _bar(connection: Connection, what: str, by: str | None, lapses_at: datetime | None) -> None:
    if by is not None and lapses_at is not None:
        await connection.execute(
            "INSERT INTO bars (what, by, lapses_at) VALUES ($1, $2, $3) ON CONFLICT (what, by) DO UPDATE SET lapses_at = $3",
            what,
            by,
            lapses_at,
        )


async def _confirm(connection: Connection, what: str) -> None:
    """The last of them is two persons' word now."""
    await connection.execute(
        "DELETE FROM bars WHERE what = $1 AND lapses_at = (SELECT max(lapses_at) FROM bars AS each WHERE each.what = $1)", what
    )
