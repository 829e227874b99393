"""Facilities: an administrator opens them and sets their limits; operators record the rates that commitments are valued at."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlmodel import select

from services.loans.api.fields import READERS, Asset, Code, Currency, FacilityPath, Key, PositiveMinor, PositiveNumber
from services.loans.domain.controls import CONTROLS
from services.loans.domain.facility.headroom import OpenFacility, Reason, RecordRate, ReserveHeadroom, SetLimits, shortage
from services.loans.domain.facility.limits import MAX_LIMITS, near
from services.loans.domain.facility.state import Facility, connected_with
from services.loans.events.facility import FacilityId, Limit
from services.loans.tables.facility import CommitmentRow, RateRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.journal.decider import Refused
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/facilities", tags=["facilities"])


class LimitBody(Body):
    key: Key
    parent: Key | None = None
    limit_minor: PositiveMinor
    warn_at: PositiveNumber = "9/10"


class FacilityBody(Body):
    facility: Code
    currency: Currency = "AUD"
    limits: Annotated[list[LimitBody], Field(min_length=1, max_length=MAX_LIMITS)]
    authority: Text


class LimitsBody(Body):
    """All limits from now on."""

    limits: Annotated[list[LimitBody], Field(min_length=1, max_length=MAX_LIMITS)]
    authority: Text
    reason: Text


class FacilityRateBody(Body):
    asset: Asset = Field(description='a currency, or the contained grams of an element: "contained/Sb"')
    rate: PositiveNumber = Field(description="minor units of the facility's currency for one minor unit, or one gram")
    quoted_on: Day
    source: Text


class FacilityLimitView(BaseModel):
    key: str
    parent: str | None
    limit_minor: int | None  # None: no limit of its own
    committed_minor: int
    headroom_minor: int | None
    excess_minor: int  # committed beyond it: revalued, or counted otherwise since. It stays, and nothing more is committed
    near: bool  # at or beyond the share that warns


class FacilityView(BaseModel):
    facility: str
    currency: str
    committed_minor: int
    limits: list[FacilityLimitView]


class RateView(BaseModel):
    facility: str
    asset: str
    rate: str
    quoted_on: date
    source: str


class CommitmentView(BaseModel):
    commitment: str
    asset: str
    amount: int
    value_minor: int
    keys: list[str]


@router.post("", status_code=202)
async def open_facility(body: FacilityBody, caller: Annotated[Caller, allow("administrator")], post: Posting) -> ProposalView:
    command = OpenFacility(
        facility=FacilityId(body.facility), currency=body.currency, limits=_limits(body.limits), authority=body.authority
    )
    return await propose(post, CONTROLS, f"facility/{body.facility}", command)


@router.post("/{facility}/limits", status_code=202)
async def set_limits(
    facility: FacilityPath, body: LimitsBody, caller: Annotated[Caller, allow("administrator")], post: Posting
) -> ProposalView:
    """Once another person has signed them, be they wider or narrower."""
    command = SetLimits(limits=_limits(body.limits), authority=body.authority, reason=post.text(body.reason))
    return await propose(post, CONTROLS, f"facility/{facility}", command)


@router.post("/{facility}/rates", status_code=202)
async def record_rate(
    facility: FacilityPath, body: FacilityRateBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """Once it is signed, every commitment in the asset is valued at it. What exceeds its limit by that stays, and its event names it."""
    command = RecordRate(asset=body.asset, rate=body.rate, quoted_on=body.quoted_on, source=post.text(body.source), on=post.today)
    return await propose(post, CONTROLS, f"facility/{facility}", command)


@router.get("/{facility}")
async def show_facility(
    facility: FacilityPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response
) -> FacilityView:
    await reads.arrived()
    state, version = await _facility(reads, facility)
    reads.etag(response, caller, f"facility/{facility}", version)
    return _view(state, version)


@router.get("/{facility}/rates")
async def list_rates(facility: FacilityPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[RateView]:
    return await pages.of(select(RateRow).where(RateRow.facility == facility), RateRow.asset, same_fields(RateView))


@router.get("/{facility}/commitments")
async def list_commitments(facility: FacilityPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[CommitmentView]:
    return await pages.of(
        select(CommitmentRow).where(CommitmentRow.facility == facility), CommitmentRow.commitment, same_fields(CommitmentView)
    )


async def shortage_now(reads: Reads, wanted: ReserveHeadroom) -> Refused[Reason] | None:
    """Why the facility could not take the commitment now, so that it need not be signed first; None: it could."""
    state, _ = await reads.state(f"facility/{wanted.facility}")
    assert isinstance(state, Facility)
    return shortage(state, wanted)


async def connected_now(reads: Reads, facility: str, parties: Iterable[str]) -> tuple[str, ...]:
    """The others whom the facility knows any of these parties to be connected with."""
    state, _ = await reads.state(f"facility/{facility}")
    assert isinstance(state, Facility)
    return connected_with(state, parties)


def _limits(bodies: list[LimitBody]) -> tuple[Limit, ...]:
    return tuple(Limit(**body.model_dump()) for body in bodies)


async def _facility(reads: Reading, facility: str) -> tuple[Facility, int]:
    state, version = await reads.state(f"facility/{facility}")
    assert isinstance(state, Facility)
    if state.id is None:
        raise Problem("facility_not_found", f"there is no facility {facility}", field="path:facility")
    return state, version


def _view(facility: Facility, _version: int) -> FacilityView:
    assert facility.id is not None
    return FacilityView(
        facility=facility.id,
        currency=facility.currency,
        committed_minor=facility.used_minor.get(facility.root, 0),
        limits=[view_limit(facility, key) for key in sorted({*facility.limits, *facility.used_minor})],
    )


def view_limit(facility: Facility, key: str) -> FacilityLimitView:
    limit, used = facility.limits.get(key), facility.used_minor.get(key, 0)
    return FacilityLimitView(
        key=key,
        parent=facility.root if limit is None else limit.parent,
        limit_minor=None if limit is None else limit.limit_minor,
        committed_minor=used,
        headroom_minor=None if limit is None else limit.limit_minor - used,
        excess_minor=0 if limit is None else max(0, used - limit.limit_minor),
        near=limit is not None and near(limit, used),
    )
