"""Rounds decided by one person in an emergency, and whether another ratified them in time."""

from datetime import datetime

import msgspec

from services.allocation.events.ids import DecisionHash, ProductId, RoundId, SubjectId
from shared.journal.record import Grams
from shared.terms.acting import Approval


class EmergencyDecided(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.emergency_decided.v1"):
    """With the certification, which rests on one approval."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    approved_by: tuple[SubjectId, ...]
    mass_g: Grams
    ratify_by: datetime  # UTC


class DecisionRatified(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.decision_ratified.v1"):
    """By another person than those who decided it. `late`: inventory had held it, and frees it."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    approval: Approval
    late: bool


class RatificationMissed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.ratification_missed.v1"):
    """Inventory holds what is left of the round's releases until it is ratified after all."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    ratify_by: datetime


EmergencyEvent = EmergencyDecided | DecisionRatified | RatificationMissed
