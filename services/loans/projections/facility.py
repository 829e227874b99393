"""Read tables of facilities."""

from collections.abc import Iterable
from fractions import Fraction

from services.loans.domain.facility.state import worth
from services.loans.events.facility import FacilityOpened, HeadroomReleased, HeadroomReserved, Limit, LimitsSet, RateRecorded
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_facility(connection: Connection, fact: Fact) -> None:
    match event := fact.event:
        case FacilityOpened():
            await connection.execute(
                "INSERT INTO facilities (facility, currency, version) VALUES ($1, $2, $3)",
                event.facility,
                event.currency,
                fact.record.version,
            )
            await _set_limits(connection, event.facility, event.limits)
            return
        case LimitsSet():
            await connection.execute("DELETE FROM limits WHERE facility = $1", event.facility)
            await _set_limits(connection, event.facility, event.limits)
        case RateRecorded():
            await _revalue(connection, event)
        case HeadroomReserved():
            await connection.execute(
                "INSERT INTO commitments (facility, commitment, asset, amount, value_minor, keys) VALUES ($1, $2, $3, $4, $5, $6)",
                event.facility,
                event.commitment,
                event.asset,
                event.amount,
                event.value_minor,
                as_json(event.keys),
            )
        case HeadroomReleased() if event.remaining:
            await connection.execute(
                "UPDATE commitments SET amount = $3, value_minor = value_minor - $4 WHERE facility = $1 AND commitment = $2",
                event.facility,
                event.commitment,
                event.remaining,
                event.value_minor,
            )
        case HeadroomReleased():
            await connection.execute("DELETE FROM commitments WHERE facility = $1 AND commitment = $2", event.facility, event.commitment)
        case _:
            pass
    await connection.execute("UPDATE facilities SET version = $2 WHERE facility = $1", event.facility, fact.record.version)


async def _set_limits(connection: Connection, facility: str, limits: Iterable[Limit]) -> None:
    await connection.executemany(
        "INSERT INTO limits (facility, key, parent, limit_minor, warn_at) VALUES ($1, $2, $3, $4, $5)",
        [(facility, limit.key, limit.parent, limit.limit_minor, limit.warn_at) for limit in limits],
    )


async def _revalue(connection: Connection, event: RateRecorded) -> None:
    await connection.execute(
        """INSERT INTO rates (facility, asset, rate, quoted_on, source) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (facility, asset) DO UPDATE SET rate = $3, quoted_on = $4, source = $5""",
        event.facility,
        event.asset,
        event.rate,
        event.quoted_on,
        event.source,
    )
    held = await connection.fetch(
        "SELECT commitment, amount FROM commitments WHERE facility = $1 AND asset = $2", event.facility, event.asset
    )
    await connection.executemany(
        "UPDATE commitments SET value_minor = $3 WHERE facility = $1 AND commitment = $2",
        [(event.facility, row["commitment"], worth(row["amount"], Fraction(event.rate))) for row in held],
    )
