"""Review of a certified decision: by someone who had no part in it."""

from typing import Any

from services.allocation.domain.authority.official import DECIDER as OFFICIAL
from services.allocation.domain.authority.official import DeclareConflict, LapseConflict
from services.allocation.domain.decisions.review import DECIDER, AssignReview, ConcludeReview, LapseReview, Reason, RequestReview
from services.allocation.events import (
    DecisionHash,
    PartnerCode,
    ReviewAssigned,
    ReviewConcluded,
    ReviewId,
    ReviewLapsed,
    ReviewRequested,
    SubjectId,
)
from services.allocation.events.authority import ConflictLapsed, Tainted
from services.allocation.reactions.book import OWN_TYPES, react_to_own
from shared.journal.codec import type_of
from tests.stories.barring import barring
from tests.stories.given import Given
from tests.stories.stockpile_facts import fact

DECISION = DecisionHash("ab" * 32)
REVIEWER, OPERATOR = SubjectId("sub_reviewer"), SubjectId("sub_operator")
INVOLVED = (SubjectId("sub_approver"), OPERATOR)


def request(**changes: Any) -> RequestReview:
    told: dict[str, Any] = {
        "review": "rev_1",
        "round": "rnd_1",
        "product": "antimony-metal",
        "decision": DECISION,
        "partner": "JP",
        "grounds": ("its minimum",),
        "by": "sub_partner",
    }
    return RequestReview(**(told | changes))


def assign(reviewer: SubjectId = REVIEWER) -> AssignReview:
    return AssignReview(review="rev_1", reviewer=reviewer, involved=INVOLVED, by=SubjectId("sub_admin"))  # type: ignore[arg-type]


def conclude(by: SubjectId = REVIEWER, **changes: Any) -> ConcludeReview:
    told: dict[str, Any] = {"review": "rev_1", "outcome": "upheld", "findings": ("as it should be",), "involved": INVOLVED, "by": by}
    return ConcludeReview(**(told | changes))


def test_a_review_is_requested_assigned_and_concluded():
    story = Given(DECIDER)
    story = story.when(request()).then(ReviewRequested)
    story = story.when(assign())
    [assigned] = story.events
    assert isinstance(assigned, ReviewAssigned)
    assert assigned.partner == PartnerCode("JP")  # whose feed it is told in
    story = story.when(conclude(outcome="error_found"))
    [concluded] = story.events
    assert isinstance(concluded, ReviewConcluded)
    assert (concluded.outcome, concluded.reviewer, concluded.partner) == ("error_found", REVIEWER, "JP")
    story.when(conclude()).refused(Reason.CONCLUDED)
    story.when(assign()).refused(Reason.CONCLUDED)


def test_only_a_certified_decision_is_reviewed_and_on_grounds():
    Given(DECIDER).when(request(decision=None)).refused(Reason.NOT_CERTIFIED)
    Given(DECIDER).when(request(grounds=())).refused(Reason.REASONS_MISSING)


def test_who_had_a_part_in_the_decision_reviews_it_not():
    story = Given(DECIDER)
    story = story.given(request())
    for subject in INVOLVED:
        story.when(assign(subject)).refused(Reason.INVOLVED)
    story = story.given(assign())
    story.when(conclude(involved=(REVIEWER,))).refused(Reason.INVOLVED)


def test_only_the_reviewer_concludes_and_says_what_was_found():
    story = Given(DECIDER)
    story.when(conclude()).refused(Reason.NOT_FOUND)
    story = story.given(request())
    story.when(conclude()).refused(Reason.NOT_ASSIGNED)
    story = story.given(assign())
    story.when(conclude(SubjectId("sub_stranger"))).refused(Reason.ANOTHERS)
    story.when(conclude(findings=())).refused(Reason.REASONS_MISSING)
    story = story.given(assign(SubjectId("sub_stranger")))  # to another
    story.when(conclude()).refused(Reason.ANOTHERS)
    story.given(conclude(SubjectId("sub_stranger")))


def test_one_that_was_asked_for_by_a_conflict_lapses_with_it_unless_it_is_concluded():
    lapse = LapseReview(review=ReviewId("rev_1"))
    asked = Given(DECIDER, request(partner=None))
    for story in (asked, asked.given(assign())):
        lapsed = story.when(lapse).then(ReviewLapsed(review=ReviewId("rev_1"), partner=None))
        lapsed.when(lapse).then()
        lapsed.when(assign()).refused(Reason.CONCLUDED)
        lapsed.when(conclude()).refused(Reason.CONCLUDED)
    asked.given(assign(), conclude()).when(lapse).then()
    Given(DECIDER).when(lapse).then()
    Given(DECIDER, request()).when(lapse).then()  # a partner's own stands


def test_a_conflict_that_lapses_says_which_reviews_were_asked_for_because_of_it():
    who, review = SubjectId("sub_1"), ReviewId("rev_1")
    told: Any = {"round": "rnd_1", "product": "antimony-metal", "decision": DECISION, "key": None}
    tainted = (Tainted(**told, review=review), Tainted(**told, review=None))
    declare = DeclareConflict(official=who, about="partner", name="JP", reason="told", tainted=tainted, barring=barring())
    declared = Given(OFFICIAL).when(declare)
    [event] = declared.events
    [lapsed] = declared.when(LapseConflict(official=who, about="partner", name="JP", lapses_at=event.lapses_at)).events
    assert lapsed.reviews == (review,)
    [reaction] = react_to_own(fact(lapsed, source="allocation"), {})
    assert (reaction.stream, reaction.command) == ("review/rev_1", LapseReview(review=review))
    assert type_of(ConflictLapsed) in OWN_TYPES
