"""Spreadsheet: a list of a service as CSV (RFC 4180), whole, with its masses in grams."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from services.console.asking import ROWS, Answer
from services.console.visit import Visit

MOST_ROWS = 20_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet would run


async def spreadsheet(visit: Visit, service: str, path: str, columns: Sequence[str], **query: str | None) -> Response:
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        found = await visit.reader.get(service, path, limit=ROWS, cursor=cursor, **query)
        if found.problem is not None:
            return visit.page("failed.html", found)
        rows += found.rows
        if not found.more:
            break
        if len(rows) >= MOST_ROWS:
            detail = f"It has more than {MOST_ROWS:,} rows."
            return visit.page("failed.html", Answer.refused("The list is too long for one file", detail, "fewer, by a status"))
        cursor = found.data["next"]
    written = io.StringIO()
    sheet = csv.writer(written)
    sheet.writerow(columns)
    sheet.writerows([_cell(row[column]) for column in columns] for row in rows)
    name = path.rpartition("/")[2]
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
