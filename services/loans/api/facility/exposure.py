"""Exposure by any dimension, with the limits on it; and what it would be if something happened. Neither changes anything."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, StrictInt, model_validator

from services.loans.api.facility.positions import deliveries_of, facilities_of, positions_of, with_dues
from services.loans.api.fields import READERS, Asset, Code, Number, number
from services.loans.domain.facility.exposure import Dimension, Exposure, LimitUse, Sums, exposures, totals, valued
from services.loans.domain.facility.state import Facility
from services.loans.domain.facility.what_ifs import (
    ASSUMPTIONS,
    Consequences,
    Default,
    Delay,
    ExpectedDelivery,
    Portfolio,
    PriceChange,
    Scenario,
    what_if,
)
from shared.clock import day_of
from shared.http.auth import Caller, allow
from shared.http.fields import Body
from shared.http.handlers import Reading, Reads

router = APIRouter(prefix="/v1/exposure", tags=["exposure"])

MAX_SCENARIOS = 10
MAX_MONTHS = 120
MAX_CHANGE = 100  # a hundredfold: more is a slip of the pen


def _share(value: str) -> str:
    if not 0 <= Fraction(number(value)) <= 1:
        raise ValueError("a share is 0 to 1")
    return value


def _change(value: str) -> str:
    if not -1 <= Fraction(number(value)) <= MAX_CHANGE:
        raise ValueError(f"a price changes by -1 (to nothing) to {MAX_CHANGE}")
    return value


def _factor(value: str) -> str:
    if not 0 <= Fraction(number(value)) <= MAX_CHANGE:
        raise ValueError(f"it is 0 to {MAX_CHANGE}")
    return value


class DefaultBody(Body):
    """Of a borrower (or a company whose shares are held), or of a partner."""

    kind: Literal["default"]
    borrower: Code | None = None
    partner: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    recovery: Annotated[Number, AfterValidator(_share)] = Field(default="0", description="the share of what is outstanding that comes back")

    @model_validator(mode="after")
    def _names_one(self) -> "DefaultBody":
        if (self.borrower is None) == (self.partner is None):
            raise ValueError("a borrower or a partner defaults: name one")
        return self


class PriceBody(Body):
    kind: Literal["price"]
    asset: Asset
    change: Annotated[Number, AfterValidator(_change)] = Field(description='"-0.3": it falls by 30 %')
    elasticity: Annotated[Number, AfterValidator(_factor)] = Field(
        default="1", description="by how many per cent security and shares change in value with one of the price"
    )


class DelayBody(Body):
    kind: Literal["delay"]
    project: Code
    months: Annotated[StrictInt, Field(ge=1, le=MAX_MONTHS)]


type ScenarioBody = Annotated[DefaultBody | PriceBody | DelayBody, Field(discriminator="kind")]


class WhatIfBody(Body):
    by: Dimension = "element"
    scenarios: Annotated[list[ScenarioBody], Field(min_length=1, max_length=MAX_SCENARIOS)] = Field(description="one after the other")


class LimitUseView(BaseModel):
    facility: str
    key: str
    limit_minor: int
    committed_minor: int
    headroom_minor: int
    warned: bool


class SumsView(BaseModel):
    positions: int
    committed_minor: int
    undrawn_minor: int
    outstanding_minor: int  # owed and billed; of holdings their cost
    overdue_minor: int
    value_minor: int  # what is owed less what is provided for; of holdings their last valuation
    security_minor: int  # that is stated in money, after haircuts


class ExposureRowView(BaseModel):
    key: str  # "none": those that have no such thing
    currency: str
    sums: SumsView
    contained_g: dict[str, int]
    limits: list[LimitUseView]


class ExposureView(BaseModel):
    """Each position is in full in each row that it concerns: rows add up to `totals` unless `adds_up` is false."""

    by: Dimension
    on: date
    adds_up: bool  # not by element, nor by group: a loan for two elements is in both rows
    totals: dict[str, SumsView]  # by currency, each position once
    rows: list[ExposureRowView]


class LossView(BaseModel):
    position: str
    currency: str
    lost_minor: int


class ShortfallView(BaseModel):
    position: str
    currency: str
    before_minor: int
    after_minor: int


class MovedView(BaseModel):
    delivery: str
    quantity: int
    unit: str
    before: date
    after: date


class GapView(BaseModel):
    position: str
    asset: str
    missing: int
    since: date


class LapseView(BaseModel):
    position: str
    asset: str
    undrawn: int
    until: date


class BreachView(BaseModel):
    position: str
    kind: str
    before: str
    after: str
    minimum: str


class WhatIfView(BaseModel):
    before: ExposureView
    after: ExposureView
    exceeded: list[LimitUseView]  # that are not exceeded now
    shortfalls: list[ShortfallView]  # of security, where they are larger than now
    losses: list[LossView]
    lost_minor: dict[str, int]  # in all, by currency
    moved: list[MovedView]
    gaps: list[GapView]
    lapses: list[LapseView]
    breaches: list[BreachView]
    assumptions: list[str]


@router.get("")
async def show_exposure(
    caller: Annotated[Caller, allow(*READERS)], reads: Reading, by: Annotated[Dimension, Query()] = "partner"
) -> ExposureView:
    """As of now, in the currencies of the facilities, at the rates recorded last."""
    today = _today(reads)
    async with reads.session() as session:
        facilities = await facilities_of(reads, session)
        positions = await positions_of(session, facilities, today)
    return exposure_view(positions, facilities, by, today)


@router.post("/what-if")
async def ask_what_if(body: WhatIfBody, caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> WhatIfView:
    """A question, and no command: it needs no Idempotency-Key, and nothing is different after it."""
    today = _today(reads)
    delayed = sorted({each.project for each in body.scenarios if isinstance(each, DelayBody)})
    async with reads.session() as session:
        facilities = await facilities_of(reads, session)
        positions = await positions_of(session, facilities, today)
        deliveries: list[ExpectedDelivery] = []
        for project in delayed:
            deliveries += await deliveries_of(session, project)
    for project in delayed:
        positions = await with_dues(reads, positions, project, today)
    book = Portfolio(positions=positions, facilities=facilities, deliveries=tuple(deliveries), on=today)
    outcome = await asyncio.to_thread(what_if, book, [_scenario(each) for each in body.scenarios])
    return _answer(body, book, outcome)


def exposure_view(positions: Sequence[Exposure], facilities: Mapping[str, Facility], by: Dimension, on: date) -> ExposureView:
    each_valued = valued(positions, facilities)
    rows = [
        ExposureRowView(
            key=row.key,
            currency=row.currency,
            sums=_sums(row.sums),
            contained_g=row.contained_g,
            limits=[_limit(use) for use in row.limits],
        )
        for row in exposures(each_valued, facilities, by)
    ]
    sums = {currency: _sums(each) for currency, each in totals(each_valued, facilities).items()}
    return ExposureView(by=by, on=on, adds_up=by not in ("element", "group"), totals=sums, rows=rows)


def _answer(body: WhatIfBody, book: Portfolio, outcome: Consequences) -> WhatIfView:
    lost: dict[str, int] = {}
    for loss in outcome.losses:
        lost[loss.currency] = lost.get(loss.currency, 0) + loss.lost_minor
    return WhatIfView(
        before=exposure_view(book.positions, book.facilities, body.by, book.on),
        after=exposure_view(outcome.after.positions, outcome.after.facilities, body.by, book.on),
        exceeded=[_limit(use) for use in outcome.exceeded],
        shortfalls=[ShortfallView.model_validate(each, from_attributes=True) for each in outcome.shortfalls],
        losses=[LossView.model_validate(each, from_attributes=True) for each in outcome.losses],
        lost_minor=lost,
        moved=[MovedView.model_validate(each, from_attributes=True) for each in outcome.moved],
        gaps=[GapView.model_validate(each, from_attributes=True) for each in outcome.gaps],
        lapses=[LapseView.model_validate(each, from_attributes=True) for each in outcome.lapses],
        breaches=[BreachView.model_validate(each, from_attributes=True) for each in outcome.breaches],
        assumptions=[said for kind in sorted({each.kind for each in body.scenarios}) for said in ASSUMPTIONS[kind]],
    )


def _scenario(body: DefaultBody | PriceBody | DelayBody) -> Scenario:
    match body:
        case DefaultBody():
            return Default(borrower=body.borrower, partner=body.partner, recovery=body.recovery)
        case PriceBody():
            return PriceChange(asset=body.asset, change=body.change, elasticity=body.elasticity)
        case DelayBody():
            return Delay(project=body.project, months=body.months)


def _sums(sums: Sums) -> SumsView:
    return SumsView.model_validate(sums, from_attributes=True)


def _limit(use: LimitUse) -> LimitUseView:
    return LimitUseView.model_validate(use, from_attributes=True)


def _today(reads: Reads) -> date:
    return day_of(reads.kernel.clock.now(), reads.kernel.settings.zone)
