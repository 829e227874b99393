"""The emergency path: one approval certifies, and another person ratifies within the hours, or inventory holds what was released."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from services.allocation.domain.authority.signing import Signing, SigningReason, approval_of, fault_of_signing
from services.allocation.domain.book.authority import concerns_of
from services.allocation.domain.book.state import Book, Proposal, Reason, Round
from services.allocation.events import (
    Approval,
    AuthorityCited,
    BookEvent,
    DecisionHash,
    DecisionRatified,
    EmergencyDecided,
    ProductId,
    RatificationMissed,
    RoundId,
    RoundReopened,
)
from services.allocation.events.authority import Power
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.terms.authority import Fault, cite

RATIFICATION = "ratification"  # the purpose that a ratifying signature is for
APPROVALS = 1  # that an emergency needs


class RatifyRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    round: RoundId
    signing: Signing
    companies: Collection[str]  # that the round's requests name


class MissRatification(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, once the instant has passed."""

    round: RoundId
    decision: DecisionHash
    ratify_by: datetime


def emergency_decided(
    round_id: RoundId, product: ProductId, round: Round, proposal: Proposal, approvals: Sequence[Approval], at: datetime
) -> list[BookEvent]:
    """What follows from certifying at that instant: nothing, if the round takes the ordinary path."""
    if round.emergency is None:
        return []
    return [
        EmergencyDecided(
            round=round_id,
            product=product,
            decision=proposal.decision,
            approved_by=tuple(approval.subject for approval in approvals),
            mass_g=proposal.mass_g,
            ratify_by=at.replace(microsecond=0) + timedelta(hours=round.emergency.ratify_within_hours),
        )
    ]


def ratify_round(
    command: RatifyRound, product: ProductId, book: Book
) -> list[BookEvent] | Refused[Reason] | Refused[SigningReason] | Refused[Fault]:
    """Late, too: what is held is free again."""
    if (emergency := book.emergencies.get(command.round)) is None:
        return Refused(Reason.NOT_TO_RATIFY, f"{command.round} holds no decision that is to be ratified")
    signing = command.signing
    fault = fault_of_signing(signing, purpose=RATIFICATION, document=emergency.decision, proposed_by=())
    if fault is not None:
        return fault
    if signing.by == emergency.proposed_by or signing.by in emergency.approved_by:
        return Refused(Reason.RATIFIED_BY_DECIDER, "who decided it does not ratify it", accepted="another person")
    concerns = concerns_of(command.round, product, emergency.partners, command.companies)
    cited = cite(signing.capacity, Power.RATIFY, product=product, mass_g=emergency.mass_g, concerns=concerns)
    if isinstance(cited, Refused):
        return cited
    ratified = DecisionRatified(
        round=command.round, product=product, decision=emergency.decision, approval=approval_of(signing), late=emergency.missed
    )
    return [ratified, AuthorityCited(matter=command.round, cited=cited)]


def miss_ratification(command: MissRatification, product: ProductId, book: Book) -> list[BookEvent]:
    emergency = book.emergencies.get(command.round)
    if emergency is None or emergency.missed or emergency.decision != command.decision:
        return []
    return [RatificationMissed(round=command.round, product=product, decision=command.decision, ratify_by=command.ratify_by)]


def emergency_timers(event: BookEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case EmergencyDecided():
            missed = MissRatification(round=event.round, decision=event.decision, ratify_by=event.ratify_by)
            return [Timer.at_instant(f"ratify/{event.round}", event.ratify_by, missed)]
        case DecisionRatified() if not event.late:
            return [CancelTimer(f"ratify/{event.round}")]
        case RoundReopened():
            return [CancelTimer(f"ratify/{event.round}")]
        case _:
            return ()
