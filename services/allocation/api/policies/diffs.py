"""The diff of a policy version: what it would have given in past rounds and in the library of scenarios, beside the active version.

A question, and no command: it needs no Idempotency-Key, and nothing is different after it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field, StrictInt
from sqlmodel import col, select

from services.allocation import scenarios
from services.allocation.api.decisions.decisions import read_content
from services.allocation.api.fields import READERS, PolicyPath, ProductField, VersionPath
from services.allocation.api.lookups import read_policy
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.policies.backtest import BacktestResult, Case, Given, NotDecided, Tried, case_of, cases_of, try_out
from services.allocation.domain.policies.backtest_text import text_of
from services.allocation.events.policies import PolicyTerms
from services.allocation.tables.book import RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body
from shared.http.handlers import Reading, Reads
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/policies", tags=["policies"])

MAX_ROUNDS = 20
MAX_REQUESTS = 20_000  # of all rounds together
_ONE_AT_A_TIME = asyncio.Semaphore(1)  # it is for people who read, and costs as much as many rounds


class DiffBody(Body):
    rounds: Annotated[StrictInt, Field(ge=0, le=MAX_ROUNDS)] = Field(default=5, description="how many of the last that were certified")
    product: ProductField | None = Field(default=None, description="only its rounds")
    scenarios: list[str] | None = Field(default=None, max_length=20, description="of the library; otherwise all")


class SideView(BaseModel):
    """What one version makes of a case. Without `not_decided` all the others are there."""

    policy: str  # "standing v2"
    not_decided: str | None = None  # why: such as a rule that lacks positions
    unused_g: int | None = None
    days_total: str | None = None
    days_least: str | None = None
    gini: str | None = None  # of the parts of claims that are met; 0: all alike


class DiffLineView(BaseModel):
    request: str
    partner: str
    claim_g: int
    before_g: int | None  # None: no version is active, or it decides nothing here
    after_g: int | None
    before_days: str | None
    after_days: str | None


class CaseView(BaseModel):
    case: str  # a round, or a scenario
    product: str
    day: date
    offered_g: int | None
    before: SideView | None
    after: SideView
    lines: list[DiffLineView]


class DiffView(BaseModel):
    policy: str
    version: int
    active: int | None  # what it is compared with
    cases: list[CaseView]


@router.post(
    "/{policy}/versions/{version}/diff",
    response_model=DiffView,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def diff_version(
    policy: PolicyPath,
    version: VersionPath,
    body: DiffBody,
    caller: Annotated[Caller, allow(*READERS)],
    reads: Reading,
    form: Annotated[Literal["json", "text"], Query(description="text: a plain table a case")] = "json",
) -> DiffView | Response:
    found = await read_policy(reads, policy)
    if (asked := found.versions.get(version)) is None:
        raise Problem("policy_version_not_found", f"{policy} has no version {version}", field="path:version")
    names = scenarios.names() if body.scenarios is None else body.scenarios
    if unknown := sorted(set(names) - set(scenarios.names())):
        raise Problem("scenario_not_found", f"there is no scenario {unknown[0]}", field="/scenarios", accepted=", ".join(scenarios.names()))
    active = found.active_on(reads.today)
    after = f"{policy} v{version}"
    before = None if active in (None, version) else f"{policy} v{active}"
    compared: dict[str, PolicyTerms] = {}
    if active is not None and before is not None:
        compared[before] = found.versions[active].terms
    compared[after] = asked.terms
    async with _ONE_AT_A_TIME:
        held = await _last_rounds(reads, body)
        tried = await asyncio.to_thread(_decide_again, held, names, compared)
    if form == "text":
        return PlainTextResponse(text_of(tried))
    return DiffView(policy=policy, version=version, active=active, cases=[_case(each, before, after) for each in tried])


async def _last_rounds(reads: Reads, body: DiffBody) -> list[tuple[bytes, date]]:
    """The files of the last rounds, with the days on which they were opened: as many as are not too much together."""
    query = select(RoundRow).where(col(RoundRow.status).in_((RoundStatus.CERTIFIED.value, RoundStatus.RELEASED.value)))
    if body.product is not None:
        query = query.where(RoundRow.product == body.product)
    async with reads.session() as session:
        query = query.order_by(col(RoundRow.opened_on).desc(), col(RoundRow.round)).limit(body.rounds)
        rows = (await session.exec(query)).all()
    held: list[tuple[bytes, date]] = []
    requests = 0
    for row in rows:
        requests += len(row.requests)
        if requests > MAX_REQUESTS:
            break
        assert row.file is not None, "a certified round has its decision"
        held.append((await read_content(reads, row.file), row.opened_on))
    return held


def _decide_again(held: Sequence[tuple[bytes, date]], names: Sequence[str], policies: Mapping[str, PolicyTerms]) -> list[Tried]:
    """The heavy part, off the event loop and outside the writer."""
    cases: list[Case] = [case_of(read_file(content), day) for content, day in held]
    for name in names:
        cases += cases_of(scenarios.scenario(name))
    return try_out(cases, policies)


def _case(tried: Tried, before: str | None, after: str) -> CaseView:
    old = None if before is None else tried.outcomes[before]
    new = tried.outcomes[after]
    known = [found for found in (new, old) if isinstance(found, BacktestResult)]
    was, becomes = _by_request(old), _by_request(new)
    return CaseView(
        case=tried.case,
        product=tried.product,
        day=tried.day,
        offered_g=known[0].offered_g if known else None,
        before=None if before is None or old is None else _side(before, old),
        after=_side(after, new),
        lines=[_line(each, was.get(each.request), becomes.get(each.request)) for each in (known[0].given if known else ())],
    )


def _side(policy: str, found: BacktestResult | NotDecided) -> SideView:
    if isinstance(found, NotDecided):
        return SideView(policy=policy, not_decided=found.why)
    return SideView(policy=policy, unused_g=found.unused_g, days_total=found.days_total, days_least=found.days_least, gini=found.gini)


def _by_request(found: BacktestResult | NotDecided | None) -> dict[str, Given]:
    return {each.request: each for each in found.given} if isinstance(found, BacktestResult) else {}


def _line(each: Given, was: Given | None, becomes: Given | None) -> DiffLineView:
    return DiffLineView(
        request=each.request,
        partner=each.partner,
        claim_g=each.claim_g,
        before_g=None if was is None else was.award_g,
        after_g=None if becomes is None else becomes.award_g,
        before_days=None if was is None else was.days_of_cover,
        after_days=None if becomes is None else becomes.days_of_cover,
    )
