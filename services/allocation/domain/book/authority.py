"""By what authority a round is approved: looked for when an approval comes, and looked at once more when the round is certified."""

from collections.abc import Collection

from services.allocation.domain.book.state import Round, proposal_of
from services.allocation.events import ApprovalsLapsed, InstrumentId, PartnerCode, ProductId, RoundId
from services.allocation.events.authority import Power
from shared.terms.authority import Cited, interest_in


def concerns_of(round_id: RoundId, product: ProductId, partners: Collection[PartnerCode], companies: Collection[str]) -> list[str]:
    """Whom and what a round's decision is about: an interest in any of it bars from deciding."""
    named = {"round": (round_id,), "product": (product,), "partner": partners, "company": companies}
    return [interest_in(about, name) for about, names in named.items() for name in names]


def act_of(round: Round) -> Power:
    return Power.APPROVE_DECISION if round.emergency is None else Power.EMERGENCY_RELEASE


def lapsed_with(instrument: InstrumentId, round_id: RoundId, product: ProductId, round: Round) -> ApprovalsLapsed | None:
    """The approvals that cite an instrument, or what stands under it, once it has ended."""
    proposal = proposal_of(round)
    keys = tuple(
        sorted(
            key
            for key, approval in proposal.approvals.items()
            if (found := proposal.cited.get(approval.subject)) is not None and instrument in _links(found)
        )
    )
    if not keys:
        return None
    cause = f"instrument {instrument}"
    return ApprovalsLapsed(round=round_id, product=product, decision=proposal.decision, keys=keys, decision_stands=True, cause=cause)


def _links(found: Cited) -> set[str]:
    return {found.authority, *(link.authority for link in found.under)}
