"""What allocation tells of authority, as inventory keeps it: who may act, within which limits, and what bars them."""

from collections.abc import Sequence
from functools import partial

from services.allocation.events import ActingOfficerNamed, ConflictDeclared, ConflictWithdrawn, InstrumentEnded, InstrumentRegistered
from services.allocation.events.authority import authority_after, authority_of
from services.inventory.projections import take_partners
from shared.journal.codec import type_of
from shared.journal.connection import Connection
from shared.journal.record import Fact
from shared.terms.authority import interest_in
from shared.terms.authority_tables import change_authority, drop_conflict, keep_authority, keep_conflict

AUTHORITY_TYPES = frozenset(
    type_of(event) for event in (InstrumentRegistered, ActingOfficerNamed, InstrumentEnded, ConflictDeclared, ConflictWithdrawn)
)


async def take_allocation(connection: Connection, facts: Sequence[Fact]) -> None:
    await take_partners(connection, facts)
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
                pass  # known by the partners' table, or by reactions
