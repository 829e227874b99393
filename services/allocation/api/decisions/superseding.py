"""Superseding: one person proposes and another signs that what is left of a released decision is taken back, and another round decides
again. Both stay provable."""

from typing import Annotated

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import companies_of, concerns_of_round, partners_of
from services.allocation.api.fields import RoundField, RoundPath
from services.allocation.api.lookups import find_round
from services.allocation.domain.controls import CONTROLS
from services.allocation.domain.decisions.superseding import Reason, SupersedeDecision
from services.allocation.events import DecisionHash, ProductId, RoundId
from services.allocation.tables.book import RoundRow, RoundStatus
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Posting, Reading, Reads
from shared.http.problems import Problem
from shared.terms.acting_api import barred
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.countersigning_tables import ProposalRow

router = APIRouter(prefix="/v1/rounds", tags=["rounds"])


class SupersessionBody(Body):
    by_round: RoundField  # of the same product, open: it decides again
    reason: Text


@router.post("/{round}/supersede", status_code=202)
async def supersede_decision(
    round: RoundPath, body: SupersessionBody, caller: Annotated[Caller, allow("operator")], post: Posting, reads: Reading
) -> ProposalView:
    """Whoever signs it has an authority to cancel releases. Neither of them has an interest in whom the decision is about. What partners
    have drawn, they keep."""
    async with reads.session() as session:
        row = await find_round(session, round)
        other = await _product_to_decide(session, body.by_round)
        partners, companies = await partners_of(session, row.requests), await companies_of(session, row.requests)
    command = SupersedeDecision(
        round=RoundId(round),
        product=ProductId(row.product),
        decision=DecisionHash(row.decision) if row.decision is not None and row.status == RoundStatus.RELEASED else None,
        awarded_g=row.awarded_g or 0,
        by_round=RoundId(body.by_round),
        other=other,
        partners=tuple(sorted(partners)),
        companies=tuple(sorted(companies)),
        capacity=None,
        reason=post.text(body.reason),
    )
    bar = await barred(reads, caller.subject, lambda session: concerns_of_round(session, row))
    return await propose(post, CONTROLS, f"superseded/{round}", command, bar=bar)


async def bar_of(reads: Reads, proposed: ProposalRow) -> Problem | None:
    """Days may have gone by: the other round has to be undecided yet when it is signed that it decides again."""
    if not proposed.stream.startswith("superseded/"):
        return None
    by_round: str = proposed.command["by_round"]
    async with reads.session() as session:
        if await _product_to_decide(session, by_round) is not None:
            return None
    detail = f"{by_round} is decided already, or cancelled"
    return Problem(Reason.NOT_TO_DECIDE, detail, accepted="a proposal that names an open round of the same product")


async def _product_to_decide(session: AsyncSession, round: str) -> ProductId | None:
    row = await session.get(RoundRow, round)
    return ProductId(row.product) if row is not None and row.status in (RoundStatus.OPEN, RoundStatus.PROPOSED) else None
