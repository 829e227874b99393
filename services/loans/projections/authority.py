"""What a loan has cited, and what is proposed for it, is a step of its stream."""

from datetime import date, datetime

from services.loans.events.authority import name_of_use
from shared.journal.connection import Connection
from shared.journal.record import Fact
from shared.terms.uses import keep_use

_STEPS = {  # by the kind of stream
    "loan": "UPDATE loans SET version = greatest(version, $2) WHERE loan = $1",
    "equity": "UPDATE holdings SET version = greatest(version, $2) WHERE holding = $1",
    "material": "UPDATE material_loans SET version = greatest(version, $2) WHERE loan = $1",
    "facility": "UPDATE facilities SET version = greatest(version, $2) WHERE facility = $1",
    "payees": "UPDATE payees SET version = greatest(version, $2) WHERE borrower = $1",
    "laboratory": "UPDATE laboratories SET version = greatest(version, $2) WHERE laboratory = $1",
    "reference": "UPDATE reference_rates SET version = greatest(version, $2) WHERE rate = $1",
}
_ENTRY = """
    INSERT INTO loan_entries (loan, version, kind, "on", recorded_on, recorded_at, text, place)
    SELECT loan, $2, 'authority_cited', $3::date, $3::date, $4, $5, $6 FROM loans WHERE loan = $1"""
_MATERIAL_ENTRY = """
    INSERT INTO material_entries (loan, version, kind, "on", recorded_on, told, place)
    SELECT loan, $2, 'authority_cited', $3::date, $3::date, $4, $5 FROM material_loans WHERE loan = $1"""


async def project_citation(connection: Connection, fact: Fact) -> None:
    """A line in the history of what was acted on, whose ETag is the version of its stream with this event. Ids differ by their kind."""
    event, version = fact.event, fact.record.version
    await keep_use(connection, fact, name_of_use(fact.record.stream, event.cited.act, fact.place))
    await project_proposal(connection, fact)
    on, at = date.fromisoformat(fact.record.effective_on), datetime.fromisoformat(fact.record.recorded_at)
    await connection.execute(_ENTRY, event.matter, version, on, at, event.cited.authority, fact.place)
    await connection.execute(_MATERIAL_ENTRY, event.matter, version, on, bytes(fact.record.data).decode(), fact.place)


async def project_proposal(connection: Connection, fact: Fact) -> None:
    """Its own table has the rest."""
    kind, _, id = fact.record.stream.partition("/")
    if (step := _STEPS.get(kind)) is not None:
        await connection.execute(step, id, fact.record.version)
