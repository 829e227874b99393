"""What may become of a decision once it is released: a partner gives an award back, or another decision takes its place.

The decision stays what it was, and provable: nothing that was decided is undone, only what has not been drawn yet.
"""

import msgspec

from services.allocation.events.ids import AwardId, DecisionHash, PartnerCode, ProductId, RequestId, RoundId, SubjectId


class AwardRenounced(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.award_renounced.v1"):
    """Inventory takes back what is left of its release. Quota and carry stay: they are of what was decided."""

    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    decision: DecisionHash
    reason: str


class DecisionSuperseded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.decision_superseded.v1"):
    """Inventory takes back what is left of all of its releases; `by_round` decides again."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    by_round: RoundId
    superseded_by: SubjectId
    reason: str
