"""The report that a release owes the Minister: what was released, to whom, under what authority, and how to check it. An operator says
when it was sent; until then it is due."""

from datetime import date
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel
from sqlmodel import select

from services.allocation.api.decisions.report_facts import ReportView, report_of
from services.allocation.api.decisions.report_page import page_of
from services.allocation.api.fields import ProductField, RoundPath
from services.allocation.api.lookups import find_round
from services.allocation.domain.decisions.report import SendReport
from services.allocation.events import DecisionHash, ProductId, ReportSent, RoundId, SubjectId
from services.allocation.tables.decisions import ReportRow, ReportSentRow, ReportStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.print_page import PAGE, PAGE_HEADERS, Format, wants_page
from shared.http.problems import Problem
from shared.http.shown_texts import keep_commitments, shown_in
from shared.journal.postgres import read_document
from shared.journal.protocol import Document
from shared.journal.record import canonical

router = APIRouter(tags=["reports"])

SeesReports = Annotated[Caller, allow("operator", "approver", "auditor")]
ReportPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}


class SentBody(Body):
    addressee: Text  # an office, never a person's name
    reference: Text | None = None  # of the letter
    sent_on: Day


class SentView(BaseModel):
    round: str
    decision: str
    report: str  # SHA-256 of the report as it was sent
    addressee: str
    reference: str | None
    sent_on: date
    sent_by: str


class ReportSummary(BaseModel):
    """`report`: the last one that was sent. `withdrawn`: it was sent, and inventory refused its round after that."""

    round: str
    product: str
    decision: str
    certified_on: date
    status: ReportStatus
    report: str | None
    sent_on: date | None


@router.get("/v1/rounds/{round}/report", response_model=ReportView, responses=PAGE)
async def show_report(
    round: RoundPath,
    caller: SeesReports,
    reads: Reading,
    response: Response,
    format: Annotated[Format | None, Query(description="left out: as Accept says, and JSON if it says nothing")] = None,
    accept: Annotated[str | None, Header()] = None,
) -> ReportView | Response:
    """Of a round that is certified, by what is known of it now. As JSON, or as a page for print."""
    if isinstance(current := await _current(reads, round), Problem):
        raise current
    view, document = current
    headers = {"ETag": f'"{document.name}"'}
    if wants_page(format, accept):
        return Response(
            page_of(await shown_in(reads.kernel.pool, view.model_dump()), document.name),
            media_type="text/html",
            headers=PAGE_HEADERS | headers,
        )
    keep_commitments(reads.request)
    response.headers.update({"Vary": "Accept"} | headers)
    return view


@router.post("/v1/rounds/{round}/report/sent", status_code=201)
async def send_report(
    round: RoundPath, body: SentBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> SentView:
    """The report as it is now has gone out: it is kept to the byte. What changes in it later is sent as a supplement."""
    if isinstance(current := await _current(reads, round), Problem):
        accepted = await post.submit(f"report/{round}", current)
    else:
        view, document = current
        command = SendReport(
            round=RoundId(round),
            product=ProductId(view.product),
            decision=DecisionHash(view.decision),
            report=document.name,
            addressee=post.text(body.addressee),
            reference=body.reference,
            sent_on=body.sent_on,
            by=SubjectId(caller.subject),
            certified_on=view.certified_on,
            on=post.today,
        )
        accepted = await post.submit(f"report/{round}", command, documents=[document])
    return SentView.model_validate(accepted.event(ReportSent), from_attributes=True)


async def _current(reads: Reads, round: str) -> tuple[ReportView, Document] | Problem:
    """Or the problem `report_not_found`. Raises Problem `round_not_found`."""
    async with reads.session() as session:
        row = await find_round(session, round)
        owed = await session.get(ReportRow, round)
        if owed is None or owed.status == ReportStatus.WITHDRAWN or owed.decision != row.decision:
            return Problem("report_not_found", f"{round} is not certified", field="path:round")
        view = await report_of(reads, session, row, owed)
    return view, Document(canonical(view.model_dump(mode="json")))


@router.get("/v1/reports")
async def list_reports(
    caller: SeesReports,
    pages: Paging,
    status: Annotated[ReportStatus | None, Query()] = None,
    product: Annotated[ProductField | None, Query()] = None,
) -> Page[ReportSummary]:
    """What certified rounds owe. `status=due`: what is still to be sent."""
    return await pages.of(
        select(ReportRow), ReportRow.round, same_fields(ReportSummary), only={ReportRow.status: status, ReportRow.product: product}
    )


@router.get("/v1/reports/{report}", response_class=Response, responses=DOCUMENT)
async def show_sent_report(report: ReportPath, caller: SeesReports, reads: Reading) -> Response:
    """A report that was sent, to the byte."""
    async with reads.session() as session:
        row = await session.get(ReportSentRow, report)
    if row is None:
        raise Problem("report_not_found", f"no report {report} was sent", field="path:report")
    async with reads.kernel.pool.acquire() as connection:
        document = await read_document(connection, report)
    assert document is not None, f"the document {report} is kept with the event that names it"
    assert sha256(document.content).hexdigest() == report
    return Response(bytes(document.content), media_type="application/json", headers={"ETag": f'"{report}"'})
