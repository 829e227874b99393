"""`python -m reserve.statements`: how much of what is said the audit recomputes, how much it links, and how much it believes.

It fails for a type of event, or a column that is served, without a row in `reserve/audit/statements.py` or `columns.py`, for a row of
nothing that there is, and where more is believed than before.
"""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain

import sqlalchemy as sa

from reserve.audit.columns import COLUMNS
from reserve.audit.statements import LINKED, MOST_STATED, RECOMPUTED, STATED
from services.registry import JOURNALED, service
from shared.journal.codec import without_version
from shared.journal.tables import all_tables

_NOT_COLUMNS = {"PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "CONSTRAINT", "EXCLUDE", "LIKE"}  # what such a line begins with


def main() -> None:
    if wrong := [*faults(types(), columns())]:
        sys.exit("reserve/audit/statements.py and columns.py are not what there is:\n" + "\n".join(wrong))
    for what, count in sums().items():
        print(f"{count:>5}  {what}")


def sums() -> dict[str, int]:
    kept = Counter(how for how, _ in COLUMNS.values())
    return {
        "types recomputed": len(RECOMPUTED),
        "types linked": len(LINKED),
        f"types stated, {sum(bool(used) for _, used in STATED.values())} of which checks start from": len(STATED),
        "columns of tables that are read, all made anew": sum(len(table.columns) for table in read_tables()),
        **{f"columns kept beside events {how}": kept[how] for how in ("recomputed", "linked", "stated")},
    }


def faults(types: Collection[str], columns: Collection[str]) -> Iterator[str]:
    rows = [*RECOMPUTED, *LINKED, *STATED]
    yield from (f"{each} has no row" for each in sorted({*types, *columns} - {*rows, *COLUMNS}))
    yield from (f"{each} has a row, and is not there" for each in sorted({*rows, *COLUMNS} - {*types, *columns}))
    yield from (f"{each} has {count} rows" for each, count in Counter(rows).items() if count > 1)
    if len(STATED) > MOST_STATED:
        yield f"{len(STATED)} types are stated, and at most {MOST_STATED} were: have a check of the new ones, or none fewer than before"


def types() -> set[str]:
    return {without_version(kind) for name in JOURNALED for kind in service(name).codec.classes}


def columns() -> set[str]:
    """Of each service's tables beside events; and of those of its own that are not made anew."""
    return columns_made_by(all_tables()) | set(chain.from_iterable(_kept_of(name) for name in JOURNALED))


def columns_made_by(statements: Iterable[str]) -> set[str]:
    """Each as "heads.position", of whatever type. A part of a table's body is a column's, unless it begins like a constraint."""
    found = set[str]()
    for statement in statements:
        text = " ".join(re.sub(r"--.*", "", statement).split())
        if (made := re.fullmatch(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) ?\((.*)\)", text)) is not None:
            parts = _parts(made[2])
        elif (made := re.fullmatch(r"ALTER TABLE (\w+) (ADD COLUMN .*)", text)) is not None:
            parts = [re.sub(r"^ADD COLUMN (?:IF NOT EXISTS )?", "", part) for part in _parts(made[2])]
        else:
            continue
        words = [part.split()[0] for part in parts]
        found |= {f"{made[1]}.{word}" for word in words if word.upper() not in _NOT_COLUMNS}
    return found


def _parts(body: str) -> list[str]:
    """What stands between commas that no brackets are around."""
    depth, parts = 0, [""]
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        parts = [*parts, ""] if letter == "," and depth == 0 else [*parts[:-1], parts[-1] + letter]
    return [part.strip() for part in parts if part.strip()]


def _kept_of(name: str) -> Iterator[str]:
    kept = service(name).kept
    return (f"{name}.{table.name}.{column.name}" for table in service(name).read_tables if table.name in kept for column in table.columns)


def read_tables() -> list[sa.Table]:
    return [table for name in JOURNALED for table in service(name).read_tables if table.name not in service(name).kept]


if __name__ == "__main__":
    main()
