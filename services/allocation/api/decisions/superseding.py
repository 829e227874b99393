"""Superseding: what is left of a released decision is taken back, and another round decides again. Both stay provable."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.allocation.api.authority.capacity import companies_of, partners_of
from services.allocation.api.fields import RoundField, RoundPath
from services.allocation.api.lookups import find_round
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.events import DecisionHash, ProductId, RoundId
from services.allocation.tables.book import RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Posting, Reading
from shared.terms.acting_api import InstrumentField, capacity_to_act

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])


class SupersessionBody(Body):
    by_round: RoundField  # of the same product, open: it decides again
    reason: Text
    authority: InstrumentField | None = Field(default=None, description="none: the narrowest of the operator's that covers it")


class SupersessionView(BaseModel):
    round: str
    decision: str
    superseded_by: str


@router.post("/{round}/supersede")
async def supersede_decision(
    round: RoundPath, body: SupersessionBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> SupersessionView:
    """Under an authority to cancel releases, and with no interest in whom the decision is about. What partners have drawn, they keep."""
    capacity = await capacity_to_act(reads, caller, post.today, body.authority)
    async with reads.session() as session:
        row = await find_round(session, round)
        other = await session.get(RoundRow, body.by_round)
        partners, companies = await partners_of(session, row.requests), await companies_of(session, row.requests)
    command = SupersedeDecision(
        round=RoundId(round),
        product=ProductId(row.product),
        decision=DecisionHash(row.decision) if row.decision is not None and row.status == RoundStatus.RELEASED else None,
        awarded_g=row.awarded_g or 0,
        by_round=RoundId(body.by_round),
        other=ProductId(other.product) if other is not None and other.status in (RoundStatus.OPEN, RoundStatus.PROPOSED) else None,
        partners=partners,
        companies=companies,
        capacity=capacity,
        reason=body.reason,
    )
    accepted = await post.submit(f"superseded/{round}", command)
    event = accepted.facts[0].event
    return SupersessionView(round=round, decision=event.decision, superseded_by=event.by_round)
