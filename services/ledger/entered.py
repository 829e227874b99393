"""Entered: the order in which the ledger has taken what others recorded, as its entries have it, for a rebuild of its tables.

The leaves hold the same order, signed, and the audit compares the two. Of an entry that is missing or was changed by hand, nothing is
believed but that there was one: the event is the one that its line lacks. A comparison shows that entry as it must be, and leaves the
others as they are. Where more than one line lacks something, which of them came first is a guess, and after the last entry nothing says an
order at all. So what is made by such entries is for showing, and never takes the place of the live tables.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.journal.connection import Connection

type Line = tuple[str, int]  # source, shard

_NEXT = "SELECT leaf_index, source, shard, position FROM entries WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2"
_LOGS = "SELECT begins FROM logs WHERE begins >= $1"
_LINES = "SELECT source, shard, position FROM inbox_cursors"
_LEFT = """SELECT source, shard, position FROM inbox_cursors WHERE NOT EXISTS (SELECT FROM entries WHERE leaf_index >= $1)
           ORDER BY source, shard"""
_AROUND = "SELECT position, leaf_index FROM entries WHERE source = $1 AND shard = $2 AND position BETWEEN $3 AND $3 + 1"


async def entered(connection: Connection, number: int, reached: Mapping[Line, int], limit: int) -> tuple[list[Line], int, Sequence[int]]:
    """The lines of the entries from this leaf's number on, the number after them, and the numbers of those that are missing or are not
    what comes next. `reached`: how far each line is entered before."""
    begins = {row["begins"] for row in await connection.fetch(_LOGS, number)}
    rows = await connection.fetch(_NEXT, number, limit)
    at = dict(reached)
    lines: list[Line] = []
    doubtful: list[int] = []
    for row in rows:
        for missing in _numbers(number, row["leaf_index"], begins):
            doubtful.append(missing)
            if (line := await _lacking(connection, at, missing)) is not None:
                lines.append(line)
                at[line] = at.get(line, 0) + 1
        number = row["leaf_index"] + 1
        line = row["source"], row["shard"]
        if row["position"] != at.get(line, 0) + 1:
            doubtful.append(row["leaf_index"])
            lacking = await _lacking(connection, at, row["leaf_index"])
            if lacking is None:
                continue
            line = lacking
        lines.append(line)
        at[line] = at.get(line, 0) + 1
    if not lines:
        lines = [line for line, count in await _left(connection, at, number) for _ in range(count)][:limit]
        doubtful += range(number, number + len(lines))
    return lines, number, doubtful


async def _left(connection: Connection, reached: Mapping[Line, int], number: int) -> list[tuple[Line, int]]:
    """How many events of each line were taken, and have no entry from this number on, where there is none any more."""
    rows = await connection.fetch(_LEFT, number)  # one statement, since a ledger that runs goes on meanwhile
    return [((row["source"], row["shard"]), row["position"] - reached.get((row["source"], row["shard"]), 0)) for row in rows]


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
