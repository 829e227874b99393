"""A decision that did not hold gives back what it took: superseded and awarded again is awarded once."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.book.carries import ExpireCarry
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.events import (
    AgreementId,
    AwardGranted,
    CarryExpired,
    CarrySet,
    DecisionGivenBack,
    DecisionHash,
    PartnerCode,
    QuotaBack,
    RoundId,
)
from tests.stories.book import (
    ANTIMONY,
    EU,
    JP,
    ROUND,
    UNIT_G,
    US,
    Story,
    a_book,
    a_certified_round,
    accept,
    open_round,
    submit,
    surroundings,
    terms,
)

AGAIN, BEFORE = RoundId("rnd_2"), RoundId("rnd_0")
PARTNERS = {"jp": JP, "us": US, "eu": EU}
YEAR = date(2026, 1, 1)


def released(story: Story, round: RoundId = ROUND) -> tuple[Story, DecisionHash]:
    decision = story.decision(round)
    return story.given(story.close(round)), decision


def superseded(decision: DecisionHash, taken_g: Mapping[PartnerCode, int]) -> GiveBack:
    return GiveBack(round=ROUND, decision=decision, mass_g=taken_g, whole=True, reason="superseded")


def awarded(story: Story, units: Mapping[str, int], supply: int, round: RoundId) -> tuple[Story, dict[PartnerCode, int]]:
    """These ask for so much, once more, and a round is certified over them."""
    names = [f"{name}_{round}" for name in units]
    for name, (partner, count) in zip(names, units.items(), strict=True):
        story = story.given(submit(name, PARTNERS[partner], count), accept(name, count))
    story = story.given(open_round(*names, round=round))
    story = story.given(story.propose(supply, round=round))
    story = story.given(story.approve(round=round))
    story = story.given(story.certify(round=round))
    return story, {event.partner: event.mass_g for event in story.events if isinstance(event, AwardGranted)}


def quota(story: Story) -> dict[PartnerCode, int]:
    return {partner: story.state.used_g(AgreementId(f"agr_{partner}"), YEAR) for partner in PARTNERS.values()}


def carries(story: Story) -> dict[PartnerCode, Fraction]:
    return {carry.partner: Fraction(carry.carry_g) for carry in story.state.carries.values()}


def test_the_round_that_corrects_another_does_not_pay_for_its_rounding():
    story, decision = released(a_certified_round(4, 4, supply=3))
    taken_g = {partner: mass_g for partner, mass_g in quota(story).items() if mass_g}
    assert sorted(taken_g.values()) == [UNIT_G, 2 * UNIT_G]
    _, uneven = awarded(story, {"jp": 4, "us": 4}, 4, AGAIN)
    assert sorted(uneven.values()) == [UNIT_G, 3 * UNIT_G]  # 5 and 15 t, as it was with the wrong round's carry
    story = story.when(superseded(decision, taken_g)).then(DecisionGivenBack, CarrySet, CarrySet)
    assert not story.state.carries
    _, even = awarded(story, {"jp": 4, "us": 4}, 4, AGAIN)
    assert even == {JP: 2 * UNIT_G, US: 2 * UNIT_G}


def test_quota_is_free_again_for_as_much_as_was_taken_back():
    story, decision = released(a_certified_round(10, supply=10))
    back = QuotaBack(agreement=AgreementId("agr_JP"), year_from=YEAR, mass_g=4 * UNIT_G)
    event = DecisionGivenBack(round=ROUND, product=ANTIMONY, decision=decision, whole=True, given={JP: back}, reason="superseded")
    story = story.when(superseded(decision, {JP: 4 * UNIT_G})).then(event)
    assert quota(story)[JP] == 6 * UNIT_G  # what was drawn stays drawn
    again = story.when(superseded(decision, {JP: 4 * UNIT_G})).then(DecisionGivenBack)
    assert quota(again)[JP] == 6 * UNIT_G


def test_an_award_that_fails_by_the_reserves_own_doing_gives_back_its_part():
    story, decision = released(a_certified_round(4, 4, supply=3))
    more = max(PARTNERS.values(), key=lambda partner: quota(story)[partner])
    failed = GiveBack(round=None, decision=decision, mass_g={more: UNIT_G}, whole=False, reason="not fit")
    after = story.when(failed).then(DecisionGivenBack, CarrySet)
    assert quota(after) == quota(story) | {more: UNIT_G}
    assert carries(after) == carries(story) | {more: carries(story)[more] / 2}
    after = after.when(failed).then(DecisionGivenBack, CarrySet)
    after.when(failed).then()


def test_what_is_forgotten_is_not_given_back():
    story, decision = released(a_certified_round(4, 4, supply=3))
    for agreement in list(story.state.carries):
        story = story.given(CarryExpired(product=ANTIMONY, agreement=agreement, partner=JP, carry_g="1", cause="time"))
    story = story.when(superseded(decision, {})).then(DecisionGivenBack)
    assert not story.state.carries


def test_a_decision_that_the_book_does_not_know_is_said_to_be_back():
    unknown = DecisionHash("ef" * 32)
    a_book().when(superseded(unknown, {JP: UNIT_G})).then(DecisionGivenBack)
    a_book().when(GiveBack(round=None, decision=unknown, mass_g={JP: UNIT_G}, whole=False, reason="a tender's")).then()


def again(story: Story) -> Story:
    return story.given(submit("again"), accept("again"), open_round("again", round=AGAIN))


def test_nothing_is_decided_while_a_superseded_decision_is_being_taken_back():
    story = again(released(a_certified_round(10, supply=10))[0])
    meanwhile = surroundings(taking_back=ROUND)
    story.when(story.propose(5, meanwhile, AGAIN)).refused("decision_being_taken_back")
    story = story.given(story.propose(5, round=AGAIN))
    story = story.given(story.approve(round=AGAIN))
    assert story.when(story.certify(meanwhile, AGAIN)).refused("decision_being_taken_back").accepted == "the same a moment later"


def test_a_decision_falls_that_was_made_before_the_quota_was_back():
    story, decision = released(a_certified_round(10, supply=10))
    story = again(story)
    story = story.given(story.propose(5, round=AGAIN))
    story = story.given(superseded(decision, {JP: UNIT_G}))
    assert story.state.rounds[AGAIN].proposal is None


@settings(max_examples=120, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 10))
def test_to_supersede_and_award_again_is_to_award_once(asked: list[int], wrong: int, right: int, before: int):
    """Whatever the wrong round gave, and whatever was carried into it."""
    units = dict(zip(PARTNERS, asked, strict=True))
    story = a_book()
    if before:
        story, _ = awarded(story, {"jp": 5, "us": 5}, before, BEFORE)
        story, _ = released(story, BEFORE)
    once, given_once = awarded(story, units, min(right, sum(asked)), AGAIN)
    story, given_wrong = awarded(story, units, min(wrong, sum(asked)), ROUND)
    story, decision = released(story)
    twice, given_twice = awarded(story.given(superseded(decision, given_wrong)), units, min(right, sum(asked)), AGAIN)
    assert given_twice == given_once
    assert twice.state.quota_used == once.state.quota_used
    assert twice.state.carries == once.state.carries


def test_a_carry_that_is_given_back_is_forgotten_on_its_day():
    around = surroundings(terms={partner: terms(partner, valid_until=date(2026, 6, 30)) for partner in (JP, US)})
    story = a_book(submit("jp", JP, 4), accept("jp", 4), submit("us", US, 4), accept("us", 4), open_round("jp", "us"))
    story = story.given(story.propose(3, around))
    story = story.given(story.approve())
    story = story.given(story.certify(around))
    taken_g = {partner: mass_g for partner, mass_g in quota(story).items() if mass_g}
    story, decision = released(story)
    story, _ = awarded(story, {"jp": 4, "us": 4}, 5, AGAIN)  # settles what was carried
    assert not story.state.carries
    story = story.given(superseded(decision, taken_g))
    assert len(story.state.carries) == 2
    for agreement, carry in story.state.carries.items():
        assert carry.expires_on == date(2026, 6, 30)
        story.when(ExpireCarry(agreement=agreement, on=date(2026, 7, 1))).then(CarryExpired)
