"""What may become of a decision once it is released: a partner gives an award back, or another decision takes its place.

The decision stays what it was, and provable: nothing that was decided is undone, only what has not been drawn yet.
"""

from datetime import date

import msgspec

from services.allocation.events.ids import AgreementId, AwardId, DecisionHash, PartnerCode, ProductId, RequestId, RoundId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText


class AwardRenounced(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.award_renounced.v2"):
    """Inventory takes back what is left of its release. Quota and carry stay: they are of what was decided."""

    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    decision: DecisionHash
    reason: TypedText


class DecisionSuperseded(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.decision_superseded.v2"
):
    """Inventory takes back what is left of all of its releases; `by_round` decides again, once the book has given back the quota and
    carries of what was taken back (`decision_given_back`). `gives_back`: False: by a build that gave nothing back."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    by_round: RoundId
    superseded_by: SubjectId
    reason: TypedText
    gives_back: bool = False


class QuotaBack(msgspec.Struct, frozen=True, kw_only=True):
    """Of one partner: grams that count against its agreement's year no longer."""

    agreement: AgreementId
    year_from: date
    mass_g: Grams


class DecisionGivenBack(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.decision_given_back.v1"
):
    """In a book: quota of a decision that did not hold, with the `carry_set` events of what its rounding had changed, by as much of each
    award as was taken back. `whole`: it is superseded, and who was awarded nothing has its carry back, too. `award`: the one that failed,
    where it was one, and inventory said which."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    whole: bool
    given: dict[PartnerCode, QuotaBack]
    reason: str  # in the service's own words
    award: AwardId | None = None
