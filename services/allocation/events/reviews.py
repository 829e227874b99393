"""A review of a certified decision, by someone who was not in it. It stops nothing."""

from typing import Literal

import msgspec

from services.allocation.events.ids import DecisionHash, PartnerCode, ProductId, ReviewId, RoundId, SubjectId
from shared.journal.texts import TypedText


class ReviewRequested(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.review_requested.v2"):
    review: ReviewId
    round: RoundId
    product: ProductId
    decision: DecisionHash
    partner: PartnerCode | None  # who asks for it; None: an operator does
    grounds: tuple[TypedText, ...]
    requested_by: SubjectId


class ReviewAssigned(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.review_assigned.v1"):
    """Again: to another."""

    review: ReviewId
    partner: PartnerCode | None
    reviewer: SubjectId
    assigned_by: SubjectId


class ReviewConcluded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.review_concluded.v2"):
    """The decision stands either way: an error is made good by another one."""

    review: ReviewId
    partner: PartnerCode | None
    outcome: Literal["upheld", "error_found"]
    findings: tuple[TypedText, ...]
    reviewer: SubjectId


class ReviewLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.review_lapsed.v1"):
    """It was asked for because of a conflict of interest that nobody has confirmed in time: nobody is to conclude it."""

    review: ReviewId
    partner: PartnerCode | None
