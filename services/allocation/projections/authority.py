"""Read tables of authority: instruments, officials' conflicts, and what was cited."""

from datetime import date
from typing import assert_never

from services.allocation.events.authority import (
    ActingOfficerNamed,
    AuthorityCited,
    AuthorityEvent,
    ConflictDeclared,
    ConflictWithdrawn,
    InstrumentEnded,
    InstrumentRegistered,
    PersonNamed,
    name_of_use,
)
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact
from shared.terms.authority import Acting, interest_in
from shared.terms.uses import keep_use


async def project_authority(connection: Connection, fact: Fact, event: AuthorityEvent, on: date) -> None:
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
        case InstrumentEnded():
            await execute(
                "UPDATE instruments SET ended_on = $2, version = $3 WHERE instrument = $1",
                event.instrument,
                event.ended_on,
                fact.record.version,
            )
        case ConflictDeclared():
            await execute(
                "INSERT INTO conflicts (official, key, about, name, reason, declared_on) VALUES ($1, $2, $3, $4, $5, $6)",
                event.official,
                interest_in(event.about, event.name),
                event.about,
                event.name,
                event.reason,
                on,
            )
        case ConflictWithdrawn():
            await execute("DELETE FROM conflicts WHERE official = $1 AND key = $2", event.official, interest_in(event.about, event.name))
        case PersonNamed():
            await execute("INSERT INTO persons (subject, person) VALUES ($1, $2)", event.official, event.person)
        case AuthorityCited():
            cited = event.cited
            await execute(
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
        case _:
            assert_never(event)
