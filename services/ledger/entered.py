"""Entered: the order in which the ledger has taken what others recorded, as its entries have it, for a rebuild of its tables.

The leaves hold the same order, signed, and the audit compares the two. Of an entry that is missing or was changed by hand, nothing is
believed but that there was one: the event is the one that its line lacks. A rebuild shows that entry as it must be, and leaves the others
as they are.
"""

from collections.abc import Iterator, Mapping

from shared.journal.connection import Connection

type Line = tuple[str, int]  # source, shard

_NEXT = "SELECT leaf_index, source, shard, position FROM entries WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2"
_LOGS = "SELECT begins FROM logs WHERE begins >= $1"
_LINES = "SELECT source, shard, position FROM inbox_cursors"
_AROUND = "SELECT position, leaf_index FROM entries WHERE source = $1 AND shard = $2 AND position BETWEEN $3 AND $3 + 1"


async def entered(connection: Connection, number: int, reached: Mapping[Line, int], limit: int) -> tuple[list[Line], int]:
    """The lines of the entries from this leaf's number on, and the number after them. `reached`: how far each line is entered before."""
    begins = {row["begins"] for row in await connection.fetch(_LOGS, number)}
    rows = await connection.fetch(_NEXT, number, limit)
    at = dict(reached)
    lines: list[Line] = []
    for row in rows:
        for missing in _numbers(number, row["leaf_index"], begins):
            if (line := await _lacking(connection, at, missing)) is not None:
                lines.append(line)
                at[line] = at.get(line, 0) + 1
        line = row["source"], row["shard"]
        if row["position"] != at.get(line, 0) + 1:
            lacking = await _lacking(connection, at, row["leaf_index"])
            if lacking is None:
                number = row["leaf_index"] + 1
                continue
            line = lacking
        lines.append(line)
        at[line] = at.get(line, 0) + 1
        number = row["leaf_index"] + 1
    return lines, number


def _numbers(first: int, stop: int, begins: set[int]) -> Iterator[int]:
    """Those of entries that are not there; a commitment's is no entry's. Of a number far away nothing is looked for: it was made up."""
    return (number for number in range(first, min(stop, first + 100)) if number not in begins)


async def _lacking(connection: Connection, reached: Mapping[Line, int], number: int) -> Line | None:
    """The line whose next event was entered, and has no entry from this number on that comes before the one after it."""
    for row in await connection.fetch(_LINES):
        line: Line = row["source"], row["shard"]
        position = reached.get(line, 0) + 1
        if position > row["position"]:
            continue
        found = {each["position"]: each["leaf_index"] for each in await connection.fetch(_AROUND, *line, position)}
        own, after = found.get(position), found.get(position + 1)
        if own is None or own < number or (after is not None and after < own):
            return line
    return None
