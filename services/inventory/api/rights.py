"""Rights: claims on projects' future production, their terms and delivery programmes, and what the Reserve itself takes in under them."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StrictInt
from sqlmodel import select

from services.inventory.api.fields import READERS, Name, ProductField, RightPath, Tolerance
from services.inventory.api.lookups import not_found, stockpile_of, stream_of, version_of
from services.inventory.api.lots import LotDeliveryBody
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.programme import MAX_TRANCHES, AgreeProgramme, PlannedTranche
from services.inventory.domain.rights import AddRight, ExerciseRight, MatureRight, TerminateRight
from services.inventory.events import RightId, RightKind, RightTerms
from services.inventory.tables import RightRow, TrancheRow, TrancheStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/rights", tags=["rights"])

type Days = Annotated[StrictInt, Field(ge=0, le=3660)]


class RightTermsBody(Body):
    """What is agreed with the project about deliveries."""

    notice_days: Days = 0  # from the notice that exercises an option to the first day of delivery
    tolerance: Tolerance = "0"  # the share of a tranche, or of what was assigned, that may be missing: "0.02"
    grace_days: Days = 0  # so long after its last day a delivery is late; after that it is failed
    force_majeure_days: Days | None = None  # by which force majeure may postpone deliveries, in all; null: no limit is agreed
    failures_to_terminate: Annotated[StrictInt, Field(ge=1, le=MAX_TRANCHES)] | None = None  # tranches; null: by agreement only


class RightBody(Body):
    """Of a right without `terms`, nobody follows what the project owes the Reserve itself."""

    product: ProductField
    project: Name
    kind: RightKind
    mass_g: PositiveGrams
    window_from: Day
    window_to: Day
    terms: RightTermsBody | None = None


class MaturityBody(Body):
    """A delivery. `settled_g` of the claim ends with it; without it, all that is left of the claim."""

    settled_g: PositiveGrams | None = None
    delivery: LotDeliveryBody


class ExerciseBody(Body):
    deliver_from: Day  # from this day on, and not before the days of notice have passed


class TrancheBody(Body):
    window_from: Day
    window_to: Day  # inclusive
    mass_g: PositiveGrams


class ProgrammeBody(Body):
    """All that is still to come under the right, first due first."""

    tranches: Annotated[tuple[TrancheBody, ...], Field(min_length=1, max_length=MAX_TRANCHES)]


class TerminationBody(Body):
    cause: Literal["repeated_failure", "agreed"]


class TrancheView(BaseModel):
    """`status`: open, delivered, short (no more is missing than its terms tolerate) or failed; or replaced by another programme, or
    terminated with its right. `late_days`: of the latest delivery after its last day."""

    number: int
    right: str
    product: str
    window_from: date
    window_to: date
    grace_days: int
    mass_g: int
    delivered_g: int
    late_days: int
    status: TrancheStatus


class RightTermsView(BaseModel):
    notice_days: int = 0
    tolerance: str = "0"
    grace_days: int = 0
    force_majeure_days: int | None = None
    failures_to_terminate: int | None = None


class RightView(BaseModel):
    right: str
    product: str
    project: str
    kind: RightKind
    mass_g: int
    remaining_g: int
    window_from: date
    window_to: date
    terms: RightTermsView | None
    exercised_on: date | None
    terminated_on: date | None
    termination: str | None  # its cause


def _view(row: RightRow) -> RightView:
    return RightView.model_validate(row.model_dump())


@router.post("", status_code=202)
async def add_right(body: RightBody, caller: Annotated[Caller, allow("operator")], post: Posting) -> ProposalView:
    command = AddRight(
        right=RightId(post.new_id("rgt")),
        project=body.project,
        kind=body.kind,
        mass_g=body.mass_g,
        window_from=body.window_from,
        window_to=body.window_to,
        terms=None if body.terms is None else RightTerms(**body.terms.model_dump()),
        on=post.today,
    )
    return await propose(post, CONTROLS, stream_of(body.product), command)


@router.get("")
async def list_rights(
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, product: Annotated[ProductField | None, Query()] = None
) -> Page[RightView]:
    return await pages.of(select(RightRow), RightRow.right, _view, only={RightRow.product: product})


@router.get("/{right}")
async def show_right(right: RightPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response) -> RightView:
    async with reads.session() as session:
        row = await session.get(RightRow, right)
        if row is None:
            raise not_found("right", right)
        reads.etag(response, caller, stream_of(row.product), await version_of(session, row.product))
    return _view(row)


@router.post("/{right}/maturity", status_code=202)
async def mature_right(
    right: RightPath,
    body: MaturityBody,
    caller: Annotated[Caller, allow("operator")],
    post: Posting,
    reads: Reading,
) -> ProposalView:
    """Signed, what was delivered becomes a lot."""
    delivery = body.delivery.command(post.new_id("lot"), post.today)
    command = MatureRight(right=RightId(right), settled_g=body.settled_g, delivery=delivery)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.post("/{right}/exercise", status_code=202)
async def exercise_right(
    right: RightPath, body: ExerciseBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """An option or a first refusal, all of it. Signed, notice is given on that day, and the right is firm."""
    command = ExerciseRight(right=RightId(right), deliver_from=body.deliver_from, on=post.today)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.post("/{right}/programme", status_code=202)
async def agree_programme(
    right: RightPath, body: ProgrammeBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """Signed, its tranches take the place of those that were open."""
    tranches = tuple(PlannedTranche(**tranche.model_dump()) for tranche in body.tranches)
    command = AgreeProgramme(right=RightId(right), tranches=tranches, on=post.today)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.get("/{right}/programme")
async def list_tranches(right: RightPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[TrancheView]:
    return await pages.of(select(TrancheRow), TrancheRow.id, same_fields(TrancheView), only={TrancheRow.right: right})


@router.post("/{right}/terminate", status_code=202)
async def terminate_right(
    right: RightPath, body: TerminationBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """Signed, nothing is to come under it; what partners are owed is failed, and given back to their quotas and carries."""
    command = TerminateRight(right=RightId(right), cause=body.cause, on=post.today)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)
