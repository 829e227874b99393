"""What projects owe partners under rights that were assigned to them: delivered, substituted, postponed, given back."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlmodel import select

from services.inventory.api.fields import READERS, AssayBody, DrawField, ProductField, RightField, RightPath, draws_for, limited_to
from services.inventory.api.lookups import not_found, stockpile_of
from services.inventory.domain.controls import CONTROLS
from services.inventory.domain.deliveries import DeliverAssignment, GiveBackAssignment, PostponeDelivery, SubstituteDelivery
from services.inventory.events import AssignmentDelivered, DrawId, ProductId, RightId
from services.inventory.tables import DrawRow, OwedRow, ProductRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, PositiveGrams, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, done_or_proposed, propose
from shared.terms.dating import Dated

router = APIRouter(tags=["rights"])


class AssignedDeliveryBody(Body):
    """Of what was assigned to a partner: the project has delivered it."""

    draw: DrawField
    mass_g: PositiveGrams
    delivered_on: Day
    evidence: Text  # what shows it: "CMR 4711"
    dated_because: Dated | None = Field(default=None, description="needed where `delivered_on` is not today: why it is reported later")


class SubstituteBody(Body):
    """Other goods that the project has delivered for `mass_g` of what was assigned, and the partner takes."""

    draw: DrawField
    mass_g: PositiveGrams
    substitute: ProductField  # another product, or the right's own, of another lot
    delivered_g: PositiveGrams
    assay: AssayBody
    delivered_on: Day


class GivenBackBody(Body):
    draw: DrawField
    mass_g: PositiveGrams


class PostponementBody(Body):
    window_to: Day  # the new last day
    cause: Literal["force_majeure", "agreed"]
    evidence: Text  # the project's notice, or the partners' word


class OwedView(BaseModel):
    """What a project owes a partner of a right that was assigned to it. `failed_g`: what had not come when the window, and the days of
    grace, had passed, or when the right was terminated. `short_g`: missing too, and no more than its terms tolerate."""

    draw: str
    right: str
    product: str
    project: str
    partner: str
    mass_g: int
    remaining_g: int  # neither delivered nor given back, short or failed
    failed_g: int
    short_g: int
    substituted_g: int  # settled by other goods
    given_back_g: int
    window_to: date | None
    grace_days: int


class AssignedDeliveryView(BaseModel):
    draw: str
    right: str
    partner: str
    mass_g: int
    remaining_g: int
    late_days: int


@router.get("/v1/assignments")
async def list_assignments(
    caller: Annotated[Caller, allow(*READERS, "partner")], pages: Paging, right: Annotated[RightField | None, Query()] = None
) -> Page[OwedView]:
    """A partner sees its own."""
    return await pages.of(
        select(OwedRow), OwedRow.id, same_fields(OwedView), only={OwedRow.right: right, OwedRow.partner: limited_to(caller)}
    )


@router.get("/v1/rights/{right}/owed")
async def list_owed(right: RightPath, caller: Annotated[Caller, allow(*READERS)], pages: Paging) -> Page[OwedView]:
    return await pages.of(select(OwedRow), OwedRow.id, same_fields(OwedView), only={OwedRow.right: right})


@router.post("/v1/rights/{right}/deliveries", status_code=201, responses=OR_PROPOSED)
async def deliver_assignment(
    right: RightPath, body: AssignedDeliveryBody, caller: Annotated[Caller, allow("operator", "partner")], post: Posting, reads: Reading
) -> AssignedDeliveryView | ProposalView:
    """In part or whole. A partner reports it of what it is owed itself; what an operator reports, another person signs. What is still owed
    when the window has passed is failed: its partner's quota and carry are given back."""
    command = DeliverAssignment(
        draw=DrawId(body.draw),
        right=RightId(right),
        partner=draws_for(caller),
        mass_g=body.mass_g,
        delivered_on=body.delivered_on,
        evidence=post.text(body.evidence),
        drawn_on=await _drawn_on(reads, body.draw),
        dated_because=body.dated_because,
        reported_on=post.today,
        on=post.today,
    )
    done = await done_or_proposed(post, CONTROLS, await stockpile_of(reads, "right", right), command)
    if isinstance(done, ProposalView):
        return done
    event = next(fact.event for fact in done.facts if isinstance(fact.event, AssignmentDelivered))
    return same_fields(AssignedDeliveryView)(event)


@router.post("/v1/rights/{right}/substitutes", status_code=202)
async def substitute_delivery(
    right: RightPath, body: SubstituteBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """No worse than what was assigned: of no lower grade, and with no less of each element. Signed, it is delivered."""
    async with reads.session() as session:
        if await session.get(ProductRow, body.substitute) is None:
            raise not_found("product", body.substitute, "/substitute")
    command = SubstituteDelivery(
        draw=DrawId(body.draw),
        right=RightId(right),
        mass_g=body.mass_g,
        substitute=ProductId(body.substitute),
        delivered_g=body.delivered_g,
        assay=body.assay.assay(),
        delivered_on=body.delivered_on,
        drawn_on=await _drawn_on(reads, body.draw),
        on=post.today,
    )
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.post("/v1/rights/{right}/give-back", status_code=202)
async def give_back(
    right: RightPath, body: GivenBackBody, caller: Annotated[Caller, allow("partner")], post: Posting, reads: Reading
) -> ProposalView:
    """The partner asks; once the Reserve has signed, the next round may offer it. It counts against the quota as a release does that was
    renounced."""
    partner = await _own_assignment(reads, caller, right, body.draw)
    command = GiveBackAssignment(draw=DrawId(body.draw), right=RightId(right), partner=partner, mass_g=body.mass_g, on=post.today)
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


@router.post("/v1/rights/{right}/postpone", status_code=202)
async def postpone_delivery(
    right: RightPath, body: PostponementBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """By force majeure, for as many days as the terms allow, or as agreed. Signed, nothing that is to come under the right is failed until
    as much later."""
    command = PostponeDelivery(
        right=RightId(right), window_to=body.window_to, cause=body.cause, evidence=post.text(body.evidence), on=post.today
    )
    return await propose(post, CONTROLS, await stockpile_of(reads, "right", right), command)


async def _drawn_on(reads: Reads, draw: str) -> date | None:
    """None: there is no such draw, of which nothing is owed."""
    async with reads.session() as session:
        row = await session.get(DrawRow, draw)
    return None if row is None else row.drawn_on


async def _own_assignment(reads: Reads, caller: Caller, right: str, draw: str) -> str:
    """Whose it is. What is another's is as unknown as what is nobody's."""
    partner = limited_to(caller)
    async with reads.session() as session:
        row = await session.get(OwedRow, f"{draw}/{right}")
    if row is None or row.partner != partner:
        raise Problem("assignment_not_found", f"nothing of {right} is owed under {draw}", field="/draw")
    return row.partner
