"""Read tables of requests and awards: a commit may hold hundreds of the one or 10,000 of the other, so each kind is one statement."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from services.allocation.events import AwardGranted, AwardWithdrawn, LoanAwarded, LoanRequested, RequestAccepted, RequestSubmitted
from services.allocation.projections.clocks import screening_task
from services.allocation.projections.screening import keep_acceptances
from services.allocation.projections.tasks import END
from shared.journal.connection import as_json
from shared.journal.record import Fact
from shared.journal.waves import Wave, together

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
    INSERT INTO awards (award, round, request, product, partner, mass_g, daily_consumption_g, days_of_cover, decision, expires_on, status,
                        failed_g)
    SELECT *, 'granted', 0
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
                $10::date[])
    ON CONFLICT (award) DO UPDATE SET round = excluded.round, mass_g = excluded.mass_g, days_of_cover = excluded.days_of_cover,
                                      decision = excluded.decision, expires_on = excluded.expires_on, status = 'granted',
                                      failed_g = 0"""
_RETURN_AWARDS = """
    UPDATE awards SET return_on = new.return_on FROM unnest($1::text[], $2::date[]) AS new(award, return_on)
    WHERE awards.award = new.award"""
_AWARDED = "UPDATE requests SET status = 'awarded' WHERE request = ANY($1::text[])"
_WITHDRAW_AWARDS = "UPDATE awards SET status = 'withdrawn' WHERE award = ANY($1::text[])"
_ACCEPTED_AGAIN = "UPDATE requests SET status = 'accepted' WHERE request = ANY($1::text[])"


def _submit(facts: Sequence[Fact]) -> Wave:
    return _wave(_SUBMIT, [_submitted(fact.event, date.fromisoformat(fact.record.effective_on)) for fact in facts])


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
        as_json(event.least_contents),
        as_json(event.excluded_origins),
        as_json(event.statement),
        on,
    )


def _return_requests(facts: Sequence[Fact]) -> Wave:
    return _wave(_RETURN_REQUESTS, [(fact.event.request, fact.event.return_on) for fact in facts])


def _accept(facts: Sequence[Fact]) -> Wave:
    """Of several acceptances of a request the last one counts."""
    latest = {fact.event.request: (fact.event.request, fact.event.accepted_g, as_json(fact.event.reasons)) for fact in facts}
    done = {fact.event.request: (screening_task(fact.event.request), date.fromisoformat(fact.record.effective_on)) for fact in facts}
    accepted = together(_wave(_ACCEPT, list(latest.values())), _wave(END, list(done.values())))
    return together(accepted, keep_acceptances(facts))


def _grant(facts: Sequence[Fact]) -> Wave:
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
    return together(_wave(_GRANT, granted), Wave((_AWARDED,), [[fact.event.request for fact in facts]]))


def _return_awards(facts: Sequence[Fact]) -> Wave:
    return _wave(_RETURN_AWARDS, [(fact.event.award, fact.event.return_on) for fact in facts])


def _withdraw(facts: Sequence[Fact]) -> Wave:
    awards, requests = [fact.event.award for fact in facts], [fact.event.request for fact in facts]
    return Wave((_WITHDRAW_AWARDS, _ACCEPTED_AGAIN), [awards, requests])


def _wave(statement: str, rows: Sequence[Sequence[Any]]) -> Wave:
    """`rows` as the columns that the statement unnests."""
    return Wave((statement,), [list(column) for column in zip(*rows, strict=True)])


# What a run of events of one kind writes, in their order.
RUNS: Mapping[type[Any], Callable[[Sequence[Fact]], Wave]] = {
    RequestSubmitted: _submit,
    LoanRequested: _return_requests,
    RequestAccepted: _accept,
    AwardGranted: _grant,
    LoanAwarded: _return_awards,
    AwardWithdrawn: _withdraw,
}


def waves_of(facts: Sequence[Fact]) -> list[Wave] | None:
    """A wave a run; None where other kinds of events are among them."""
    waves = []
    for kind, run in groupby(facts, key=lambda fact: type(fact.event)):
        if (write := RUNS.get(kind)) is None:
            return None
        waves.append(write(list(run)))
    return waves
