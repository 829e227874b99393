"""Instruments of authority: registered by an administrator, who also names acting officers, and ended by one for 72 hours, unless an
approver confirms it."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StrictBool, StrictInt
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.bars import barring_of, confirming_of
from services.allocation.api.authority.capacity import REGISTER
from services.allocation.api.authority.endorsing import EndorsedBody, endorsing_of, in_ceremony
from services.allocation.api.fields import READERS, CurrencyField, InstrumentPath, ProductField, SubjectField
from services.allocation.domain.authority.ceremony import EnterInstrument
from services.allocation.domain.authority.instrument import (
    WINDOW_DAYS,
    ConfirmEnd,
    EndInstrument,
    Instrument,
    NameActingOfficer,
    RegisterInstrument,
    decide,
)
from services.allocation.events import InstrumentEnded, InstrumentId, InstrumentRegistered, ProductId, SubjectId
from services.allocation.events.authority import InstrumentEndConfirmed, Power
from services.allocation.tables.authority import CitationRow, InstrumentRow
from services.allocation.tables.book import ApprovalRow, RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Day, PositiveGrams, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.terms.acting_api import InstrumentField
from shared.terms.authority import Authority, Kind
from shared.terms.authority_tables import chains_of

router = APIRouter(prefix="/v1/instruments", tags=["authority"])

Administers = Annotated[Caller, allow("administrator")]


class InstrumentBody(EndorsedBody):
    instrument: InstrumentField | None = Field(default=None, description="a new id of your own, which its endorsement names")
    kind: Kind
    title: Text
    office: Text = Field(description="whose power it is, by office and never by a person's name")
    under: InstrumentField | None = Field(default=None, description="none for an act; what is not an act is made under another")
    holder: SubjectField
    acts: Annotated[list[Power], Field(min_length=1, max_length=len(Power))]
    products: Annotated[list[ProductField], Field(max_length=100)] = Field(default=[], description="none: all")
    limit_g: PositiveGrams | None = Field(default=None, description="of what is done in `window_days`; none: no limit")
    limit_minor: Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)] | None = Field(
        default=None, description="of what is done in `window_days`, in minor units of `currency`"
    )
    currency: CurrencyField | None = None
    valid_from: Day
    valid_until: Day = Field(description="the last day")
    may_sub_delegate: StrictBool = False
    window_days: StrictInt = Field(default=WINDOW_DAYS, description="its limits are of all that is done under it in so many days")


class ActingBody(EndorsedBody):
    officer: SubjectField
    valid_from: Day
    valid_until: Day = Field(description="the last day")


class ActingView(BaseModel):
    subject: str
    valid_from: date
    valid_until: date


class InstrumentView(BaseModel):
    instrument: str
    kind: Kind
    title: str
    office: str
    under: str | None
    holder: str
    acting: list[ActingView]
    acts: list[str]
    products: list[str]
    limit_g: int | None
    limit_minor: int | None
    currency: str | None
    window_days: int | None  # none: without a limit, or of an earlier build, whose limits are of one act
    valid_from: date
    valid_until: date
    may_sub_delegate: bool
    ended_on: date | None
    ended_by: str | None = None  # none: by an earlier build
    end_lapses_at: datetime | None = None  # unless it is confirmed
    end_confirmed_by: str | None = None


class ChainView(InstrumentView):
    above: list[InstrumentView]  # what it stands under, up to the root


class ActingChange(BaseModel):
    instrument: str
    officer: str
    valid_from: date
    valid_until: date


class EndChange(BaseModel):
    instrument: str
    ended_on: date
    reason: str
    lapses_at: datetime  # unless an approver confirms it


class EndConfirmation(BaseModel):
    instrument: str
    ended_on: date


def _view(row: InstrumentRow) -> InstrumentView:
    return InstrumentView.model_validate(row, from_attributes=True)


def _as_registered(event: InstrumentRegistered) -> InstrumentView:
    return InstrumentView(
        instrument=event.instrument,
        kind=event.kind,
        title=event.title,
        office=event.office,
        under=event.under,
        holder=event.holder,
        acting=[],
        acts=list(event.acts),
        products=list(event.products),
        limit_g=event.limit_g,
        limit_minor=event.limit_minor,
        currency=event.currency,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        may_sub_delegate=event.may_sub_delegate,
        window_days=event.window_days,
        ended_on=None,
    )


@router.post("", status_code=201)
async def register_instrument(body: InstrumentBody, caller: Administers, post: Posting, reads: Reading) -> InstrumentView:
    above: tuple[Authority, ...] = ()
    async with reads.session() as session:
        first = (await session.exec(select(InstrumentRow.instrument).limit(1))).first() is None
        if body.under is not None:
            above = (await chains_of(session, REGISTER, [body.under])).get(body.under, ())
    instrument = InstrumentId(body.instrument or post.new_id("ins"))
    command = RegisterInstrument(
        instrument=instrument,
        kind=body.kind,
        title=body.title,
        office=body.office,
        under=None if body.under is None else InstrumentId(body.under),
        above=above,
        holder=SubjectId(body.holder),
        acts=tuple(body.acts),
        products=tuple(ProductId(product) for product in body.products),
        limit_g=body.limit_g,
        limit_minor=body.limit_minor,
        currency=body.currency,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        may_sub_delegate=body.may_sub_delegate,
        window_days=body.window_days,
        endorsing=await endorsing_of(reads, post, caller, body, ceremony=first),
    )
    if first and not isinstance(decide(command, Instrument()), Refused):
        entered = await in_ceremony(post, body, EnterInstrument(instrument=instrument), command.endorsing)
        command = msgspec.structs.replace(command, endorsing=entered)
    accepted = await post.submit(f"instrument/{instrument}", command)
    return _as_registered(accepted.event(InstrumentRegistered))


@router.post("/{instrument}/acting")
async def name_acting_officer(
    instrument: InstrumentPath, body: ActingBody, caller: Administers, post: Posting, reads: Reading
) -> ActingChange:
    command = NameActingOfficer(
        officer=SubjectId(body.officer),
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        endorsing=await endorsing_of(reads, post, caller, body, ceremony=False),
    )
    await post.submit(f"instrument/{instrument}", command)
    return ActingChange(instrument=instrument, officer=body.officer, valid_from=body.valid_from, valid_until=body.valid_until)


@router.post("/{instrument}/end")
async def end_instrument(instrument: InstrumentPath, body: ReasonBody, caller: Administers, post: Posting, reads: Reading) -> EndChange:
    """From today on, with all that was made under it, for 72 hours: for good, if an approver confirms it. Approvals that cite it lapse at
    once, and do not come back with it."""
    async with reads.session() as session:
        products = await _books_that_cite(session, instrument)
    barring = await barring_of(reads, post, caller)
    command = EndInstrument(products=products, reason=post.text(body.reason), on=post.today, barring=barring)
    ended = (await post.submit(f"instrument/{instrument}", command)).event(InstrumentEnded)
    assert ended.lapses_at is not None, "an end without is of an earlier build"
    return EndChange(instrument=instrument, ended_on=ended.ended_on, reason=body.reason, lapses_at=ended.lapses_at)


@router.post("/{instrument}/end/confirm")
async def confirm_end(
    instrument: InstrumentPath, caller: Annotated[Caller, allow("approver")], post: Posting, reads: Reading
) -> EndConfirmation:
    """By an approver who has a key and has not ended it."""
    accepted = await post.submit(f"instrument/{instrument}", ConfirmEnd(confirming=await confirming_of(reads, caller)))
    return EndConfirmation(instrument=instrument, ended_on=accepted.event(InstrumentEndConfirmed).ended_on)


@router.get("")
async def list_instruments(
    caller: Annotated[Caller, allow(*READERS)],
    pages: Paging,
    holder: Annotated[SubjectField | None, Query(description="the holder, or who acts for them")] = None,
) -> Page[InstrumentView]:
    query = select(InstrumentRow)
    if holder is not None:
        query = query.where(or_(InstrumentRow.holder == holder, col(InstrumentRow.acting).contains([{"subject": holder}])))
    return await pages.of(query, InstrumentRow.instrument, _view)


@router.get("/{instrument}")
async def show_instrument(
    instrument: InstrumentPath, caller: Annotated[Caller, allow(*READERS)], reads: Reading, response: Response
) -> ChainView:
    async with reads.session() as session:
        if (row := await session.get(InstrumentRow, instrument)) is None:
            raise Problem("instrument_not_found", f"there is no instrument {instrument}", field="path:instrument")
        above = []
        under = row.under
        while under is not None and (parent := await session.get(InstrumentRow, under)) is not None:
            above.append(_view(parent))
            under = parent.under
    reads.etag(response, caller, f"instrument/{instrument}", row.version)
    return ChainView(**_view(row).model_dump(), above=above)


async def _books_that_cite(session: AsyncSession, instrument: str) -> tuple[ProductId, ...]:
    """The products whose books hold an open approval that cites the instrument, or what stands under it."""
    below = {instrument}
    while True:
        children = select(InstrumentRow.instrument).where(col(InstrumentRow.under).in_(below))
        if not (more := set((await session.exec(children)).all()) - below):
            break
        below |= more
    cited = (
        select(RoundRow.product)
        .join(ApprovalRow, col(ApprovalRow.round) == col(RoundRow.round))
        .join(CitationRow, col(CitationRow.matter) == col(RoundRow.round))
        .where(RoundRow.status == RoundStatus.PROPOSED.value, col(ApprovalRow.lapsed).is_(False), col(CitationRow.authority).in_(below))
        .distinct()
    )
    return tuple(ProductId(product) for product in sorted((await session.exec(cited)).all()))
