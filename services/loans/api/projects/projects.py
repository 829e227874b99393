"""Projects: what is known of them, recorded and withdrawn by operators, and the loans that watch."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints
from sqlmodel import col, select

from services.loans.api.fields import READERS, Code, FactKind, FactPath, ProjectPath, Sha256
from services.loans.domain.controls import CONTROLS
from services.loans.domain.projects.project import RecordFact, WithdrawFact
from services.loans.events.project import ProjectFact, ProjectFactId, ProjectFactRecorded
from services.loans.events.terms import ProjectCode
from services.loans.tables.projects import ProjectFactRow, ProjectRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.journal.postgres import read_version
from shared.journal.record import MAX_INTEGER
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, done_or_proposed, propose

router = APIRouter(prefix="/v1/projects", tags=["projects"])


class FactBody(Body):
    kind: FactKind = Field(description="offtake, output, permit, lender_closed, cost_overrun_facility, insurance, or another")
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="of what: the buyer, the permit, the lender"
    )
    product: Code | None = Field(default=None, description="that the quantity is of; none: of the whole project")
    quantity: Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)] | None = None
    unit: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = Field(default=None, description='such as "g"')
    binding: StrictBool | None = Field(default=None, description="an offtake that does not bind counts for no condition on offtake")
    since: Day
    until: Day | None = Field(default=None, description="the last day on which it counts; none: for good")
    evidence: Annotated[list[Text], Field(min_length=1, max_length=8)]
    document: Sha256 | None = Field(default=None, description="SHA-256 of the paper itself")


class FactView(BaseModel):
    fact: str
    project: str
    kind: str
    subject: str | None
    product: str | None
    quantity: int | None
    unit: str | None
    binding: bool | None
    by: str
    since: date
    until: date | None
    evidence: list[str]
    document: str | None
    withdrawn_on: date | None
    withdrawn_by: str | None
    withdrawn_because: str | None


class ProjectView(BaseModel):
    project: str
    loans: list[str]  # that watch it


@router.post("/{project}/facts", status_code=201, response_model=FactView, responses=OR_PROPOSED)
async def record_fact(
    project: ProjectPath, body: FactBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> FactView | Response:
    """Something is established, with evidence. Each loan that watches the project looks at its conditions again. What adds to a quantity
    that is known, and so may lower a share of it, another person signs."""
    known = ProjectFact(
        fact=ProjectFactId(post.new_id("fct")),
        kind=body.kind,
        subject=body.subject,
        product=body.product,
        quantity=body.quantity,
        unit=body.unit,
        binding=body.binding,
        by=caller.subject,
        since=body.since,
        until=body.until,
    )
    command = RecordFact(project=ProjectCode(project), known=known, evidence=post.texts(body.evidence), document=body.document)
    done = await done_or_proposed(post, CONTROLS, f"project/{project}", command)
    if isinstance(done, ProposalView):  # beside the answer that clients of before know
        return JSONResponse(done.model_dump(mode="json"), post.response.status_code or 202, dict(post.response.headers))
    event = done.event(ProjectFactRecorded)
    return FactView(
        **msgspec.structs.asdict(event.known),
        project=event.project,
        evidence=list(event.evidence),
        document=event.document,
        withdrawn_on=None,
        withdrawn_by=None,
        withdrawn_because=None,
    )


@router.post("/{project}/facts/{fact}/withdraw", status_code=202)
async def withdraw_fact(
    project: ProjectPath, fact: FactPath, body: ReasonBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """It was wrong, or has ended before its time: once another person has signed that, it counts no longer, on any day. What was let happen
    by it stays."""
    command = WithdrawFact(fact=ProjectFactId(fact), by=caller.subject, reason=post.text(body.reason))
    return await propose(post, CONTROLS, f"project/{project}", command)


@router.get("")
async def list_projects(caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[ProjectView]:
    return await pages.of(select(ProjectRow), ProjectRow.project, same_fields(ProjectView))


@router.get("/{project}")
async def show_project(project: ProjectPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> ProjectView:
    async with reads.session() as session:
        row = await session.get(ProjectRow, project)
    if row is None:
        raise Problem("project_not_found", f"nothing is known of a project {project}", field="path:project")
    async with reads.kernel.pool.acquire() as connection:  # what waits for a signature changes the stream, too, and no fact
        reads.etag(response, caller, f"project/{project}", await read_version(connection, f"project/{project}"))
    return ProjectView.model_validate(row, from_attributes=True)


@router.get("/{project}/facts")
async def list_facts(
    project: ProjectPath,
    caller: Annotated[Caller, allow(*READERS)],
    pages: Paging,
    kind: Annotated[FactKind | None, Query()] = None,
    withdrawn: Annotated[bool, Query(description="also those that count no longer")] = False,
) -> Page[FactView]:
    query = select(ProjectFactRow).where(ProjectFactRow.project == project)
    if not withdrawn:
        query = query.where(col(ProjectFactRow.withdrawn_on).is_(None))
    return await pages.of(query, ProjectFactRow.fact, _view, only={ProjectFactRow.kind: kind})


@router.get("/{project}/facts/{fact}")
async def show_fact(project: ProjectPath, fact: FactPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> FactView:
    async with reads.session() as session:
        row = await session.get(ProjectFactRow, fact)
    if row is None or row.project != project:
        raise Problem("project_fact_not_found", f"{project} has no fact {fact}", field="path:fact")
    return _view(row)


def _view(row: ProjectFactRow) -> FactView:
    return FactView.model_validate(row, from_attributes=True)
