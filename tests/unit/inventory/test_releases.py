"""Rounds released as one, lapse, cancellation."""

from datetime import date

import msgspec

from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import AwardedRelease, LapseRelease, TakeBackDecision, TakeBackRelease
from services.inventory.domain.state import in_stock_g
from services.inventory.domain.stockpile import DECIDER, timers
from services.inventory.events import (
    AuthorityCited,
    DecisionTakenBack,
    ReleaseCancelled,
    ReleaseId,
    ReleaseLapsed,
    RoundReleased,
    RoundReleaseRefused,
    StockReleased,
    UnitCount,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.given import Given
from tests.stories.stockpile import (
    ANTIMONY,
    DAY_AFTER,
    FAILED,
    LAST_DAY,
    TODAY,
    TONNE,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    draw,
    hold,
    lot,
    protect,
    reserved_g,
    right,
    take_back,
)

PROTECT_4 = protect(4)


def refusal_of(story: Given, *awards: AwardedRelease, **changes) -> str:
    after = story.when(a_round(*awards, **changes))
    [event] = after.events
    assert isinstance(event, RoundReleaseRefused)
    assert (event.product, event.round, event.decision) == (ANTIMONY, "rnd_1", "ab" * 32)
    assert after.state == story.state
    return event.reason


def test_what_is_left_of_a_superseded_decision_is_available_again_and_no_other_decisions():
    other = "cd" * 32
    story = a_stockpile(
        lot(units=20),
        a_round(award("a", "JP", 3), award("b", "US", 4)),
        msgspec.structs.replace(a_round(award("c", "JP", 5)), decision=other),
    )
    story = story.given(draw(units=1))
    story = story.when(TakeBackDecision(decision="ab" * 32, reason="superseded"))
    cancelled = story.events
    assert [(event.release, event.mass_g) for event in cancelled] == [("rel_a", 2 * UNIT_G), ("rel_b", 4 * UNIT_G)]
    assert list(story.state.releases) == ["rel_c"]
    story.when(TakeBackDecision(decision="ab" * 32, reason="superseded")).then()


def test_the_book_is_told_what_was_taken_back_of_a_superseded_decision():
    story = a_stockpile(lot(units=20), a_round(award("a", "JP", 3), award("b", "US", 4), award("c", "US", 2)), draw(units=1))
    again = TakeBackDecision(round="rnd_1", decision="ab" * 32, reason="superseded")
    story = story.when(again).then(ReleaseCancelled, ReleaseCancelled, ReleaseCancelled, DecisionTakenBack)
    assert story.events[-1].mass_g == {"JP": 2 * UNIT_G, "US": 6 * UNIT_G}
    assert [event.fails for event in story.events[:-1]] == [None] * 3  # they are given back as one
    story = story.when(again).then(DecisionTakenBack)
    assert story.events[-1].mass_g == {}


def test_an_award_that_is_given_back_frees_what_is_left_of_it_once():
    back = TakeBackRelease(release=ReleaseId("rel_a"), decision="ab" * 32, reason="given back")
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 4)), draw(units=1))
    story = story.when(back)
    [cancelled] = story.events
    assert cancelled.mass_g == 3 * UNIT_G
    story.when(back).then()


def lapse(on: date, release: str = "rel_a") -> LapseRelease:
    return LapseRelease(release=ReleaseId(release), on=on)


def test_a_round_releases_every_award_and_then_says_so():
    story = a_stockpile(lot(units=10))
    story = story.when(a_round(award("a", "JP", 3), award("b", "US", 4)))
    first, second, summary = story.events
    assert isinstance(first, StockReleased)
    assert (first.release, first.partner, first.mass_g, first.rights_g) == ("rel_a", "JP", 3 * UNIT_G, 0)
    assert first.units == (UnitCount(nominal_unit_g=UNIT_G, units=3),)
    assert isinstance(second, StockReleased)
    assert isinstance(summary, RoundReleased)
    assert (summary.releases, summary.mass_g) == (2, 7 * UNIT_G)
    assert (in_stock_g(story.state), reserved_g(story.state)) == (10 * UNIT_G, 7 * UNIT_G)


