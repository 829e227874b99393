"""The emergency path: one approval certifies, and another person ratifies within the hours, or inventory holds what was released."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from services.allocation.domain.book.authority import concerns_of
from services.allocation.domain.book.state import Book, ProposedDecision, Reason, Round
from services.allocation.events import (
    AuthorityCited,
    BookEvent,
    DecisionHash,
    DecisionRatified,
    EmergencyDecided,
    ProductId,
    RatificationMissed,
    RoundId,
    RoundReopened,
    SubjectId,
)
from services.allocation.events.authority import Power, name_of_use
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.terms.acting import Approval, ApprovalReason, Signing, sign
from shared.terms.authority import Action, Fault


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
    round_id: RoundId, product: ProductId, round: Round, proposal: ProposedDecision, approvals: Sequence[Approval], at: datetime
) -> list[BookEvent]:
    """What follows from certifying at that instant: nothing, if the round takes the ordinary path."""
    if round.emergency is None:
        return []
    return [
        EmergencyDecided(
            round=round_id,
            product=product,
            decision=proposal.decision,
            approved_by=tuple(SubjectId(approval.subject) for approval in approvals),
            mass_g=proposal.mass_g,
            ratify_by=at.replace(microsecond=0) + timedelta(hours=round.emergency.ratify_within_hours),
        )
    ]


def ratify_round(
    command: RatifyRound, product: ProductId, book: Book
) -> list[BookEvent] | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault]:
    """Late, too: what is held is free again."""
    if (emergency := book.emergencies.get(command.round)) is None:
        return Refused(Reason.NOT_TO_RATIFY, f"{command.round} holds no decision that is to be ratified")
    if command.signing.by in emergency.proposed_by:
        return Refused(Reason.RATIFIED_BY_DECIDER, "who decided it does not ratify it", accepted="another person")
    concerns = concerns_of(command.round, product, emergency.partners, command.companies)
    name = name_of_use(command.round, Power.RATIFY)
    action = Action(act=Power.RATIFY, product=product, mass_g=emergency.mass_g, concerns=concerns, name=name)
    if isinstance(signed := sign(emergency, command.signing, action), Refused):
        return signed
    approval, cited = signed
    ratified = DecisionRatified(
        round=command.round, product=product, decision=DecisionHash(emergency.document), approval=approval, late=emergency.missed
    )
    return [ratified, AuthorityCited(matter=command.round, cited=cited)]


def miss_ratification(command: MissRatification, product: ProductId, book: Book) -> list[BookEvent]:
    emergency = book.emergencies.get(command.round)
    if emergency is None or emergency.missed or emergency.document != command.decision:
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
