"""Differences: goods that weigh less than was drawn, weighed again by a second person, and signed for later. A partner sees its own."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlmodel import col, select

from services.inventory.api.dispatch import WeighingBody
from services.inventory.api.fields import READERS, DrawPath, limited_to
from services.inventory.api.lookups import stockpile_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.differences import CALENDAR, SIGNED_WITHIN_DAYS, SettleDifference, WeighAgain
from services.inventory.events import DrawId, DrawWeighedAgain, SettledAs
from services.inventory.problems import ApiReason
from services.inventory.tables import DifferenceRow
from shared.http.auth import Caller, allow
from shared.http.duty import ON_CALL, duty_in
from shared.http.fields import Body
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.http.seen import seen
from shared.terms.acting_api import accounts_of_caller
from shared.terms.business_days import business_days_later
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(tags=["differences"])


class SettlementBody(Body):
    cause: Literal["loss", "measurement", "found"]  # what is found shows in the next stock-take


class WeighedAgainView(BaseModel):
    draw: str
    product: str
    mass_g: int
    first_g: int
    weighed_g: int
    missing_g: int  # in suspense
    sign_by: date  # the last day on which somebody is to sign for it


class DifferenceView(BaseModel):
    """For a partner, without who has weighed."""

    draw: str
    product: str
    partner: str
    mass_g: int  # missing
    weighed_g: int
    first_by: str | None
    weighed_by: str | None
    weighed_on: date
    sign_by: date
    settled_on: date | None  # None: it is in suspense
    cause: SettledAs | None


SEEN_BY_PARTNER = frozenset(
    ("draw", "product", "partner", "mass_g", "weighed_g", "weighed_on", "sign_by", "settled_on", "cause")  # not who has weighed
)


@router.post("/v1/draws/{draw}/second-weighing")
async def weigh_again(
    draw: DrawPath, body: WeighingBody, caller: Annotated[Caller, allow("operator", on_duty=True)], post: Posting, reads: Reading
) -> WeighedAgainView:
    """By somebody on call, another than has found the goods underweight. They leave as weighed; what they lack is in suspense until it is
    signed for."""
    if (duty := duty_in(caller.scopes)) != ON_CALL:
        raise Problem(ApiReason.NOT_ON_CALL, "the token names no duty", accepted=f"a token for the duty {ON_CALL}")
    command = WeighAgain(
        draw=DrawId(draw),
        weighed_g=body.weighed_g,
        scale=body.scale,
        by=caller.subject,
        accounts=await accounts_of_caller(reads, caller),
        duty=duty,
        sign_by=business_days_later(post.today, SIGNED_WITHIN_DAYS, CALENDAR),
    )
    accepted = await post.submit(await stockpile_of(reads, "draw", draw), command)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, DrawWeighedAgain))
    told = {name: getattr(event, name) for name in ("draw", "product", "mass_g", "first_g", "weighed_g", "sign_by")}
    return WeighedAgainView(**told, missing_g=event.mass_g - event.weighed_g)


@router.post("/v1/draws/{draw}/difference/settle", status_code=202)
async def settle_difference(
    draw: DrawPath, body: SettlementBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """Signed by a person who has not weighed the goods, what they lack is in suspense no longer."""
    command = SettleDifference(draw=DrawId(draw), cause=body.cause)
    return await propose(post, CONTROLS, await stockpile_of(reads, "draw", draw), command)


@router.get("/v1/differences")
async def list_differences(
    caller: Annotated[Caller, allow(*READERS, "partner")],
    pages: Paging,
    open: Annotated[bool, Query(description="only what is in suspense")] = False,
) -> Page[DifferenceView]:
    query = select(DifferenceRow).where(col(DifferenceRow.settled_on).is_(None)) if open else select(DifferenceRow)
    partner = limited_to(caller)
    view = same_fields(DifferenceView) if partner is None else _as_its_partner_sees
    return await pages.of(query, DifferenceRow.id, view, only={DifferenceRow.partner: partner})


def _as_its_partner_sees(row: DifferenceRow) -> DifferenceView:
    return seen(same_fields(DifferenceView)(row), SEEN_BY_PARTNER)
