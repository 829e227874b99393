"""The audit of screening and reviews: what a book would have refused is found in a journal that holds it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.screening import Screening
from services.allocation.domain.decisions.review import DECIDER, AssignReview, ConcludeReview, RequestReview
from services.allocation.events import (
    AwardGranted,
    ConflictDeclared,
    DecisionHash,
    ReviewConcluded,
    ReviewId,
    ReviewLapsed,
    RoundId,
    SubjectId,
)
from services.allocation.events.authority import Tainted
from tests.stories.book import APPROVER, JP, OPERATOR, Story, a_book, accept, open_round, submit
from tests.stories.given import Given
from tests.stories.screening import LISTS, PARTNER, answer, decide_hit, findings, hit, objection, screen

REVIEWER = SubjectId("sub_reviewer")


def recorded(actor: str) -> Recorded:
    told: dict[str, Any] = dict.fromkeys(Recorded.__struct_fields__, "") | {"actor": actor, "shard": 0, "position": 1}
    return Recorded(**told)


class Audited:
    """A journal that the audit follows: what a story tells, and what it would never tell."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._screening = Screening(self.findings)

    def see(self, *events: Any, by: str = OPERATOR) -> "Audited":
        for event in events:
            self._screening.see("allocation/0/1", recorded(by), event)
        return self

    def tells(self, story: Story, *commands: Any) -> Story:
        for command in commands:
            story = story.when(command)
            self.see(*story.events)
        return story

    @property
    def failed(self) -> int:
        return self.findings.failed[Check.SCREENING]


def reviewed(audited: Audited, reviewer: SubjectId, involved: tuple[SubjectId, ...] = ()) -> None:
    told = Given(DECIDER)
    review = ReviewId("rev_1")
    for command in (
        RequestReview(
            review=review,
            round=RoundId("rnd_1"),
            product="antimony-metal",  # type: ignore[arg-type]
            decision=DecisionHash("ab" * 32),
            partner=JP,
            grounds=("its minimum",),
            by=PARTNER,
        ),
        AssignReview(review=review, reviewer=reviewer, involved=involved, by=OPERATOR),
        ConcludeReview(review=review, outcome="upheld", findings=("fine",), involved=involved, by=reviewer),
    ):
        told = told.when(command)
        audited.see(*told.events, by=reviewer)


def a_certified_story() -> tuple[Audited, Story]:
    audited, story = Audited(), a_book()
    story = audited.tells(story, submit(), screen(hit()), decide_hit("cleared"), accept(lists=LISTS, screening=findings()), objection())
    story = audited.tells(story, open_round("jp"))
    story = audited.tells(story, story.propose())
    story = story.when(story.approve())
    audited.see(*story.events, by=APPROVER)
    story = audited.tells(story, story.certify())
    return audited, story


def test_a_story_as_it_should_be_has_nothing_to_find():
    audited, story = a_certified_story()
    audited.tells(story, answer(False))
    reviewed(audited, REVIEWER)
    assert audited.findings.checked[Check.SCREENING] >= 5
    assert audited.failed == 0


@pytest.mark.parametrize("outcome", [None, "confirmed"], ids=["open", "confirmed"])
def test_an_award_to_a_party_on_a_list_is_found(outcome: str | None):
    audited, story = Audited(), a_book()
    story = audited.tells(story, submit(), screen(hit()))
    if outcome is not None:
        audited.tells(story, decide_hit(outcome))
    clean = a_book(submit(), accept(), open_round("jp"))
    clean = clean.given(clean.propose())
    clean = clean.given(clean.approve())
    audited.see(*(event for event in clean.when(clean.certify()).events if isinstance(event, AwardGranted)))
    assert audited.failed == 1


def test_an_acceptance_of_a_party_on_a_list_is_found():
    audited = Audited()
    audited.tells(a_book(submit()), screen(hit()))
    audited.see(*a_book(submit()).when(accept()).events)
    assert audited.failed == 1


def test_a_decision_on_a_hit_that_was_never_found_is_found():
    audited = Audited()
    audited.tells(a_book(submit(), screen(hit())), decide_hit("cleared"))
    assert audited.failed == 1


def test_an_answer_to_nothing_is_found():
    story = a_book(submit(), accept(screening=findings()), objection())
    answered = story.when(answer(False)).events
    assert Audited().see(*answered).failed == 1


@pytest.mark.parametrize("who", [OPERATOR, APPROVER])
def test_an_answer_by_someone_whose_act_it_objects_to_is_found(who: SubjectId):
    audited, story = a_certified_story()
    [answered] = story.when(answer(True)).events
    assert audited.see(answered).failed == 0
    own = replace(answered, answered_by=who)
    assert a_certified_story()[0].see(own).failed == 1
    assert a_certified_story()[0].see(replace(own, independent=False)).failed == 0  # by a build that asked nothing


@pytest.mark.parametrize("who", [OPERATOR, APPROVER])
def test_a_review_by_someone_who_was_in_it_is_found(who: SubjectId):
    audited, _ = a_certified_story()
    reviewed(audited, who)
    assert audited.failed == 1


def test_a_review_that_is_concluded_twice_is_found():
    audited, _ = a_certified_story()
    reviewed(audited, REVIEWER)
    again = ReviewConcluded(review=ReviewId("rev_1"), partner=JP, outcome="upheld", findings=("fine",), reviewer=REVIEWER)
    assert audited.see(again, by=REVIEWER).failed == 1


@pytest.mark.parametrize(("asked", "failed"), [("rev_1", 0), ("rev_2", 1)])
def test_a_review_that_lapses_was_asked_for_by_a_conflict_that_may(asked: str, failed: int):
    audited, _ = a_certified_story()
    told: Any = {"round": "rnd_1", "product": "antimony-metal", "decision": "ab" * 32, "key": None, "review": asked}
    about: Any = {"official": "sub_1", "about": "partner", "name": "JP", "reason": "told", "declared_by": "sub_2"}
    audited.see(ConflictDeclared(**about, tainted=(Tainted(**told),), lapses_at=datetime(2026, 1, 9, tzinfo=UTC)))
    assert audited.see(ReviewLapsed(review=ReviewId("rev_1"), partner=None)).failed == failed
