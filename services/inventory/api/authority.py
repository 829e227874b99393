"""In what capacity a caller acts: by what allocation has told of instruments, and of conflicts of interest."""

from datetime import date
from typing import Annotated

from pydantic import StringConstraints

from services.inventory.tables import AuthorityRow, ConflictRow
from shared.http.auth import Caller
from shared.http.fields import TYPEID
from shared.http.handlers import Reads
from shared.terms.authority import Capacity
from shared.terms.authority_tables import capacity_of

# Left out: the narrowest of those that the caller holds, or may act under, and that covers the act.
type InstrumentField = Annotated[str, StringConstraints(pattern=f"^ins_{TYPEID}$")]


async def capacity_to_act(reads: Reads, caller: Caller, on: date, named: str | None) -> Capacity:
    async with reads.session() as session:
        return await capacity_of(session, AuthorityRow, ConflictRow, by=caller.subject, on=on, named=named)
