"""Money-weighted returns on equity, by holding, by project, and in all: each in its currency, since rates of the past are not kept."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.facility.positions import holding_flows, holding_valuations
from services.loans.api.fields import READERS, Code
from services.loans.domain.equity.money_weighted import NoReturn, money_weighted
from services.loans.domain.equity.value import HoldingFlow, Valuation, cash_flows, worth_on
from services.loans.tables.equity import HoldingRow
from shared.clock import day_of
from shared.http.auth import Caller, allow
from shared.http.fields import Day
from shared.http.handlers import Reading
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/equity", tags=["equity"])

type By = Literal["holding", "project", "all"]


class EquityReturnView(BaseModel):
    """`rate`: a year, as a share with six digits; null with its reason. ACT/365; what is held counts as received on the day."""

    key: str  # the holding, the project, or "all"
    currency: str
    holdings: int
    paid_minor: int
    received_minor: int  # dividends, and for what was sold
    value_minor: int  # of what is held
    at_cost: int  # holdings whose value is their cost, since nothing was said of it
    rate: str | None
    reason: NoReturn | None
    certain: bool  # false: more than one rate may fit, and it is the one nearest to zero


class ReturnsView(BaseModel):
    by: By
    on: date
    returns: list[EquityReturnView]


class _Held:
    """One holding, as it is known on the day."""

    def __init__(self, row: HoldingRow, flows: Sequence[HoldingFlow], valuations: Sequence[Valuation], on: date) -> None:
        self.row = row
        self.worth = worth_on(flows, valuations, on)
        self.flows = [flow for flow in flows if flow.on <= on]
        self.cash = cash_flows(flows, self.worth, on)


@router.get("/returns")
async def show_returns(
    caller: Annotated[Caller, allow(*READERS)],
    reads: Reading,
    request: Request,
    by: Annotated[By, Query()] = "project",
    project: Annotated[Code | None, Query()] = None,
    on: Annotated[Day | None, Query(description="the day that they are reckoned to; today if it is left out")] = None,
) -> ReturnsView:
    today = day_of(reads.kernel.clock.now(), reads.kernel.settings.zone)
    day = on or today
    if day > today:
        raise Problem("date_in_future", f"{day} has not come yet", field="query:on", accepted=f"{today} or earlier")
    async with reads.session() as session:
        held = await _held(session, project, day)
    groups: defaultdict[tuple[str, str], list[_Held]] = defaultdict(list)
    for each in held:
        key = {"holding": each.row.holding, "project": each.row.project, "all": "all"}[by]
        groups[key, each.row.currency].append(each)
    # Thousands of flows take tens of milliseconds: other requests need not wait for them.
    return ReturnsView(by=by, on=day, returns=await asyncio.to_thread(_returns, groups))


async def _held(session: AsyncSession, project: str | None, on: date) -> list[_Held]:
    query = select(HoldingRow).order_by(col(HoldingRow.holding))
    rows = (await session.exec(query if project is None else query.where(HoldingRow.project == project))).all()
    flows, valuations = await holding_flows(session), await holding_valuations(session)
    held = [_Held(row, flows.get(row.holding, ()), valuations.get(row.holding, ()), on) for row in rows]
    return [each for each in held if each.cash]


def _returns(groups: Mapping[tuple[str, str], Sequence[_Held]]) -> list[EquityReturnView]:
    views = []
    for (key, currency), held in sorted(groups.items()):
        found = money_weighted(flow for each in held for flow in each.cash)
        views.append(
            EquityReturnView(
                key=key,
                currency=currency,
                holdings=len(held),
                paid_minor=-sum(flow.cash_minor for each in held for flow in each.flows if flow.cash_minor < 0),
                received_minor=sum(flow.cash_minor for each in held for flow in each.flows if flow.cash_minor > 0),
                value_minor=sum(each.worth.value_minor for each in held),
                at_cost=sum(each.worth.basis == "cost" for each in held),
                rate=found.rate,
                reason=found.reason,
                certain=found.certain,
            )
        )
    return views
