"""Approvals of what a round proposes: by a key of the approver's own, never the proposer's, under an authority that covers it."""

from collections.abc import Collection

import msgspec

from services.allocation.domain.authority.signing import Signing, SigningReason, approval_of, fault_of_signing, has_signed
from services.allocation.domain.book.authority import act_of, concerns_of
from services.allocation.domain.book.state import Book, Reason, Round, partners_of
from services.allocation.events import AuthorityCited, BookEvent, ProductId, RoundApproved, RoundId
from shared.journal.decider import Refused
from shared.terms.authority import Fault, cite


class ApproveRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`companies`: those that the round's requests name."""

    round: RoundId
    signing: Signing
    companies: Collection[str]


def approve_round(
    command: ApproveRound, product: ProductId, book: Book, round: Round
) -> list[BookEvent] | Refused[Reason] | Refused[SigningReason] | Refused[Fault]:
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to approve")
    signing = command.signing
    fault = fault_of_signing(signing, purpose="decision", document=proposal.decision, proposed_by=(proposal.proposed_by,))
    if fault is not None:
        return fault
    if has_signed(signing, proposal.approvals.values()):
        return Refused(Reason.APPROVED_BEFORE, f"{signing.by} has approved this decision already")
    concerns = concerns_of(command.round, product, partners_of(book, round), command.companies)
    cited = cite(signing.capacity, act_of(round), product=product, mass_g=proposal.mass_g, concerns=concerns)
    if isinstance(cited, Refused):
        return cited
    return [
        RoundApproved(round=command.round, product=product, decision=proposal.decision, approval=approval_of(signing)),
        AuthorityCited(matter=command.round, cited=cited),
    ]
