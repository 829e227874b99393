"""Authorities and conflicts of interest as a service keeps them that is told of them by another: it asks them when somebody acts there."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.journal.columns import json
from shared.journal.connection import Connection, as_json
from shared.terms.authority import Authority, Capacity, chain_of


class AuthorityColumns(SQLModel):
    """Of the table `authorities`."""

    id: str = Field(primary_key=True)
    subjects: list[str] = json()  # the holder, and whoever was ever named to act
    content: dict[str, Any] = json()  # an `Authority`


class ConflictColumns(SQLModel):
    """Of the table `conflicts`."""

    official: str = Field(primary_key=True)
    key: str = Field(primary_key=True)  # what it is about, as names are compared


async def keep_authority(connection: Connection, authority: Authority) -> None:
    await connection.execute(
        """INSERT INTO authorities (id, subjects, content) VALUES ($1, $2, $3)
           ON CONFLICT (id) DO UPDATE SET subjects = $2, content = $3""",
        authority.id,
        as_json([authority.holder, *(each.subject for each in authority.acting)]),
        as_json(authority),
    )


async def change_authority(connection: Connection, id: str, change: Callable[[Authority], Authority]) -> None:
    known = await connection.fetchval("SELECT content FROM authorities WHERE id = $1", id)
    assert known is not None, f"{id} was registered before"
    await keep_authority(connection, change(msgspec.json.decode(known, type=Authority)))


async def keep_conflict(connection: Connection, official: str, key: str) -> None:
    await connection.execute("INSERT INTO conflicts (official, key) VALUES ($1, $2)", official, key)


async def drop_conflict(connection: Connection, official: str, key: str) -> None:
    await connection.execute("DELETE FROM conflicts WHERE official = $1 AND key = $2", official, key)


async def capacity_of(
    session: AsyncSession,
    authorities: type[AuthorityColumns],
    conflicts: type[ConflictColumns],
    *,
    by: str,
    on: date,
    named: str | None,
) -> Capacity:
    """In what capacity somebody acts on a day. `named`: the authority that they say they act under, whosever it is."""
    own = (await session.exec(select(authorities.id).where(col(authorities.subjects).contains([by])))).all()
    ids = sorted(set(own) | ({named} if named is not None else set()))
    known: dict[str, Authority] = {}
    wanted = set(ids)
    while wanted:
        found = (await session.exec(select(authorities.content).where(col(authorities.id).in_(wanted)))).all()
        more = [msgspec.convert(content, Authority) for content in found]
        known |= {each.id: each for each in more}
        wanted = {each.under for each in more if each.under is not None} - known.keys()
    chains = [chain_of(known, id) for id in ids]
    declared = (await session.exec(select(conflicts.key).where(conflicts.official == by))).all()
    return Capacity(by=by, on=on, held=tuple(chain for chain in chains if chain is not None), named=named, conflicts=frozenset(declared))
