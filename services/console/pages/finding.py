"""Finding: an id goes straight to its page; other words are looked for in the lists of the services, as far as the reader may see them."""

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from services.console.asking import ROWS, Answer
from services.console.visit import Visiting

ID = re.compile("([a-z]{2,4})_[0-9a-z]{26}")
PAGES = {"req": "requests", "rnd": "rounds", "rel": "releases", "drw": "draws", "lot": "lots", "hld": "holds"}
# Of each list: its service, whether only the Reserve's own may ask for it, and the column by which its rows have pages.
LISTS = {
    "requests": ("allocation", False, "request"),
    "rounds": ("allocation", True, "round"),
    "releases": ("inventory", False, "release"),
    "draws": ("inventory", False, "draw"),
    "lots": ("inventory", True, "lot"),
    "holds": ("inventory", False, "hold"),
}
SHOWN = 20

router = APIRouter(prefix="/find")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """In one list: `rows` that have the words, each with its id and what it says."""

    answer: Answer
    rows: list[tuple[str, str]]


@router.get("")
async def find(visit: Visiting, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Looks at the first 200 rows of each list."""
    wanted = q.strip().lower()
    if (named := ID.fullmatch(wanted)) is not None and named[1] in PAGES:
        return visit.console.to(f"/{PAGES[named[1]]}/{wanted}")
    lists = {name: each for name, each in LISTS.items() if visit.is_of_the_reserve or not each[1]} if wanted else {}
    answers = await asyncio.gather(*(visit.reader.get(service, f"/v1/{name}", limit=ROWS) for name, (service, _, _) in lists.items()))
    found = {name: _found(answer, lists[name][2], wanted) for name, answer in zip(lists, answers, strict=True)}
    return visit.page("find.html", q=q.strip(), found=found, shown=SHOWN)


def _found(answer: Answer, column: str, wanted: str) -> Found:
    rows = {row[column]: _words(row) for row in answer.rows if wanted in _all_of(row).lower()}
    return Found(answer=answer, rows=list(rows.items()))


def _all_of(row: Mapping[str, Any]) -> str:
    """Whatever a person may look for in it: also within what it has lists of, such as serials."""
    return msgspec.json.encode([value for value in row.values() if isinstance(value, (str, list))]).decode()


def _words(row: Mapping[str, Any]) -> str:
    said = (row.get(name) for name in ("partner", "product", "depot", "scope", "target", "status"))
    return ", ".join(each.replace("_", " ") for each in said if each)
