"""Review of a certified decision: asked for by a partner in it or an operator, concluded by someone who was not in it. It stops nothing."""

from typing import Literal, assert_never

import msgspec

from services.allocation.events import (
    DecisionHash,
    PartnerCode,
    ProductId,
    ReviewAssigned,
    ReviewConcluded,
    ReviewEvent,
    ReviewId,
    ReviewLapsed,
    ReviewRequested,
    RoundId,
    SubjectId,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText


class RequestReview(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`decision`: of the round, if it is certified."""

    review: ReviewId
    round: RoundId
    product: ProductId
    decision: DecisionHash | None
    partner: PartnerCode | None
    grounds: tuple[TypedText, ...]
    by: SubjectId


class AssignReview(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`involved`: who had a part in the decision, as looked up. A certified decision is final, so nobody is added to them later."""

    review: ReviewId
    reviewer: SubjectId
    involved: tuple[SubjectId, ...]
    by: SubjectId


class ConcludeReview(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    review: ReviewId
    outcome: Literal["upheld", "error_found"]
    findings: tuple[TypedText, ...]
    involved: tuple[SubjectId, ...]
    by: SubjectId


class LapseReview(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The conflict of interest that it was asked for has lapsed. Total."""

    review: ReviewId


type Command = RequestReview | AssignReview | ConcludeReview | LapseReview


class Reason(Reasons):
    """Why a review stays as it is."""

    NOT_CERTIFIED = "round_not_certified", 409, "The round is not certified"
    NOT_FOUND = "review_not_found", 404, "There is no such review"
    CONCLUDED = "review_already_concluded", 409, "The review is concluded"
    NOT_ASSIGNED = "review_not_assigned", 409, "The review has no reviewer yet"
    ANOTHERS = "review_of_another_reviewer", 403, "The review is assigned to another reviewer"
    INVOLVED = "reviewer_was_involved", 403, "The reviewer took part in the decision"
    REASONS_MISSING = "reasons_missing", 422, "Screening needs reasons"


class Review(msgspec.Struct, frozen=True):
    requested: bool = False
    partner: PartnerCode | None = None
    reviewer: SubjectId | None = None
    concluded: bool = False  # or lapsed


def decide(command: Command, review: Review) -> list[ReviewEvent] | Refused[Reason]:
    match command:
        case RequestReview():
            return _request(command)
        case AssignReview():
            if fault := _closed(command.review, review) or _involved(command.reviewer, command.involved, "/reviewer"):
                return fault
            return [ReviewAssigned(review=command.review, partner=review.partner, reviewer=command.reviewer, assigned_by=command.by)]
        case ConcludeReview():
            return _conclude(command, review)
        case LapseReview():
            open_one = review.requested and not review.concluded and review.partner is None
            return [ReviewLapsed(review=command.review, partner=None)] if open_one else []
        case _:
            assert_never(command)


def evolve(review: Review, event: ReviewEvent) -> Review:
    match event:
        case ReviewRequested():
            return Review(requested=True, partner=event.partner)
        case ReviewAssigned():
            return msgspec.structs.replace(review, reviewer=event.reviewer)
        case ReviewConcluded() | ReviewLapsed():
            return msgspec.structs.replace(review, concluded=True)
        case _:
            assert_never(event)


def _request(command: RequestReview) -> list[ReviewEvent] | Refused[Reason]:
    if command.decision is None:
        return Refused(Reason.NOT_CERTIFIED, f"{command.round} has no certified decision", field="/round", accepted="a certified round")
    if not command.grounds:
        return Refused(Reason.REASONS_MISSING, "no ground is given", field="/grounds", accepted="at least one")
    return [
        ReviewRequested(
            review=command.review,
            round=command.round,
            product=command.product,
            decision=command.decision,
            partner=command.partner,
            grounds=command.grounds,
            requested_by=command.by,
        )
    ]


def _conclude(command: ConcludeReview, review: Review) -> list[ReviewEvent] | Refused[Reason]:
    if fault := _closed(command.review, review):
        return fault
    if review.reviewer is None:
        return Refused(Reason.NOT_ASSIGNED, f"{command.review} has no reviewer yet")
    if command.by != review.reviewer:
        return Refused(Reason.ANOTHERS, f"{command.review} is assigned to another")
    if fault := _involved(command.by, command.involved, None):
        return fault
    if not command.findings:
        return Refused(Reason.REASONS_MISSING, "no finding is given", field="/findings", accepted="at least one")
    return [
        ReviewConcluded(
            review=command.review, partner=review.partner, outcome=command.outcome, findings=command.findings, reviewer=command.by
        )
    ]


def _closed(name: ReviewId, review: Review) -> Refused[Reason] | None:
    if not review.requested:
        return Refused(Reason.NOT_FOUND, f"there is no review {name}", field="path:review")
    return Refused(Reason.CONCLUDED, f"{name} is concluded, or has lapsed") if review.concluded else None


def _involved(subject: SubjectId, involved: tuple[SubjectId, ...], field: str | None) -> Refused[Reason] | None:
    if subject in involved:
        return Refused(Reason.INVOLVED, f"{subject} had a part in the decision", field=field, accepted="someone who had none")
    return None


DECIDER = Decider(kind="review", initial=Review(), commands=Command, decide=decide, evolve=evolve)
