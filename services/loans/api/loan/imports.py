"""Imports: loans that another system kept until now, as a CSV file, with a report line by line. A dry run changes nothing.

A loan is known by its reference. The same line again is `already` here; another line of a known reference `differs`, and changes nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import uuid_utils
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlmodel import col, select
from typeid import TypeID

from services.loans.api.loan.import_file import Fault, ImportBody, ImportRow, column_of, read_rows
from services.loans.domain.controls import CONTROLS
from services.loans.domain.facility.state import Facility
from services.loans.domain.loan.imports import difference, with_import
from services.loans.domain.loan.servicing import ImportLoan
from services.loans.events.loan import LoanId
from services.loans.tables.loan import LoanRow
from shared.http.auth import Caller, allow
from shared.http.handlers import Post, Posting, Reading, Reads, import_body
from shared.http.problems import Problem
from shared.journal.decider import Refused
from shared.journal.postgres import read_document
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.countersigning_api import propose
from shared.terms.countersigning_tables import ProposalRow, ProposalStatus

PATH = "/v1/loan-imports"
TOGETHER = 32  # loans that are written at a time: more, and whoever comes between them waits
PATIENCE_SECONDS = 20.0  # of a request, after which no more is written: an edge waits for an answer no longer than 30

router = APIRouter(prefix=PATH, tags=["imports"])


class Result(StrEnum):
    READY = "ready"  # nothing is wrong with it, and it is not here: a dry run, or there was no more time, and the file is sent again
    PROPOSED = "proposed"  # it comes in once another person has signed it
    ALREADY = "already"
    DIFFERS = "differs"  # from what was imported by that reference
    REFUSED = "refused"


class ImportRowView(BaseModel):
    """`field`: the column at fault."""

    line: int
    reference: str | None
    loan: str | None
    result: Result
    code: str | None = None
    detail: str | None = None
    field: str | None = None
    accepted: str | None = None


class SummaryView(BaseModel):
    rows: int
    ready: int
    proposed: int
    already: int
    differs: int
    refused: int


class ReportView(BaseModel):
    dry_run: bool
    rows: list[ImportRowView]
    summary: SummaryView


class _Wanted(msgspec.Struct, frozen=True):
    row: ImportRow
    command: ImportLoan
    document: Document


FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "description": "UTF-8, with a header; at most 10 MiB and 5,000 rows"}}},
    }
}


@router.post("", openapi_extra=FILE)
async def import_loans(
    caller: Annotated[Caller, allow("administrator", "operator")],
    post: Posting,
    reads: Reading,
    request: Request,
    dry_run: Annotated[bool, Query(description="true: says what would happen, and changes nothing")] = True,
) -> ReportView:
    """An operator may ask for a dry run; an administrator imports. Each loan is a proposal, and comes in once another person has signed it.

    A bad line does not stop the others. Each facility's headroom is counted down over the file; it has the last word once the loans are
    in, and one that it refuses then is not committed."""
    if not dry_run and "administrator" not in caller.roles:
        raise Problem("forbidden", "loans are imported by an administrator", accepted="a dry run, or the role administrator")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise Problem("import_not_csv", "the body is no CSV file", field="header:content-type", accepted="text/csv")
    until = time.monotonic() + PATIENCE_SECONDS
    views: dict[int, ImportRowView] = {}
    wanted = await _wanted(read_rows(await import_body(request)), post, views)
    known, waiting = await _known(reads, loans := [each.command.loan for each in wanted]), await _waiting(reads, loans)
    new = [each for each in wanted if each.command.loan not in known and each.command.loan not in waiting]
    for each in wanted:
        if (document := known.get(each.command.loan)) is not None:
            views[each.row.line] = await _compared(reads, each, document)
        elif each.command.loan in waiting:
            views[each.row.line] = _view(each, Result.PROPOSED)
    ready = await _planned(reads, new, views)
    if dry_run:
        views |= {each.row.line: _view(each, Result.READY) for each in ready}
    else:
        await _write(reads, post, ready, views, until)
    counts = Counter(view.result.value for view in views.values())
    summary = SummaryView(rows=len(views), **{result.value: counts[result.value] for result in Result})
    return ReportView(dry_run=dry_run, rows=[view for _, view in sorted(views.items())], summary=summary)


def loan_of(reference: str) -> LoanId:
    """The same reference is the same loan, whoever sends it, and however often."""
    digest = sha256(f"import/{reference}".encode()).digest()
    return LoanId(str(TypeID.from_uuid(uuid_utils.UUID(bytes=digest[:16], version=8), "lon")))


async def _wanted(rows: Iterable[ImportRow], post: Post, views: dict[int, ImportRowView]) -> list[_Wanted]:
    """What the lines ask for; those that ask for nothing that can be are refused."""
    wanted, seen = [], dict[str, int]()
    for row in rows:
        if isinstance(row.content, Fault):
            views[row.line] = _refused(row, row.content)
        elif (first := seen.setdefault(row.content.reference, row.line)) != row.line:
            fault = Fault(code="import_reference_repeated", detail=f"line {first} has this reference too", field="reference")
            views[row.line] = _refused(row, fault)
        else:
            try:
                wanted.append(_asked(row, row.content, post))
            except Problem as problem:  # of the schedule's calendar
                views[row.line] = _refused(row, _fault(problem))
        await asyncio.sleep(0)  # others are served between two lines
    return wanted


def _asked(row: ImportRow, body: ImportBody, post: Post) -> _Wanted:
    loan, terms = loan_of(body.reference), body.terms()
    handed_over = {
        "reference": body.reference,
        "as_of": body.as_of,
        "advanced_minor": body.advanced_minor,
        "repaid_minor": body.repaid_minor,
    }
    document = Document(canonical({"loan": loan, "terms": terms, **handed_over}))
    command = ImportLoan(
        loan=loan,
        terms=terms,
        document=document.name,
        reference=body.reference,
        as_of=body.as_of,
        advanced_minor=body.advanced_minor,
        repaid_minor=body.repaid_minor,
        by=post.caller.subject,
        on=post.today,
    )
    return _Wanted(row, command, document)


async def _known(reads: Reads, loans: Sequence[LoanId]) -> dict[str, str]:
    """Of the loans that are here, the documents that they were imported by."""
    async with reads.session() as session:
        found = await session.exec(select(LoanRow.loan, LoanRow.document).where(col(LoanRow.loan).in_(loans)))
        return dict(found.all())


async def _waiting(reads: Reads, loans: Sequence[LoanId]) -> set[str]:
    """Of the loans those that wait for a signature."""
    async with reads.session() as session:
        query = select(ProposalRow.stream).where(ProposalRow.status == ProposalStatus.PROPOSED)
        found = await session.exec(query.where(col(ProposalRow.stream).in_([f"loan/{loan}" for loan in loans])))
        return {stream.removeprefix("loan/") for stream in found.all()}


async def _compared(reads: Reads, wanted: _Wanted, document: str) -> ImportRowView:
    if document == wanted.document.name:
        return _view(wanted, Result.ALREADY)
    async with reads.kernel.pool.acquire() as connection:
        known = await read_document(connection, document)
    assert known is not None, f"the document {document} is kept with the event that names it"
    differing = difference(msgspec.json.decode(known.content), msgspec.json.decode(wanted.document.content))
    if not differing:
        return _view(wanted, Result.ALREADY)
    columns = [column_of(name.removeprefix("/terms")) or name for name in differing]
    fault = Fault(
        code="import_differs",
        detail=f"it was imported with another {', '.join(columns)}",
        field=columns[0],
        accepted="the line as it was imported; a loan that is here is changed by acts",
    )
    return _view(wanted, Result.DIFFERS, fault)


async def _planned(reads: Reads, new: Sequence[_Wanted], views: dict[int, ImportRowView]) -> list[_Wanted]:
    """Those that can come in, one after the other."""
    facilities: dict[str, Facility] = {}
    ready = []
    for each in new:
        name = each.command.terms.facility
        if name not in facilities:
            facilities[name], _ = await reads.state(f"facility/{name}")
        after = with_import(facilities[name], each.command)
        if isinstance(after, Refused):
            views[each.row.line] = _refused(each.row, _fault(after), each.command.loan)
        else:
            facilities[name] = after
            ready.append(each)
        await asyncio.sleep(0)  # a schedule takes a while to check
    return ready


async def _write(reads: Reads, post: Post, ready: Sequence[_Wanted], views: dict[int, ImportRowView], until: float) -> None:
    """Some, even if there is no more time: a file that is sent again and again gets to its end."""
    views |= {each.row.line: _view(each, Result.READY) for each in ready}
    for start in range(0, len(ready), TOGETHER):
        if start and time.monotonic() > until:
            break
        written = await asyncio.gather(*(_proposed(reads, post, each) for each in ready[start : start + TOGETHER]))
        views |= {view.line: view for view in written}
    # Each command has left its place and version in the answer's headers, and a header holds one.
    post.response.raw_headers[:] = [each for each in post.response.raw_headers if each[0] not in (b"reserve-position", b"etag")]


async def _proposed(reads: Reads, post: Post, wanted: _Wanted) -> ImportRowView:
    command = wanted.command
    try:
        await propose(post, CONTROLS, f"loan/{command.loan}", command, documents=[wanted.document])
    except Problem as problem:
        if problem.code == "loan_already_proposed":  # by another import, a moment ago
            known = await _known(reads, [command.loan])
            return await _compared(reads, wanted, known[command.loan])
        if problem.status >= 500:
            raise  # what was proposed is so still when the file is sent again
        return _refused(wanted.row, _fault(problem), command.loan)
    return _view(wanted, Result.PROPOSED)


def _fault(refusal: Problem | Refused[Any]) -> Fault:
    field = refusal.field
    return Fault(
        code=str(refusal.code),
        detail=refusal.detail,
        field=column_of(field) if field is not None and field.startswith("/") else field,
        accepted=refusal.accepted,
    )


def _view(wanted: _Wanted, result: Result, fault: Fault | None = None) -> ImportRowView:
    said = {} if fault is None else msgspec.structs.asdict(fault)
    return ImportRowView(line=wanted.row.line, reference=wanted.row.reference, loan=wanted.command.loan, result=result, **said)


def _refused(row: ImportRow, fault: Fault, loan: str | None = None) -> ImportRowView:
    return ImportRowView(line=row.line, reference=row.reference, loan=loan, result=Result.REFUSED, **msgspec.structs.asdict(fault))
