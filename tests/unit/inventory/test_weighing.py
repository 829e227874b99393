"""Weighing: one person does not take goods from the scale to the carrier, nor keep a little of each of many draws."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.inventory.domain.controls import CONTROLS, EVENTS
from services.inventory.domain.differences import WeighAgain
from services.inventory.domain.dispatch import WeighDraw
from services.inventory.domain.reasons import Reason
from services.inventory.domain.state import Draw, Drift
from services.inventory.domain.stockpile import DECIDER
from services.inventory.domain.weighing import BLOCK, SetWeighingTolerance, goes_to_one_side, weighed
from services.inventory.events import AwardForwarded, CommandWithdrawn, DrawDispatched, DrawId, DrawWeighed, DrawWeighedAgain, ReleaseId
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.countersigned import approve, by_two, propose
from tests.stories.given import Given
from tests.stories.stockpile import TODAY, UNIT_G, a_round, award, dispatch, draw, lot, register, weigh

CONTROLLED = countersigned(DECIDER, CONTROLS, EVENTS)
ANN, BOB = "sub_ann", "sub_bob"
SKIMMED = 24_500  # of 5 t, 0.49%
MOST = 24  # draws
SLACK_G = UNIT_G // 200  # that a scale may be wrong by
FINE_G = UNIT_G // 1000  # that a finer one may


def drawn(draws: int = 1) -> Given:
    """Of one unit each."""
    taken = [*by_two(CONTROLS, register(), TODAY), *by_two(CONTROLS, lot(units=2 * MOST), TODAY)]
    return Given(CONTROLLED, *taken, a_round(award("a", "JP", MOST)), *(draw(name(number), units=1) for number in range(1, draws + 1)))


def of(mass_g: int) -> Draw:
    return Draw("JP", ReleaseId("rel_a"), (), mass_g)


def tolerating(tolerance: str, *, partner: str | None = None, scale: str | None = None) -> list[object]:
    return by_two(CONTROLS, SetWeighingTolerance(partner=partner, scale=scale, tolerance=tolerance, reason="calibrated"), TODAY)


def off(by_g: int, scale: str | None = None) -> WeighDraw:
    return WeighDraw(draw=DrawId("drw_1"), weighed_g=UNIT_G - by_g, by=ANN, scale=scale)


def name(number: int) -> str:
    return f"drw_{number}"


def by(*persons: str) -> Given:
    """One draw that each of them has weighed, one after the other."""
    return drawn().given(*(weigh(weighed_g=UNIT_G, by=each) for each in persons))


def test_who_alone_has_weighed_goods_does_not_dispatch_them_by_whatever_account() -> None:
    refused = by(ANN).when(dispatch(by=ANN)).refused(Reason.DISPATCHED_BY_WEIGHER)
    assert refused.accepted == "another person, or the same once another has weighed them"
    by(ANN).when(dispatch(by="sub_ann_2", accounts=frozenset({ANN, "sub_ann_2"}))).refused(Reason.DISPATCHED_BY_WEIGHER)
    by(ANN).when(dispatch(by=BOB)).then(DrawDispatched, AwardForwarded)
    by(ANN, BOB).when(dispatch(by=ANN)).then(DrawDispatched, AwardForwarded)
    by(BOB, ANN).when(dispatch(by=ANN)).refused(Reason.DISPATCHED_BY_WEIGHER)


def test_what_two_people_have_weighed_either_dispatches() -> None:
    light = UNIT_G - 100_000
    again = WeighAgain(draw=DrawId("drw_1"), weighed_g=light, by=BOB, accounts=frozenset({BOB}), duty="on_call", sign_by=TODAY)
    story = drawn().given(propose(weigh(weighed_g=light, by=ANN), TODAY), again)
    for each in (ANN, BOB):
        story.when(dispatch(by=each)).then(DrawDispatched, AwardForwarded)


def test_a_signature_for_what_goods_weigh_is_no_second_weighing() -> None:
    story = drawn().given(propose(weigh(weighed_g=UNIT_G - 100_000, by=ANN), TODAY), approve(TODAY))
    story.when(dispatch(by=ANN)).refused(Reason.DISPATCHED_BY_WEIGHER)


def test_what_an_earlier_build_weighed_is_dispatched_as_it_was() -> None:
    drawn().given(weigh(weighed_g=UNIT_G)).when(dispatch(by=ANN)).then(DrawDispatched, AwardForwarded)


def skim(story: Given, numbers: Iterable[int], out_g: int = -SKIMMED) -> Given:
    return story.given(*(weigh(name(number), UNIT_G + out_g, ANN) for number in numbers))


@pytest.mark.parametrize("out_g", [-SKIMMED, SKIMMED])
def test_a_little_of_each_of_many_draws_needs_another_person(out_g: int) -> None:
    story = skim(drawn(MOST), range(1, 17), out_g)
    one_more = weigh(name(17), UNIT_G + out_g, ANN)
    story.when(one_more).refused(ControlReason.NEEDED)
    exact = story.given(weigh(name(17), UNIT_G, ANN))  # and what makes it no worse needs nobody
    exact.when(weigh(name(18), UNIT_G - out_g, ANN)).then(DrawWeighed, AwardForwarded)
    signed = story.given(propose(one_more, TODAY)).when(approve(TODAY))
    [event] = [event for event in signed.events if isinstance(event, DrawWeighed)]
    assert event.together_g == 17 * out_g
    assert signed.state.drift == Drift()
    skim(signed, range(18, 22), out_g)


def test_weighing_a_draw_again_and_again_hides_nothing() -> None:
    story = skim(drawn(MOST), range(1, 17))
    for _ in range(100):
        story = skim(skim(story, [16], out_g=0), [16])
    story.when(weigh(name(17), UNIT_G - SKIMMED, ANN)).refused(ControlReason.NEEDED)


def test_scales_that_are_wrong_to_either_side_need_nobody() -> None:
    story = drawn(MOST)
    for number in range(1, MOST + 1):
        story = skim(story, [number], out_g=SKIMMED if number % 2 else -SKIMMED)


def test_a_thousand_draws_a_thousandth_light_are_found_whatever_was_weighed_well_before() -> None:
    drift = Drift()
    for _ in range(3 * BLOCK):
        drift = weighed(drift, of(UNIT_G), SLACK_G, UNIT_G)
    light = UNIT_G - UNIT_G // 1000
    taken = 0
    while goes_to_one_side(drift, of(UNIT_G), SLACK_G, light) is None:
        drift, taken = weighed(drift, of(UNIT_G), SLACK_G, light), taken + 1
        assert taken < 2 * BLOCK
    assert taken > BLOCK // 2  # scales are wrong by a little


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-SKIMMED, SKIMMED)), max_size=60))
def test_one_person_never_takes_more_than_scales_are_wrong_by(acts: list[tuple[int, int]]) -> None:
    """Draws of one to four units, each weighed within tolerance by one person, who stops where another must sign."""
    drift, out_g, squares = Drift(), 0, 0
    for units, unit_out_g in acts:
        mass_g = units * UNIT_G
        if goes_to_one_side(drift, of(mass_g), units * SLACK_G, mass_g + units * unit_out_g) is None:
            drift = weighed(drift, of(mass_g), units * SLACK_G, mass_g + units * unit_out_g)
            out_g, squares = out_g + units * unit_out_g, squares + (mass_g // 200) ** 2
    assert drift.out_g == out_g
    assert out_g**2 <= 16 * squares or not acts


def test_one_person_sets_no_tolerance() -> None:
    drawn().when(SetWeighingTolerance(tolerance="1/100", reason="haste")).refused(ControlReason.NEEDED)


def test_a_finer_scale_refuses_what_the_builds_tolerance_takes() -> None:
    drawn().when(off(SLACK_G)).then(DrawWeighed, AwardForwarded)
    fine = drawn().given(*tolerating("1/1000", scale="PKL-2"))
    fine.when(off(FINE_G + 1, "PKL-2")).refused(ControlReason.NEEDED)
    fine.when(off(FINE_G, "PKL-2")).then(DrawWeighed, AwardForwarded)
    signed = fine.given(propose(off(FINE_G + 1, "PKL-2"), TODAY)).when(approve(TODAY))
    assert any(isinstance(event, DrawWeighed) and event.scale == "PKL-2" for event in signed.events)


def test_nobody_avoids_a_fine_scale_by_naming_none_or_another() -> None:
    fine = drawn().given(*tolerating("1/1000", scale="PKL-2"), *tolerating("1/100", scale="PKL-1"))
    for scale in (None, "PKL-3"):
        refused = fine.when(off(0, scale)).refused(Reason.SCALE_UNKNOWN, "/scale")
        assert refused.accepted == "PKL-1 or PKL-2"
    drawn().when(off(0, "PKL-2")).refused(Reason.SCALE_UNKNOWN, "/scale")


def test_a_coarse_scale_takes_no_more_than_the_contract_does() -> None:
    coarse = drawn().given(*tolerating("1/100", scale="PKL-1"))
    coarse.when(off(SLACK_G + 1, "PKL-1")).refused(ControlReason.NEEDED)
    wide = coarse.given(*tolerating("1/100"))  # of every contract that has none of its own
    wide.when(off(2 * SLACK_G, "PKL-1")).then(DrawWeighed, AwardForwarded)
    wide.given(*tolerating("1/1000", partner="KR")).when(off(2 * SLACK_G, "PKL-1")).then(DrawWeighed, AwardForwarded)
    narrow = wide.given(*tolerating("1/1000", partner="JP"))
    narrow.when(off(FINE_G + 1, "PKL-1")).refused(ControlReason.NEEDED)
    narrow.given(*tolerating("0", partner="JP")).when(off(1, "PKL-1")).refused(ControlReason.NEEDED)


def test_a_tolerance_is_one_scales_have() -> None:
    for wide in ("51/5000", "1"):
        refused = drawn().when(propose(SetWeighingTolerance(tolerance=wide, reason="haste"), TODAY)).refused(Reason.TOLERANCE_TOO_WIDE)
        assert refused.field == "/tolerance"
    both = SetWeighingTolerance(partner="JP", scale="PKL-2", tolerance="1/1000", reason="calibrated")
    drawn().when(propose(both, TODAY)).refused(Reason.TOLERANCE_OF_BOTH, "/scale")
    Given(DECIDER).when(SetWeighingTolerance(tolerance="1/1000", reason="early")).refused(Reason.PRODUCT_NOT_FOUND)


def test_what_a_fine_scale_finds_light_is_weighed_again_at_night_within_what_it_is_wrong_by() -> None:
    fine = drawn().given(*tolerating("1/1000", scale="PKL-2"))
    light = fine.given(propose(off(4 * FINE_G, "PKL-2"), TODAY))
    again = WeighAgain(
        draw=DrawId("drw_1"), weighed_g=UNIT_G - 3 * FINE_G, by=BOB, accounts=frozenset({BOB}), duty="on_call", sign_by=TODAY, scale="PKL-2"
    )
    light.when(again).then(DrawWeighedAgain, AwardForwarded, CommandWithdrawn)
    light.when(replace(again, weighed_g=UNIT_G - 2 * FINE_G + 1)).refused(Reason.WEIGHINGS_DIFFER)
    light.when(replace(again, weighed_g=UNIT_G - FINE_G)).refused(Reason.NOT_UNDERWEIGHT)
    light.when(replace(again, scale=None)).refused(Reason.SCALE_UNKNOWN)


def test_what_is_wider_than_the_build_allows_for_is_summed_all_the_same() -> None:
    wide = drawn(MOST).given(*tolerating("1/100"))
    story = skim(wide, range(1, 17), -2 * SLACK_G + 1)
    story.when(weigh(name(17), UNIT_G - 2 * SLACK_G + 1, ANN)).refused(ControlReason.NEEDED)


def test_a_tolerance_that_is_set_later_changes_nothing_that_was_summed_before() -> None:
    story = skim(drawn(MOST), range(1, 17)).given(*tolerating("1/1000"))
    again = story.given(weigh(name(16), UNIT_G, ANN))  # no longer light: off the sum as it went on it
    assert again.state.drift.out_g == -15 * SKIMMED and again.state.drift.draws == 16
