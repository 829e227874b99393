"""Read table of payees."""

from typing import assert_never

from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeEndLapsed, PayeeEvent, PayeeRegistered
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_payee(connection: Connection, fact: Fact) -> None:
    event: PayeeEvent = fact.event
    match event:
        case PayeeRegistered():
            await connection.execute(
                """INSERT INTO payees
                   (payee, borrower, currency, holder, bank, account, masked, registered_by, registered_on, pays_from, version)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
                event.payee,
                event.borrower,
                event.currency,
                event.holder,
                event.bank,
                event.account,
                event.masked,
                as_json(event.registered_by),
                event.registered_on,
                event.pays_from,
                fact.record.version,
            )
        case PayeeEnded():
            query = "UPDATE payees SET ended_on = $2, reason = $3, lapses_at = $4 WHERE payee = $1"
            await connection.execute(query, event.payee, event.ended_on, event.reason, event.lapses_at)
        case PayeeEndConfirmed():
            await connection.execute("UPDATE payees SET lapses_at = NULL WHERE payee = $1", event.payee)
        case PayeeEndLapsed():
            query = "UPDATE payees SET ended_on = NULL, reason = NULL, lapses_at = NULL WHERE payee = $1"
            await connection.execute(query, event.payee)
        case _:
            assert_never(event)
    await connection.execute("UPDATE payees SET version = $2 WHERE borrower = $1", event.borrower, fact.record.version)
