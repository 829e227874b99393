"""Import files: CSV (RFC 4180, UTF-8, a header), a loan a line. What is wrong with one line is said of that line; only a file that cannot
be read as such is refused as a whole.

Amounts are decimals of the line's currency ("1250000.00" AUD, "1250000" JPY). An empty cell is a column left out. `elements` are parted by
spaces ("Sb Au"); `dscr` and `llcr` are the covenants' minimums. Conditions have no columns: those of a loan that was lent elsewhere were
met there.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from pydantic import StringConstraints, ValidationError

from services.loans.api.fields import WholeMinor
from services.loans.api.loan.terms import LoanTermsBody
from shared.http.faults import fault_of
from shared.http.fields import Day
from shared.http.problems import Problem
from shared.terms.currencies import MINOR_DIGITS, minor_units

MAX_ROWS = 5_000

_AMOUNTS = ("commitment", "establishment_fee", "advanced", "repaid", "schedule_balloon")
_WHOLE = ("stage", "schedule_periods", "schedule_interest_only_periods", "schedule_capitalised_periods", "schedule_step_periods")
_COVENANTS = ("dscr", "llcr")
REQUIRED = (
    "reference",
    "as_of",
    "advanced",
    "repaid",
    "account",
    "instrument",
    "borrower",
    "project",
    "elements",
    "commitment",
    "security",
    "base_pct",
    "available_from",
    "available_until",
    "sunset_on",
    "schedule_kind",
    "schedule_start",
    "schedule_periods",
    "kyc",
)
OPTIONAL = (
    "facility",
    "currency",
    "ranking",
    "base_rate",
    "margin_pct",
    "default_margin_pct",
    "commitment_fee_pct",
    "establishment_fee",
    "schedule_every",
    "schedule_day_count",
    "schedule_calendar",
    "schedule_interest_only_periods",
    "schedule_capitalised_periods",
    "schedule_balloon",
    "schedule_step",
    "schedule_step_periods",
    "grade",
    "stage",
    "category",
    *_COVENANTS,
)

type Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,98}[!-~])?$")]


class ImportBody(LoanTermsBody):
    """A line: the terms, and where the loan stood when it was handed over."""

    reference: Reference
    as_of: Day
    advanced_minor: WholeMinor
    repaid_minor: WholeMinor
    acceleration_notice_days: None = None  # a file says nothing of it


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a line. `field`: the column."""

    code: str
    detail: str
    field: str | None = None
    accepted: str | None = None


class ImportRow(msgspec.Struct, frozen=True):
    """`line`: of the file, where the row begins; the header's is 1."""

    line: int
    reference: str | None
    content: ImportBody | Fault


def read_rows(content: bytes) -> Iterator[ImportRow]:
    """Raises Problem `import_not_text`, `nul_in_text`, `import_header_invalid`, `import_too_many_rows`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Problem("import_not_text", f"line {line} is not UTF-8", accepted="UTF-8, with or without a byte order mark") from error
    if "\0" in text:
        raise Problem("nul_in_text", f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a NUL")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = _header(reader)
    count, line = 0, reader.line_num + 1
    while (cells := _next(reader)) is not None:
        if cells:  # a blank line is none
            count += 1
            if count > MAX_ROWS:
                raise Problem("import_too_many_rows", f"line {line} is row {count}", accepted=f"at most {MAX_ROWS} rows: part the file")
            yield _row(line, columns, cells)
        line = reader.line_num + 1


def _next(reader: Any) -> list[str] | Fault | None:
    try:
        return next(reader, None)
    except csv.Error as error:  # the reader goes on with the next line
        return Fault(code="import_line_malformed", detail=str(error), accepted='quotes doubled within quotes: "a ""b"""')


def _header(reader: Any) -> tuple[str, ...]:
    found = _next(reader)
    if found is None or isinstance(found, Fault):
        raise _header_invalid("the file has no header")
    columns = tuple(name.strip() for name in found)
    known = {*REQUIRED, *OPTIONAL}
    if unknown := [name for name in columns if name not in known]:
        raise _header_invalid(f"nothing is known of the column {unknown[0]!r}")
    if len(set(columns)) < len(columns):
        raise _header_invalid(f"the column {next(name for name in columns if columns.count(name) > 1)} comes twice")
    if missing := [name for name in REQUIRED if name not in columns]:
        raise _header_invalid(f"the column {', '.join(missing)} is missing")
    return columns


def _header_invalid(detail: str) -> Problem:
    return Problem("import_header_invalid", detail, accepted=f"{', '.join(REQUIRED)}; and, if there is need, {', '.join(OPTIONAL)}")


def _row(line: int, columns: tuple[str, ...], cells: list[str] | Fault) -> ImportRow:
    if isinstance(cells, Fault):
        return ImportRow(line, None, cells)
    given = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    reference = given.get("reference")
    if len(cells) != len(columns):
        detail = f"it has {len(cells)} cells"
        return ImportRow(line, reference, Fault(code="import_line_malformed", detail=detail, accepted=f"{len(columns)}, as the header"))
    try:
        body = _body(given)
        return ImportRow(line, reference, ImportBody.model_validate(body))
    except _NoAmount as error:
        return ImportRow(line, reference, error.fault)
    except ValidationError as error:
        return ImportRow(line, reference, _first_fault(error, body))


class _NoAmount(ValueError):
    def __init__(self, field: str, detail: str, accepted: str) -> None:
        super().__init__(detail)
        self.fault = Fault(code="amount_invalid", detail=detail, field=field, accepted=accepted)


def _body(given: dict[str, str]) -> dict[str, Any]:
    """The cells as `ImportBody` has them. Raises `_NoAmount`."""
    currency = given.get("currency", "AUD")
    body: dict[str, Any] = {"schedule": {}, "covenants": [{"kind": kind, "minimum": given[kind]} for kind in _COVENANTS if kind in given]}
    for column, cell in given.items():
        if column in _COVENANTS:
            continue
        name, value = column, cell
        if column in _AMOUNTS:
            name, value = f"{column}_minor", _minor(column, cell, currency)  # type: ignore[assignment]
        elif column in _WHOLE and re.fullmatch(r"[0-9]{1,9}", cell, re.ASCII):
            value = int(cell)  # type: ignore[assignment]
        elif column == "elements":
            value = cell.split()  # type: ignore[assignment]
        if name.startswith("schedule_"):
            body["schedule"][name.removeprefix("schedule_")] = value
        else:
            body[name] = value
    return body


def _minor(column: str, cell: str, currency: str) -> int:
    if currency not in MINOR_DIGITS:
        raise _NoAmount("currency", f"nothing is known of the currency {currency!r}", "a code of ISO 4217, such as AUD")
    try:
        return minor_units(cell, currency)
    except ValueError as error:
        raise _NoAmount(column, str(error), "a decimal such as 1250000.00, without thousands separators") from error


def _first_fault(error: ValidationError, body: dict[str, Any]) -> Fault:
    first = error.errors()[0]
    fault = fault_of({**first, "loc": ("body", *first["loc"])}, body)
    detail = "This is required, and the cell is empty" if first["type"] == "missing" else fault.detail
    return Fault(code="invalid_request", detail=detail, field=column_of(fault.field), accepted=fault.accepted)


def column_of(pointer: str | None) -> str | None:
    """Of "/schedule/balloon_minor", `schedule_balloon`."""
    if pointer is None:
        return None
    first, *rest = pointer.removeprefix("/").split("/")
    if first == "schedule" and rest:
        first = f"schedule_{rest[0]}"
    return "dscr" if first == "covenants" else first.removesuffix("_minor")
