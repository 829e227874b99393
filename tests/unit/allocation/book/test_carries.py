"""What rounding is remembered: by agreement, settled first, forgotten with the agreement or after the policy's years."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.book.carries import EndCarry, ExpireCarry, FollowAgreement
from services.allocation.domain.book.decider import timers
from services.allocation.domain.book.lapses import AgreementChanged, Surroundings
from services.allocation.events import AgreementId, ApprovalsLapsed, CarryExpired, CarrySet, RoundCertified, RoundId
from shared.journal.decider import CancelTimer, Timer
from tests.stories.book import ANTIMONY, JP, ROUND, TODAY, UNIT_G, US, Story, a_round, accept, open_round, submit, surroundings, terms

ENDS = date(2026, 12, 31)
OF_JP, OF_US = AgreementId("agr_JP"), AgreementId("agr_US")
HALF = "2500000"  # of a unit of 5 t
CHANGE = AgreementChanged(agreement=OF_US, partner=US, version=9)


def around(**changes: Any) -> Surroundings:
    return surroundings(terms={partner: terms(partner, valid_until=ENDS, **changes) for partner in (JP, US)})


def certified(carry_years: int | None = 2, where: Surroundings | None = None) -> Story:
    """JP and US want the one unit that there is: each is owed half of it, and the tie goes to JP."""
    where = where or around()
    story = a_round(10, 10, carry_years=carry_years)
    story = story.given(story.propose(1, around=where))
    story = story.given(story.approve())
    return story.given(story.certify(around=where))


def carries(story: Story) -> dict[str, str]:
    return {agreement: carry.carry_g for agreement, carry in story.state.carries.items()}


def test_a_round_leaves_what_rounding_gave_and_took_to_its_agreements():
    story = certified()
    assert carries(story) == {OF_JP: f"-{HALF}", OF_US: HALF}
    assert {carry.expires_on for carry in story.state.carries.values()} == {ENDS}


def test_it_is_settled_first_by_the_next_round():
    story = certified()
    story = story.given(story.close())
    story = story.given(submit("us2", US, 10), accept("us2", 10), submit("jp2", JP, 10), accept("jp2", 10))
    another = RoundId("rnd_2")
    story = story.given(open_round("us2", "jp2", round=another))
    story = story.given(story.propose(1, around=around(), round=another))
    story = story.given(story.approve(round=another))
    story = story.when(story.certify(around=around(), round=another))
    events = story.events
    assert [(each.partner, each.before_g, each.carry_g) for each in events if isinstance(each, CarrySet)] == [
        (JP, f"-{HALF}", "0"),
        (US, HALF, "0"),
    ]
    assert carries(story) == {}


def test_it_does_not_pass_to_another_agreement_of_the_same_partner():
    story = certified()
    story = story.given(story.close())
    story = story.given(submit("us2", US, 10), accept("us2", 10), open_round("us2", round=RoundId("rnd_2")))
    renewed = surroundings(terms={US: terms(US, agreement=AgreementId("agr_renewed"))})
    assert story.propose(1, around=renewed, round=RoundId("rnd_2")).proposed.reads.carries_g == {}  # type: ignore[union-attr]


def test_the_policys_years_end_it_before_the_agreement_does():
    where = surroundings(terms={partner: terms(partner, valid_until=date(2040, 1, 1)) for partner in (JP, US)})
    story = certified(carry_years=2, where=where)
    assert story.state.carries[OF_US].expires_on == date(TODAY.year + 2, TODAY.month, TODAY.day)


def test_its_timer_forgets_it_the_day_after_its_last():
    story = certified()
    due = ENDS + timedelta(days=1)
    told = CarrySet(
        product=ANTIMONY,
        agreement=OF_US,
        partner=US,
        carry_g=HALF,
        before_g="0",
        remembered_until=None,
        expires_on=ENDS,
        cause=ROUND,
    )
    assert timers(told) == [Timer(f"carry/{OF_US}", due, ExpireCarry(agreement=OF_US, on=due))]
    assert timers(msgspec.structs.replace(told, carry_g="0")) == [CancelTimer(f"carry/{OF_US}")]
    story.when(ExpireCarry(agreement=OF_US, on=ENDS)).then()
    story = story.when(ExpireCarry(agreement=OF_US, on=due)).then(
        CarryExpired(product=ANTIMONY, agreement=OF_US, partner=US, carry_g=HALF, cause="time")
    )
    story.when(ExpireCarry(agreement=OF_US, on=due)).then()


def decided_with_it() -> Story:
    story = certified()
    story = story.given(story.close())
    story = story.given(submit("us2", US, 10), accept("us2", 10), open_round("us2", round=RoundId("rnd_2")))
    return story.given(story.propose(1, around=around(), round=RoundId("rnd_2")))


def test_it_ends_with_its_agreement_and_what_was_decided_with_it_falls_once():
    lapsed, expired = decided_with_it().when(EndCarry(change=CHANGE)).events
    assert isinstance(expired, CarryExpired)
    assert expired.cause == "agreement_ended"
    assert timers(expired) == [CancelTimer(f"carry/{OF_US}")]
    assert isinstance(lapsed, ApprovalsLapsed)
    assert lapsed.cause == f"agreement {OF_US}"


def test_what_was_decided_with_it_falls_with_it_alone_too():
    expired, lapsed = decided_with_it().when(ExpireCarry(agreement=OF_US, on=date(2100, 1, 1))).events
    assert isinstance(expired, CarryExpired)
    assert isinstance(lapsed, ApprovalsLapsed)
    assert lapsed.cause == f"carry of {US}"


def test_an_amended_agreement_takes_it_along_and_what_was_decided_falls():
    lapsed, told = decided_with_it().when(FollowAgreement(change=CHANGE, valid_until=date(2027, 6, 30))).events
    assert isinstance(lapsed, ApprovalsLapsed)
    assert isinstance(told, CarrySet)


def test_an_amended_agreement_takes_it_along():
    story = certified()
    longer = date(2027, 6, 30)
    story = story.when(FollowAgreement(change=CHANGE, valid_until=longer))
    [told] = story.events
    assert isinstance(told, CarrySet)
    assert (told.carry_g, told.before_g, told.expires_on) == (HALF, HALF, longer)
    story.when(FollowAgreement(change=CHANGE, valid_until=longer)).then()
    [told] = story.when(FollowAgreement(change=CHANGE, valid_until=date(2040, 1, 1))).events
    assert isinstance(told, CarrySet)
    assert told.expires_on == date(TODAY.year + 2, TODAY.month, TODAY.day)  # no longer than the policy says


def test_a_round_that_inventory_refuses_gives_back_what_was_with_its_days():
    story = certified()
    story = story.given(story.close())
    before = story.state.carries
    story = story.given(submit("us2", US, 10), accept("us2", 10), submit("jp2", JP, 10), accept("jp2", 10))
    another = RoundId("rnd_2")
    story = story.given(open_round("us2", "jp2", round=another, carry_years=1))
    story = story.given(story.propose(3, around=around(), round=another))
    story = story.given(story.approve(round=another))
    story = story.given(story.certify(around=around(), round=another))
    assert story.state.carries != before
    story = story.given(story.reopen(round=another))
    assert story.state.carries == before


def test_rounds_of_earlier_builds_which_recorded_no_carries_leave_them_all_the_same():
    told = certified()
    story = a_round(10, 10)
    story = story.given(story.propose(1, around=around()))
    story = story.given(story.approve())
    certifying = story.when(story.certify(around=around())).events
    assert carries(story.given(*(event for event in certifying if not isinstance(event, CarrySet)))) == carries(told)


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12)), min_size=1, max_size=5))
def test_no_carry_is_more_than_a_unit_and_together_they_are_what_rounding_moved(rounds: list[tuple[int, int, int]]):
    story = a_round(*rounds[0][:2])
    for place, (jp, us, supply) in enumerate(rounds):
        round = ROUND if place == 0 else RoundId(f"rnd_{place + 2}")
        if place:
            names = (f"jp{place}", f"us{place}")
            story = story.given(submit(names[0], JP, jp), accept(names[0], jp), submit(names[1], US, us), accept(names[1], us))
            story = story.given(open_round(*names, round=round))
        story = story.given(story.propose(supply, around=around(), round=round))
        story = story.given(story.approve(round=round))
        story = story.when(story.certify(around=around(), round=round))
        events = story.events
        assert any(isinstance(event, RoundCertified) for event in events)
        owed = [Fraction(carry.carry_g) for carry in story.state.carries.values()]
        assert all(0 < abs(carry_g) <= UNIT_G for carry_g in owed)
        assert sum(owed) == 0
        story = story.given(story.close(round=round))
