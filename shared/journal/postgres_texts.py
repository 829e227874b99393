"""Texts in PostgreSQL: kept with the events that hold their commitments, read, erased, and wiped from the pages of their table."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from shared.journal.connection import Connection
from shared.journal.protocol import UNKNOWN_INPUT
from shared.journal.texts import ErasableText, KeptText

_COLUMNS = ", ".join(ErasableText.__struct_fields__)
_TO_WIPE = "erased_at IS NOT NULL AND wiped_at IS NULL"


async def keep_texts(connection: Connection, texts: Sequence[KeptText], at: datetime) -> None:
    await connection.executemany(
        """INSERT INTO texts (commitment, salt, content, shard, position, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT DO NOTHING""",
        [(each.text.commitment, each.text.salt, each.text.content, each.shard, each.position, at) for each in texts],
    )


async def erase_texts(connection: Connection, commitments: Sequence[str], at: datetime) -> None:
    """A word stays that there was one: whoever restores the table from a backup takes that along, too."""
    await connection.executemany(
        """INSERT INTO texts (commitment, erased_at) VALUES ($1, $2)
           ON CONFLICT (commitment) DO UPDATE SET salt = NULL, content = NULL, erased_at = excluded.erased_at, wiped_at = NULL""",
        [(commitment, at) for commitment in commitments],
    )


async def read_texts(connection: Connection, commitments: Collection[str]) -> dict[str, ErasableText]:
    """Those that there are, by commitment."""
    query = f"SELECT {_COLUMNS} FROM texts WHERE commitment = ANY ($1)"  # noqa: S608
    return {row["commitment"]: ErasableText(*row) for row in await connection.fetch(query, list(commitments))}


async def wipe_texts(connection: Connection, at: datetime) -> int:
    """Has the table written anew without the bytes of what was erased, and forgets the fingerprints of the requests that brought it: they
    are unsalted hashes of bodies that could be guessed. Gives how many texts are gone by it. To be repeated when it was interrupted, or
    while somebody still reads as of a moment at which they were there."""
    rows = await connection.fetch(f"SELECT commitment, shard, position FROM texts WHERE {_TO_WIPE}")  # noqa: S608
    if not rows:
        return 0
    await connection.execute(  # of a request that several streams took, each part has the same one; after its 32 bytes comes the party
        """UPDATE outcomes SET fingerprint = $3::bytea || substr(fingerprint, 33)
           WHERE octet_length(fingerprint) >= 32 AND substr(fingerprint, 1, 32) IN (
               SELECT substr(fingerprint, 1, 32) FROM outcomes JOIN events ON events.command_id = outcomes.command_id
               JOIN unnest($1::smallint[], $2::bigint[]) AS place (shard, position)
                   ON events.shard = place.shard AND events.position = place.position)""",
        [row["shard"] for row in rows],
        [row["position"] for row in rows],
        UNKNOWN_INPUT,
    )
    if await _vacuum(connection):
        return 0
    wiped = [row["commitment"] for row in rows]
    await connection.execute("UPDATE texts SET wiped_at = $2 WHERE commitment = ANY ($1) AND erased_at IS NOT NULL", wiped, at)
    return len(rows)


async def _vacuum(connection: Connection) -> int:
    """Gives how many dead rows had to be taken along, since a transaction that is older than their end is still open somewhere."""
    left: list[int] = []

    def listen(_connection: Any, message: Any) -> None:
        if (found := re.match(r"(\d+) ", message.detail or "")) is not None:
            left.append(int(found[1]))

    connection.add_log_listener(listen)
    try:
        await connection.execute("VACUUM (FULL, VERBOSE) texts")
    finally:
        connection.remove_log_listener(listen)
    return sum(left)