def test_a_round_beyond_the_stock_is_refused_as_one():
    assert refusal_of(a_stockpile(lot(units=10)), award("a", "JP", 3), award("b", "US", 8)) == "stock_short"


def test_a_round_cannot_release_what_is_released():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 8)))
    assert refusal_of(story, award("b", "US", 3)) == "stock_short"


def test_a_round_never_breaks_protected_stock():
    story = a_stockpile(lot(units=10), PROTECT_4)
    assert refusal_of(story, award("a", "JP", 7)) == "stock_protected"
    story = story.given(a_round(award("a", "JP", 6)))
    assert refusal_of(story, award("b", "US", 1)) == "stock_protected"


def test_a_round_does_not_count_quarantined_stock():
    assert refusal_of(a_stockpile(lot(assay=FAILED)), award("a", "JP", 1)) == "stock_short"


def test_a_round_does_not_count_expired_lots():
    story = a_stockpile(lot(expires_on=TODAY))
    assert refusal_of(story, award("a", "JP", 1), on=date(2026, 1, 7)) == "stock_short"


def test_a_round_under_a_hold_on_everything_is_refused():
    assert refusal_of(a_stockpile(lot(), hold("all")), award("a", "JP", 1)) == "on_hold"


def test_a_round_with_an_award_to_a_held_partner_is_refused_as_one():
    story = a_stockpile(lot(), hold("partner", "US"))
    assert refusal_of(story, award("a", "JP", 1), award("b", "US", 1)) == "on_hold"
    story.given(a_round(award("a", "JP", 1)))


def test_a_round_does_not_count_held_lots_and_depots():
    story = a_stockpile(lot("lot_1", 5), lot("lot_2", 3), lot("lot_3", 2, depot="Darwin"), hold("lot", "lot_1"))
    story = story.given(hold("depot", "Darwin", name="hld_2"))
    assert refusal_of(story, award("a", "JP", 4)) == "stock_short"
    story.given(a_round(award("a", "JP", 3)))


def test_a_round_of_a_product_that_nobody_registered_is_refused():
    assert refusal_of(Given(DECIDER), award("a", "JP", 1)) == "product_not_found"


def test_an_award_that_is_no_number_of_whole_units_is_refused():
    part = AwardedRelease(release=ReleaseId("rel_a"), award="awd_a", request="req_a", partner="JP", mass_g=UNIT_G + 1)
    assert refusal_of(a_stockpile(lot()), part) == "not_whole_units"


def test_an_award_of_nothing_is_refused():
    assert refusal_of(a_stockpile(lot()), award("a", "JP", 0)) == "quantity_invalid"


def test_a_round_whose_releases_would_have_lapsed_is_refused():
    assert refusal_of(a_stockpile(lot()), award("a", "JP", 1), on=DAY_AFTER) == "date_in_past"


def test_the_same_award_twice_is_refused():
    assert refusal_of(a_stockpile(lot()), award("a", "JP", 1), award("a", "JP", 1)) == "id_taken"
    assert refusal_of(a_stockpile(lot(), a_round(award("a", "JP", 1))), award("a", "JP", 1)) == "id_taken"


def test_mixed_units_are_released_largest_first():
    story = a_stockpile(lot("lot_1", 1), lot("lot_2", 10, nominal_unit_g=TONNE))
    awarded = AwardedRelease(release=ReleaseId("rel_a"), award="awd_a", request="req_a", partner="JP", mass_g=8 * TONNE)
    released, _ = story.when(a_round(awarded)).events
    assert isinstance(released, StockReleased)
    assert released.units == (UnitCount(nominal_unit_g=UNIT_G, units=1), UnitCount(nominal_unit_g=TONNE, units=3))


def test_what_lots_do_not_cover_is_released_on_firm_rights():
    story = a_stockpile(lot(units=3), right(units=4))
    story = story.when(a_round(award("a", "JP", 5)))
    released, _ = story.events
    assert isinstance(released, StockReleased)
    assert released.units == (UnitCount(nominal_unit_g=UNIT_G, units=3),)
    assert (released.rights_g, released.mass_g) == (2 * UNIT_G, 5 * UNIT_G)
    assert refusal_of(story, award("b", "US", 3)) == "stock_short"


