"""Quorum: what is split into several rounds needs as many approvals as the whole of it."""

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from services.allocation.domain.book.evolve import evolve
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.domain.book.rounds import CancelRound
from services.allocation.domain.book.state import Reason, proposal_of
from services.allocation.events import DisruptionId, EmergencyPath, QuorumStep, RoundId, RoundProposed
from tests.stories.book import ANOTHER, APPROVER, JP, NOW, TODAY, TONNE, Story, a_book, accept, open_round, submit

TEN_TONNES = 2  # units
ALONE_UP_TO_TEN = (QuorumStep(above_g=0, approvals=1), QuorumStep(above_g=10 * TONNE, approvals=2))
LATER = timedelta(days=90)
DISRUPTION = DisruptionId("dis_1")


def rnd(name: str) -> RoundId:
    return RoundId(f"rnd_{name}")


def proposed(story: Story, name: str, on: date = TODAY, **changes: Any) -> Story:
    """A round over a request of its own is proposed, for 10 t, where more than 10 t needs two approvals."""
    told: dict[str, Any] = {"round": rnd(name), "quorum": ALONE_UP_TO_TEN, "on": on}
    needed_by = on + timedelta(days=30)
    story = story.given(
        submit(name, JP, TEN_TONNES, needed_by=needed_by, on=on), accept(name, TEN_TONNES, on=on), open_round(name, **(told | changes))
    )
    return story.given(story.propose(TEN_TONNES, round=rnd(name), on=on))


def approved(story: Story, name: str, *by: Any) -> Story:
    for each in by or (APPROVER,):
        story = story.given(story.approve(each, round=rnd(name)))
    return story


def certified(story: Story, name: str, on: date = TODAY, **changes: Any) -> Story:
    """Proposed, approved by one person, certified and released."""
    story = approved(proposed(story, name, on, **changes), name)
    story = story.given(story.certify(round=rnd(name), on=on, at=NOW + (on - TODAY)))
    return story.given(story.close(rnd(name)))


def needed(story: Story, name: str) -> int:
    return proposal_of(story.state.rounds[rnd(name)]).needed


def test_a_round_that_stays_below_the_step_by_itself_is_summed_with_the_one_before():
    story = approved(proposed(certified(a_book(), "first"), "second"), "second")
    refused = story.when(story.certify(round=rnd("second"))).refused(Reason.APPROVALS_MISSING)
    assert refused.detail == f"1 of 2 approvals: 20000000 g in 30 days, with what was decided on {TODAY}"
    story = approved(story, "second", ANOTHER)
    assert story.when(story.certify(round=rnd("second"))).events


def test_the_proposal_says_how_many_it_needs_and_for_how_much():
    story = proposed(certified(a_book(), "first"), "second")
    [told] = [event for event in story.events if isinstance(event, RoundProposed)]
    assert (told.approvals_needed, told.summed_g) == (2, 20 * TONNE)
    assert needed(story, "second") == 2


def test_what_another_round_proposes_counts_until_that_is_cancelled():
    story = proposed(proposed(a_book(), "first"), "second")
    assert (needed(story, "first"), needed(story, "second")) == (1, 2)
    story = story.given(CancelRound(round=rnd("first"), reason="not wanted"))
    story = story.given(story.propose(TEN_TONNES, round=rnd("second")))
    assert needed(story, "second") == 1


def test_a_round_that_was_certified_meanwhile_raises_what_is_needed():
    story = approved(proposed(a_book(), "first"), "first")
    story = proposed(story, "second")
    story = approved(story, "second", APPROVER, ANOTHER)
    story = story.given(story.certify(round=rnd("second")))
    story = story.given(story.close(rnd("second")))
    # the quota that the second has used makes the first one's decision fall: the same is proposed again, for as much
    story = story.given(story.propose(TEN_TONNES, round=rnd("first")))
    assert needed(story, "first") == 2


