"""Approvals of what a round proposes: by a key of the approver's own, never the proposer's, under an authority that covers it."""

from collections.abc import Collection

import msgspec

from services.allocation.domain.book.authority import act_of, concerns_of
from services.allocation.domain.book.state import Book, Reason, Round, partners_of
from services.allocation.events import AuthorityCited, BookEvent, ProductId, RoundApproved, RoundId
from services.allocation.events.authority import name_of_use
from shared.journal.decider import Refused
from shared.terms.acting import ApprovalReason, Signing, sign
from shared.terms.authority import Action, Fault


class ApproveRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`companies`: those that the round's requests name."""

    round: RoundId
    signing: Signing
    companies: Collection[str]


def approve_round(
    command: ApproveRound, product: ProductId, book: Book, round: Round
) -> list[BookEvent] | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault]:
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to approve")
    concerns = concerns_of(command.round, product, partners_of(book, round), command.companies)
    act = act_of(round)
    name = name_of_use(command.round, act)
    action = Action(act=act, product=product, mass_g=proposal.mass_g, concerns=concerns, name=name)
    if isinstance(signed := sign(proposal, command.signing, action), Refused):
        return signed
    approval, cited = signed
    return [
        RoundApproved(round=command.round, product=product, decision=proposal.decision, approval=approval, outlasts_screening=True),
        AuthorityCited(matter=command.round, cited=cited),
    ]
