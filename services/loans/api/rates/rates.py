"""RateFollowed rates: two people register one and enter what is published of it; loans whose terms name it are told."""

from datetime import date
from fractions import Fraction
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, StringConstraints
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.fields import READERS, Number, RateName, RatePath
from services.loans.domain.controls import CONTROLS
from services.loans.domain.rates.compounding import Convention, NotPublished, compounded_rate
from services.loans.domain.rates.reference import PublishReferenceRate, RegisterReferenceRate
from services.loans.events.rates import RateCode
from services.loans.events.terms import DayCount
from services.loans.tables.rates import PublicationRow, ReferenceRateRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.business_days import CalendarError
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/reference-rates", tags=["reference rates"])

SinceQuery = Annotated[Day, Query()]
UntilQuery = Annotated[Day, Query(description="not included")]
Sees = Annotated[Caller, allow(*READERS, "borrower")]
DECIMALS = 6  # of a compounded rate in per cent
MAX_DAYS = 400  # of one


class ReferenceRateBody(Body):
    rate: RateName
    name: Text
    administrator: Text
    calendar: Annotated[str, StringConstraints(pattern=r"^[A-Za-z-]{1,20}$")] = "weekends"


class PublicationBody(Body):
    """What was published for a business day. For a day that has one, it corrects that."""

    day: Day
    pct: Number
    source: Text


class ReferenceRateView(BaseModel):
    rate: str
    name: str
    administrator: str
    calendar: str


class PublicationView(BaseModel):
    rate: str
    day: date
    pct: str
    source: str
    corrected: bool


class CompoundedView(BaseModel):
    """`pct`: a year, rounded half even to 6 decimals."""

    rate: str
    since: date
    until: date
    pct: str


@router.post("", status_code=202)
async def register_reference_rate(
    body: ReferenceRateBody, caller: Annotated[Caller, allow("administrator")], post: Posting
) -> ProposalView:
    command = RegisterReferenceRate(rate=RateCode(body.rate), name=body.name, administrator=body.administrator, calendar=body.calendar)
    return await propose(post, CONTROLS, f"reference/{body.rate}", command)


@router.post("/{rate}/publications", status_code=202)
async def publish_reference_rate(
    rate: RatePath, body: PublicationBody, caller: Annotated[Caller, allow("operator")], post: Posting
) -> ProposalView:
    """Once it is signed, every loan that follows the rate bears it from the day that its terms say, also where that day has passed."""
    command = PublishReferenceRate(day=body.day, pct=body.pct, source=post.text(body.source), on=post.today)
    return await propose(post, CONTROLS, f"reference/{rate}", command)


@router.get("")
async def list_reference_rates(caller: Sees, pages: Paging) -> Page[ReferenceRateView]:
    return await pages.of(select(ReferenceRateRow), ReferenceRateRow.rate, same_fields(ReferenceRateView))


@router.get("/{rate}")
async def show_reference_rate(rate: RatePath, caller: Sees, reads: Reading, response: Response) -> ReferenceRateView:
    async with reads.session() as session:
        row = await find_reference_rate(session, rate)
    reads.etag(response, caller, f"reference/{rate}", row.version)
    return ReferenceRateView.model_validate(row, from_attributes=True)


@router.get("/{rate}/publications")
async def list_publications(rate: RatePath, caller: Sees, pages: Paging) -> Page[PublicationView]:
    """By day."""
    query = select(PublicationRow).where(PublicationRow.rate == rate)
    return await pages.of(query, PublicationRow.day, same_fields(PublicationView))


def _borne(
    lookback_days: Annotated[int, Query(ge=0, le=20)] = 0,
    floor_pct: Annotated[Number | None, Query()] = None,
    day_count: Annotated[DayCount, Query()] = "ACT/365F",
) -> Convention:
    """By the rate's own calendar, once that is known."""
    return Convention("none", lookback_days, None if floor_pct is None else Fraction(floor_pct), day_count)


@router.get("/{rate}/compounded")
async def show_compounded(
    rate: RatePath, caller: Sees, reads: Reading, since: SinceQuery, until: UntilQuery, borne: Annotated[Convention, Depends(_borne)]
) -> CompoundedView:
    """What it comes to over a period, compounded in arrears: to check a bill by."""
    if not 0 < (until - since).days <= MAX_DAYS:
        raise Problem("reference_rate_period_invalid", f"{since} to {until}", field="query:until", accepted=f"1 to {MAX_DAYS} days later")
    async with reads.session() as session:
        row = await find_reference_rate(session, rate)
        found = await session.exec(select(PublicationRow).where(PublicationRow.rate == rate, col(PublicationRow.day) < until))
        published = {each.day: Fraction(each.pct) for each in found}
    try:
        exact = compounded_rate(published, msgspec.structs.replace(borne, calendar=row.calendar), since, until)
    except CalendarError as error:
        raise Problem("reference_rate_period_invalid", str(error), field="query:since", accepted="days that its calendar knows") from error
    except NotPublished as missing:
        detail = f"nothing is entered for {missing.args[0]}"
        raise Problem(
            "reference_rate_not_published", detail, field="query:until", accepted="a period of which all is published"
        ) from missing
    return CompoundedView(rate=rate, since=since, until=until, pct=f"{round(exact, DECIMALS):.{DECIMALS}f}")


async def find_reference_rate(session: AsyncSession, rate: str, field: str = "path:rate") -> ReferenceRateRow:
    if (row := await session.get(ReferenceRateRow, rate)) is None:
        raise Problem("reference_rate_not_found", f"there is no reference rate {rate}", field=field)
    return row
