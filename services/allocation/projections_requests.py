"""Read tables of requests and awards: a commit may hold hundreds of the one or 10,000 of the other, so each kind is one statement."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from services.allocation.events import AwardGranted, AwardWithdrawn, LoanAwarded, LoanRequested, RequestAccepted, RequestSubmitted
from shared.postgres import Connection
from shared.record import Fact

_SUBMIT = """
    INSERT INTO requests (request, product, partner, mass_g, minimum_g, daily_consumption_g, needed_by, nominee, consignee, end_user,
                          end_use, least_contents, excluded_origins, statement, submitted_on, status, reasons)
    SELECT *, 'submitted', '[]'::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::date[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::jsonb[], $13::jsonb[], $14::jsonb[], $15::date[])"""
_RETURN_REQUESTS = """
    UPDATE requests SET return_on = new.return_on FROM unnest($1::text[], $2::date[]) AS new(request, return_on)
    WHERE requests.request = new.request"""
_ACCEPT = """
    UPDATE requests SET status = 'accepted', accepted_g = new.accepted_g, reasons = new.reasons
    FROM unnest($1::text[], $2::bigint[], $3::jsonb[]) AS new(request, accepted_g, reasons)
    WHERE requests.request = new.request"""
# An award that inventory had refused may be granted again, by another decision.
_GRANT = """
    INSERT INTO awards (award, round, request, product, partner, mass_g, daily_consumption_g, days_of_cover, decision, expires_on, status)
    SELECT *, 'granted'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
                $10::date[])
    ON CONFLICT (award) DO UPDATE SET round = excluded.round, mass_g = excluded.mass_g, days_of_cover = excluded.days_of_cover,
                                      decision = excluded.decision, expires_on = excluded.expires_on, status = 'granted'"""
_RETURN_AWARDS = """
    UPDATE awards SET return_on = new.return_on FROM unnest($1::text[], $2::date[]) AS new(award, return_on)
    WHERE awards.award = new.award"""
_AWARDED = "UPDATE requests SET status = 'awarded' WHERE request = ANY($1::text[])"
_WITHDRAW_AWARDS = "UPDATE awards SET status = 'withdrawn' WHERE award = ANY($1::text[])"
_ACCEPTED_AGAIN = "UPDATE requests SET status = 'accepted' WHERE request = ANY($1::text[])"


async def _submit(connection: Connection, facts: Sequence[Fact]) -> None:
    await _execute(connection, _SUBMIT, [_submitted(fact.event, date.fromisoformat(fact.record.effective_on)) for fact in facts])


def _submitted(event: RequestSubmitted, on: date) -> tuple[Any, ...]:
    return (
        event.request,
        event.product,
        event.partner,
        event.mass_g,
        event.minimum_g,
        event.daily_consumption_g,
        event.needed_by,
        event.nominee,
        event.consignee,
        event.end_user,
        event.end_use,
        _json(event.least_contents),
        _json(event.excluded_origins),
        _json(event.statement),
        on,
    )


async def _return_requests(connection: Connection, facts: Sequence[Fact]) -> None:
    await _execute(connection, _RETURN_REQUESTS, [(fact.event.request, fact.event.return_on) for fact in facts])


async def _accept(connection: Connection, facts: Sequence[Fact]) -> None:
    """Of several acceptances of a request the last one counts."""
    latest = {fact.event.request: (fact.event.request, fact.event.accepted_g, _json(fact.event.reasons)) for fact in facts}
    await _execute(connection, _ACCEPT, list(latest.values()))


async def _grant(connection: Connection, facts: Sequence[Fact]) -> None:
    granted = [
        (
            event.award,
            event.round,
            event.request,
            event.product,
            event.partner,
            event.mass_g,
            event.daily_consumption_g,
            event.days_of_cover,
            event.decision,
            event.expires_on,
        )
        for event in (fact.event for fact in facts)
    ]
    await _execute(connection, _GRANT, granted)
    await connection.execute(_AWARDED, [fact.event.request for fact in facts])


async def _return_awards(connection: Connection, facts: Sequence[Fact]) -> None:
    await _execute(connection, _RETURN_AWARDS, [(fact.event.award, fact.event.return_on) for fact in facts])


async def _withdraw(connection: Connection, facts: Sequence[Fact]) -> None:
    await connection.execute(_WITHDRAW_AWARDS, [fact.event.award for fact in facts])
    await connection.execute(_ACCEPTED_AGAIN, [fact.event.request for fact in facts])


async def _execute(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """`rows` as the columns that the statement unnests."""
    await connection.execute(statement, *(list(column) for column in zip(*rows, strict=True)))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# Of a run of events of one kind, in their order.
RUNS: Mapping[type[Any], Callable[[Connection, Sequence[Fact]], Awaitable[None]]] = {
    RequestSubmitted: _submit,
    LoanRequested: _return_requests,
    RequestAccepted: _accept,
    AwardGranted: _grant,
    LoanAwarded: _return_awards,
    AwardWithdrawn: _withdraw,
}
