"""Opening a round: over accepted requests, under the version of a policy that is active today."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.allocation.api.authority.capacity import concerns_of_requests
from services.allocation.api.fields import DisruptionField, PartnerField, PolicyField, ProductField, RequestField
from services.allocation.api.lookups import read_policy
from services.allocation.domain.book.opening import MAX_PARTNERS, MAX_REQUESTS, OpenRound
from services.allocation.events import (
    DisruptionId,
    EmergencyPath,
    IepPosition,
    PartnerCode,
    ProductId,
    RequestId,
    RoundId,
    RoundOpened,
    SubjectId,
)
from services.allocation.events.policies import PolicyTerms
from services.allocation.tables.book import RoundStatus
from services.allocation.tables.partners import DisruptionRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text, WholeGrams
from shared.http.handlers import Post, Posting, Reading, Reads
from shared.http.problems import Problem
from shared.terms.acting_api import barred

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])


class PositionBody(Body):
    """A partner's supply over the time that the round is for, which the rule `iep` goes by."""

    partner: PartnerField
    base_g: WholeGrams
    commitment_g: WholeGrams
    production_g: WholeGrams
    imports_g: WholeGrams
    source: Text

    def position(self) -> IepPosition:
        return IepPosition(
            partner=PartnerCode(self.partner),
            base_g=self.base_g,
            commitment_g=self.commitment_g,
            production_g=self.production_g,
            imports_g=self.imports_g,
            source=self.source,
        )


class RoundBody(Body):
    product: ProductField
    requests: Annotated[list[RequestField], Field(min_length=1, max_length=MAX_REQUESTS)]
    policy: PolicyField
    disruption: DisruptionField | None = None
    positions: Annotated[list[PositionBody], Field(max_length=MAX_PARTNERS)] = Field(
        default_factory=list, description="if the policy's rule goes by them: of each partner in the round"
    )
    emergency: bool = Field(default=False, description="by the policy's emergency path: one approval, ratified later")


class OpenedView(BaseModel):
    round: str
    product: str
    status: RoundStatus
    requests: list[str]
    rule: str
    policy: str
    policy_version: int
    disruption: str | None
    approvals_needed: int
    release_days: int


@router.post("", status_code=201)
async def open_round(
    body: RoundBody, caller: Annotated[Caller, allow("operator", on_duty=True)], post: Posting, reads: Reading
) -> OpenedView:
    if body.disruption is not None:
        async with reads.session() as session:
            if await session.get(DisruptionRow, body.disruption) is None:
                raise Problem("disruption_not_found", f"there is no disruption {body.disruption}", field="/disruption")
    bar = await barred(reads, caller.subject, lambda session: concerns_of_requests(session, body.product, body.requests))
    opened = (await post.submit(f"book/{body.product}", bar or await _opening(body, post, reads))).event(RoundOpened)
    return OpenedView(
        round=opened.round,
        product=opened.product,
        status=RoundStatus.OPEN,
        requests=body.requests,
        rule=opened.method.rule,
        policy=opened.policy,
        policy_version=opened.policy_version,
        disruption=opened.disruption,
        approvals_needed=opened.quorum[0].approvals,
        release_days=opened.release_days,
    )


async def _opening(body: RoundBody, post: Post, reads: Reads) -> OpenRound | Problem:
    """As the policy has it today; or the problem `policy_not_active`, `policy_without_emergency`."""
    policy = await read_policy(reads, body.policy)
    if (version := policy.active_on(post.today)) is None:
        return Problem("policy_not_active", f"no version of {body.policy} is active today", field="/policy", accepted="an active policy")
    terms = policy.versions[version].terms
    if body.emergency and terms.emergency is None:
        return Problem("policy_without_emergency", f"{body.policy} has no emergency path", field="/emergency", accepted="false")
    product = ProductId(body.product)
    return OpenRound(
        round=RoundId(post.new_id("rnd")),
        requests=tuple(RequestId(request) for request in body.requests),
        disruption=None if body.disruption is None else DisruptionId(body.disruption),
        method=terms.method,
        positions=tuple(position.position() for position in body.positions),
        policy=body.policy,
        policy_version=version,
        quorum=terms.quorum,
        quorum_days=terms.quorum_days,
        emergency=_emergency(terms) if body.emergency else None,
        release_days=terms.release_days,
        protected_g=terms.protected_g.get(product, 0),
        carry_years=terms.carry_years,
        largest_minimum=terms.largest_minimum,
        by=SubjectId(post.caller.subject),
        on=post.today,
    )


def _emergency(terms: PolicyTerms) -> EmergencyPath | None:
    if terms.emergency is None:
        return None
    return EmergencyPath(ratify_within_hours=terms.emergency.ratify_within_hours, max_g=terms.emergency.max_g)
