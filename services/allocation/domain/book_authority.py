"""By what authority a round is approved: looked for when an approval comes, and looked at once more when the round is certified."""

from collections.abc import Collection, Mapping
from datetime import date

from services.allocation.domain.book_state import Proposal, Reason, Round, proposal_of
from services.allocation.domain.official import Matter, conflicts_with
from services.allocation.events import Approval, ApprovalsLapsed, AuthorityCited, InstrumentId, PartnerCode, ProductId, RoundId, SubjectId
from services.allocation.events.authority import Act
from shared.authority import Chain, Cited, Exercise, Uncovered, fault_of, narrowest
from shared.decider import Refused


def barred(
    round_id: RoundId, product: ProductId, partners: Collection[PartnerCode], conflicts: frozenset[str], companies: frozenset[str]
) -> Refused[Reason] | None:
    """`conflicts`: what the person has declared, by key; `companies`: those that the round's requests name."""
    matter = Matter(round=round_id, product=product, partners=partners, companies=companies)
    if not (found := sorted(conflicts & conflicts_with(matter))):
        return None
    return Refused(Reason.CONFLICT, f"a conflict of interest is declared: {found[0]}", accepted="a person without one")


def cited(held: tuple[Chain, ...], named: str | None, round_id: RoundId, exercise: Exercise) -> AuthorityCited | Refused[Reason]:
    """The authority that covers the act, or why none does."""
    found = narrowest(held, exercise, named)
    if isinstance(found, Uncovered):
        return Refused(Reason(found.fault), found.detail, field="/authority", accepted=found.accepted)
    return AuthorityCited(matter=round_id, cited=found)


def counts(approval: Approval, product: ProductId, round: Round, proposal: Proposal, authorities: Mapping[str, Chain], on: date) -> bool:
    """Whether what the approval cited covers it on this day too. `authorities`: what is cited, as it is now."""
    if (found := proposal.cited.get(approval.subject)) is None:
        return False
    return fault_of(authorities.get(found.authority, ()), approving(approval.subject, product, round, proposal, on)) is None


def approving(by: SubjectId, product: ProductId, round: Round, proposal: Proposal, on: date) -> Exercise:
    act = Act.APPROVE_DECISION if round.emergency is None else Act.EMERGENCY_RELEASE
    return Exercise(act=act, by=by, on=on, product=product, mass_g=proposal.mass_g)


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
