"""Review of a certified decision: by someone who had no part in it."""

from typing import Any

from services.allocation.domain.decisions.review import AssignReview, ConcludeReview, Reason, RequestReview, Review, decide, evolve
from services.allocation.events import DecisionHash, PartnerCode, ReviewAssigned, ReviewConcluded, ReviewRequested, SubjectId
from shared.journal.decider import Refused

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


class Story:
    def __init__(self) -> None:
        self.review = Review()

    def when(self, command: Any) -> Any:
        decided = decide(command, self.review)
        assert not isinstance(decided, Refused), decided
        [event] = decided
        self.review = evolve(self.review, event)
        return event

    def refuses(self, command: Any, reason: Reason) -> None:
        decided = decide(command, self.review)
        assert isinstance(decided, Refused), decided
        assert decided.code == reason


def test_a_review_is_requested_assigned_and_concluded():
    story = Story()
    assert isinstance(story.when(request()), ReviewRequested)
    assigned = story.when(assign())
    assert isinstance(assigned, ReviewAssigned)
    assert assigned.partner == PartnerCode("JP")  # whose feed it is told in
    concluded = story.when(conclude(outcome="error_found"))
    assert isinstance(concluded, ReviewConcluded)
    assert (concluded.outcome, concluded.reviewer, concluded.partner) == ("error_found", REVIEWER, "JP")
    story.refuses(conclude(), Reason.CONCLUDED)
    story.refuses(assign(), Reason.CONCLUDED)


def test_only_a_certified_decision_is_reviewed_and_on_grounds():
    Story().refuses(request(decision=None), Reason.NOT_CERTIFIED)
    Story().refuses(request(grounds=()), Reason.REASONS_MISSING)


def test_who_had_a_part_in_the_decision_reviews_it_not():
    story = Story()
    story.when(request())
    for subject in INVOLVED:
        story.refuses(assign(subject), Reason.INVOLVED)
    story.when(assign())
    story.refuses(conclude(involved=(REVIEWER,)), Reason.INVOLVED)


def test_only_the_reviewer_concludes_and_says_what_was_found():
    story = Story()
    story.refuses(conclude(), Reason.NOT_FOUND)
    story.when(request())
    story.refuses(conclude(), Reason.NOT_ASSIGNED)
    story.when(assign())
    story.refuses(conclude(SubjectId("sub_stranger")), Reason.ANOTHERS)
    story.refuses(conclude(findings=()), Reason.REASONS_MISSING)
    story.when(assign(SubjectId("sub_stranger")))  # to another
    story.refuses(conclude(), Reason.ANOTHERS)
    story.when(conclude(SubjectId("sub_stranger")))