def test_options_first_refusals_and_closed_windows_release_nothing():
    closed = right("rgt_3", window_from=date(2026, 1, 1), window_to=TODAY)
    story = a_stockpile(right("rgt_1", kind="option"), right("rgt_2", kind="first_refusal"), closed)
    assert refusal_of(story, award("a", "JP", 1), on=date(2026, 1, 7)) == "stock_short"


def test_rights_that_stand_in_beside_smaller_units_of_lots_stay_whole():
    story = a_stockpile(lot(units=3, nominal_unit_g=TONNE), right(units=2))
    awards = [msgspec.structs.replace(award(name, name.upper(), 1), mass_g=mass_g * TONNE) for name, mass_g in (("a", 7), ("b", 6))]
    story = story.when(a_round(*awards))
    first, second, _ = story.events
    assert (first.units, first.rights_g) == ((UnitCount(nominal_unit_g=TONNE, units=2),), UNIT_G)
    assert (second.units, second.rights_g) == ((UnitCount(nominal_unit_g=TONNE, units=1),), UNIT_G)
    [assigned] = story.when(draw(partner="A", units=1)).events
    assert (assigned.source, assigned.mass_g, assigned.remaining_g) == ("rights", UNIT_G, 2 * TONNE)


def test_protected_stock_is_kept_where_rights_can_serve():
    released, _ = a_stockpile(lot(units=10), PROTECT_4, right(units=2)).when(a_round(award("a", "JP", 8))).events
    assert isinstance(released, StockReleased)
    assert released.rights_g == 2 * UNIT_G


def test_a_release_sets_a_timer_for_the_day_after_its_last():
    released, _ = a_stockpile(lot()).when(a_round(award("a", "JP", 1))).events
    assert timers(released) == [Timer("lapse/rel_a", DAY_AFTER, lapse(DAY_AFTER))]


def test_what_is_left_of_a_release_lapses_after_its_last_day():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), draw(units=2))
    story = story.when(lapse(DAY_AFTER))
    [event] = story.events
    assert isinstance(event, ReleaseLapsed)
    assert (event.partner, event.mass_g) == ("JP", 3 * UNIT_G)
    assert event.units == (UnitCount(nominal_unit_g=UNIT_G, units=3),)
    assert (in_stock_g(story.state), reserved_g(story.state)) == (8 * UNIT_G, 0)


def test_a_release_does_not_lapse_on_its_last_day():
    a_stockpile(lot(), a_round(award("a", "JP", 5))).when(lapse(LAST_DAY)).then()


def test_a_release_lapses_once():
    a_stockpile(lot(), a_round(award("a", "JP", 5)), lapse(DAY_AFTER)).when(lapse(DAY_AFTER)).then()


def test_a_release_on_rights_lapses_too():
    story = a_stockpile(right(units=4), a_round(award("a", "JP", 4)))
    story = story.when(lapse(DAY_AFTER))
    [event] = story.events
    assert isinstance(event, ReleaseLapsed)
    assert (event.rights_g, story.state.reserved_rights_g) == (4 * UNIT_G, 0)


def test_a_release_is_cancelled():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 5)))
    story = story.when(take_back())
    event, cited = story.events
    assert isinstance(event, ReleaseCancelled)
    assert (event.mass_g, event.reason, event.fails) == (5 * UNIT_G, "withdrawn", "ab" * 32)
    assert isinstance(cited, AuthorityCited)
    assert (cited.matter, cited.cited.act, cited.cited.mass_g) == ("rel_a", "cancel_release", 5 * UNIT_G)
    assert timers(event) == [CancelTimer("lapse/rel_a")]
    assert reserved_g(story.state) == 0
    story.when(draw()).refused(Reason.RELEASE_NOT_FOUND)


def test_cancelling_an_unknown_release_is_refused():
    a_stockpile().when(take_back()).refused(Reason.RELEASE_NOT_FOUND)
