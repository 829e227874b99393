"""Authority: what allocation tells of it, as loans keep it; and what a loan has cited, which is a step of its stream."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial

from services.allocation.events import ActingOfficerNamed, ConflictDeclared, ConflictWithdrawn, InstrumentEnded, InstrumentRegistered
from services.allocation.events.authority import authority_after, authority_of
from shared.journal.codec import type_of
from shared.journal.connection import Connection
from shared.journal.record import Fact
from shared.terms.authority import interest_in
from shared.terms.authority_tables import change_authority, drop_conflict, keep_authority, keep_conflict

AUTHORITY_TYPES = frozenset(
    type_of(event) for event in (InstrumentRegistered, ActingOfficerNamed, InstrumentEnded, ConflictDeclared, ConflictWithdrawn)
)
_STEPS = (
    "UPDATE loans SET version = greatest(version, $2) WHERE loan = $1",
    "UPDATE holdings SET version = greatest(version, $2) WHERE holding = $1",
    "UPDATE material_loans SET version = greatest(version, $2) WHERE loan = $1",
)
_ENTRY = """
    INSERT INTO loan_entries (loan, version, kind, "on", recorded_on, recorded_at, text, place)
    SELECT loan, $2, 'authority_cited', $3::date, $3::date, $4, $5, $6 FROM loans WHERE loan = $1"""
_MATERIAL_ENTRY = """
    INSERT INTO material_entries (loan, version, kind, "on", recorded_on, told, place)
    SELECT loan, $2, 'authority_cited', $3::date, $3::date, $4, $5 FROM material_loans WHERE loan = $1"""


async def take_authorities(connection: Connection, facts: Sequence[Fact]) -> None:
    for fact in facts:
        match fact.event:
            case InstrumentRegistered() as event:
                await keep_authority(connection, authority_of(event))
            case ActingOfficerNamed() | InstrumentEnded() as event:
                await change_authority(connection, event.instrument, partial(authority_after, event=event))
            case ConflictDeclared() as event:
                await keep_conflict(connection, event.official, interest_in(event.about, event.name))
            case ConflictWithdrawn() as event:
                await drop_conflict(connection, event.official, interest_in(event.about, event.name))
            case _:
                pass


async def project_citation(connection: Connection, fact: Fact) -> None:
    """A line in the history of what was acted on, whose ETag is the version of its stream with this event. Ids differ by their kind."""
    event, version = fact.event, fact.record.version
    for step in _STEPS:
        await connection.execute(step, event.matter, version)
    on, at = date.fromisoformat(fact.record.effective_on), datetime.fromisoformat(fact.record.recorded_at)
    await connection.execute(_ENTRY, event.matter, version, on, at, event.cited.authority, fact.place)
    await connection.execute(_MATERIAL_ENTRY, event.matter, version, on, bytes(fact.record.data).decode(), fact.place)
