"""Read tables of repayment in kind: the agreements, and the lots that came under their rights."""

from datetime import date
from typing import Any, assert_never

from services.loans.events.offtake import (
    DeliveryAccepted,
    DeliveryEvent,
    DeliveryNotValued,
    DeliveryQuarantined,
    DeliveryValued,
    OfftakeAgreed,
    OfftakeEnded,
    OfftakeEvent,
)
from shared.journal.connection import Connection
from shared.journal.record import Fact

_AGREED = """
    INSERT INTO offtakes (offtake, "right", loan, product, element, price, currency, share, prepays, since, until,
                          authority, agreed_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"""
_DELIVERY = """
    INSERT INTO deliveries (lot, "right", status, offtake, loan, mass_g, contained_g, amount_minor, received_on, payment, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (lot) DO UPDATE SET status = $3, offtake = $4, loan = $5, mass_g = $6, contained_g = $7, amount_minor = $8,
                                    received_on = $9, payment = $10, reason = $11
    WHERE deliveries.offtake IS NULL OR $4 IS NOT NULL"""  # a rebuild may read the lot's stream after its right's


async def project_offtake(connection: Connection, fact: Fact) -> None:
    event: OfftakeEvent | DeliveryEvent = fact.event
    match event:
        case OfftakeAgreed():
            await connection.execute(
                _AGREED,
                event.offtake,
                event.right,
                event.loan,
                event.product,
                event.element,
                event.price,
                event.currency,
                event.share,
                event.prepays,
                event.since,
                event.until,
                event.authority,
                event.agreed_by,
            )
        case OfftakeEnded():
            await connection.execute(
                "UPDATE offtakes SET ended_on = $2, ended_because = $3 WHERE offtake = $1", event.offtake, event.on, event.reason
            )
        case DeliveryValued():
            await _delivery(connection, event, "valued", event.received_on)
        case DeliveryNotValued():
            await _delivery(connection, event, "not_valued", event.received_on, reason=event.reason)
        case DeliveryQuarantined():
            await _delivery(connection, event, "quarantined", date.fromisoformat(fact.record.effective_on), reason="out_of_specification")
        case DeliveryAccepted():
            await _delivery(connection, event, "accepted", event.accepted_on)
        case _:
            assert_never(event)


async def _delivery(
    connection: Connection,
    event: DeliveryValued | DeliveryNotValued | DeliveryQuarantined | DeliveryAccepted,
    status: str,
    received_on: date,
    reason: str | None = None,
) -> None:
    def known(name: str) -> Any:
        return getattr(event, name, None)  # what this event does not say is not known yet

    await connection.execute(
        _DELIVERY,
        event.lot,
        event.right,
        status,
        known("offtake"),
        known("loan"),
        event.mass_g,
        known("contained_g"),
        known("amount_minor"),
        received_on,
        known("payment"),
        reason,
    )
