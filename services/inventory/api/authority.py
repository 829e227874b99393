"""In what capacity a caller acts: by what allocation has told of instruments, and of conflicts of interest."""

from datetime import date
from typing import Annotated

from pydantic import StringConstraints

from services.inventory.tables import AuthorityRow, ConflictRow
from shared.auth import Caller
from shared.authority import Capacity
from shared.authority_tables import capacity_of
from shared.fields import TYPEID
from shared.http import Reads

# Left out: the narrowest of those that the caller holds, or may act under, and that covers the act.
type InstrumentField = Annotated[str, StringConstraints(pattern=f"^ins_{TYPEID}$")]


async def capacity_to_act(reads: Reads, caller: Caller, on: date, named: str | None) -> Capacity:
    async with reads.session() as session:
        return await capacity_of(session, AuthorityRow, ConflictRow, by=caller.subject, on=on, named=named)