def test_certification_looks_once_more_at_what_a_proposal_of_an_earlier_build_needs():
    """It was counted by itself then."""
    story = certified(a_book(), "first")
    story = story.given(
        submit("second", JP, TEN_TONNES), accept("second", TEN_TONNES), open_round("second", round=rnd("second"), quorum=ALONE_UP_TO_TEN)
    )
    command = story.propose(TEN_TONNES, round=rnd("second"))
    [told] = [event for event in story.when(command).events if isinstance(event, RoundProposed)]
    story.state = evolve(story.state, replace(told, approvals_needed=None, summed_g=None))
    assert needed(story, "second") == 1
    story = approved(story, "second")
    story.when(story.certify(round=rnd("second"))).refused(Reason.APPROVALS_MISSING)


def test_after_the_policys_days_it_counts_no_more():
    first = certified(a_book(), "first")
    assert needed(proposed(first, "second", TODAY + timedelta(days=29)), "second") == 2
    assert needed(proposed(first, "second", TODAY + timedelta(days=30)), "second") == 1
    assert needed(proposed(first, "second", TODAY + timedelta(days=30), quorum_days=31), "second") == 2


def test_for_the_same_disruption_it_counts_however_long_ago():
    first = certified(a_book(), "first", disruption=DISRUPTION)
    assert needed(proposed(first, "second", TODAY + LATER, disruption=DISRUPTION), "second") == 2
    assert needed(proposed(first, "second", TODAY + LATER, disruption=DisruptionId("dis_2")), "second") == 1
    assert needed(proposed(first, "second", TODAY + LATER), "second") == 1


def test_what_inventory_refused_or_was_given_back_does_not_count():
    story = approved(proposed(a_book(), "first"), "first")
    decision = story.decision(rnd("first"))
    story = story.given(story.certify(round=rnd("first")))
    refused = story.given(story.reopen(rnd("first")))
    assert needed(proposed(refused, "second"), "second") == 1
    story = story.given(story.close(rnd("first")))
    back = GiveBack(round=rnd("first"), decision=decision, mass_g={JP: 5 * TONNE}, whole=True, reason="superseded")
    story = proposed(story.given(back), "second")  # what was drawn stays drawn
    [told] = [event for event in story.events if isinstance(event, RoundProposed)]
    assert (told.approvals_needed, told.summed_g) == (2, 15 * TONNE)


def emergency(max_g: int = 10 * TONNE) -> EmergencyPath:
    return EmergencyPath(ratify_within_hours=48, max_g=max_g)


def test_four_rounds_of_ten_tonnes_are_not_one_approvers_alone():
    """Two of them as emergencies: one emergency is what the policy lets one person release."""
    story = certified(a_book(), "first")
    second = approved(proposed(story, "second"), "second")
    second.when(second.certify(round=rnd("second"))).refused(Reason.APPROVALS_MISSING)
    story = certified(story, "third", emergency=emergency())
    fourth = approved(proposed(story, "fourth", emergency=emergency()), "fourth")
    refused = fourth.when(fourth.certify(round=rnd("fourth"))).refused(Reason.APPROVALS_MISSING)
    assert refused.detail.startswith("1 of 2 approvals: 30000000 g in 30 days")
    fourth = approved(fourth, "fourth", ANOTHER)
    assert fourth.when(fourth.certify(round=rnd("fourth"))).events


def test_an_emergency_counts_for_the_rounds_after_it():
    assert needed(proposed(certified(a_book(), "first", emergency=emergency()), "second"), "second") == 2


def test_an_emergency_within_what_the_policy_lets_them_release_needs_one_after_any_round():
    story = certified(a_book(), "first")
    assert needed(proposed(story, "second", emergency=emergency(20 * TONNE)), "second") == 1


def test_the_book_keeps_no_more_than_what_a_later_round_may_be_summed_with():
    story = certified(certified(a_book(), "first"), "second", TODAY + timedelta(days=400))
    assert set(story.state.counted) == {rnd("second")}
