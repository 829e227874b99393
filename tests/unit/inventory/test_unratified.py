"""What was decided in an emergency and not ratified stands still: nothing is drawn, nothing leaves, until it is ratified after all."""

from datetime import timedelta

import msgspec

from services.inventory.domain.holds import FreeRound, HoldRound
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import LapseRelease
from services.inventory.domain.stockpile import timers
from services.inventory.events import ReleaseExtended, ReleaseId, ReleaseLapsed, RoundFreed, RoundHeld
from shared.journal.decider import Timer
from tests.stories.given import Given
from tests.stories.stockpile import DAY_AFTER, LAST_DAY, TODAY, a_round, a_stockpile, award, dispatch, draw, lift, lot, weigh

DECISION = "ab" * 32
HOLD = HoldRound(round="rnd_1", decision=DECISION, reason="not ratified", on=TODAY)
FREE = FreeRound(round="rnd_1", decision=DECISION, reason="ratified late", on=TODAY)


def drawn() -> Given:
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), draw(units=2), weigh())


def test_nothing_of_a_round_that_is_held_is_drawn_or_dispatched():
    story = drawn()
    story = story.when(HOLD)
    [event] = story.events
    assert isinstance(event, RoundHeld)
    story.when(draw("drw_2", units=1)).refused(Reason.ON_HOLD)
    story.when(dispatch()).refused(Reason.ON_HOLD)
    story.when(lift()).refused(Reason.HOLD_NOT_FOUND)
    story.when(HOLD).then()


def test_goods_of_a_release_that_is_wholly_drawn_are_held_too():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 2)), draw(units=2), weigh(), HOLD)
    story.when(dispatch()).refused(Reason.ON_HOLD)


def test_a_late_ratification_frees_it():
    story = drawn().given(HOLD)
    story = story.when(FREE).then(RoundFreed, ReleaseExtended)
    story = story.given(draw("drw_2", units=1), dispatch())
    story.when(FREE).then()


def test_another_decision_is_not_held():
    story = drawn().given(HoldRound(round="rnd_2", decision="cd" * 32, reason="not ratified", on=TODAY))
    story.given(draw("drw_2", units=1), dispatch())


def test_a_release_whose_last_day_passed_before_it_was_known_to_be_ratified_lapses():
    story = drawn().given(HOLD)
    lapse = LapseRelease(release=ReleaseId("rel_a"), on=LAST_DAY + timedelta(days=1))
    story.when(lapse).then()
    freed = story.when(FREE).then(RoundFreed, ReleaseExtended)
    assert timers(freed.events[1]) == [Timer("lapse/rel_a", lapse.on, lapse)]
    freed.when(lapse).then(ReleaseLapsed)


def test_a_release_that_is_held_does_not_lapse_and_has_its_days_back_when_it_is_ratified():
    story = drawn().given(HOLD)
    lapsed = LapseRelease(release=ReleaseId("rel_a"), on=DAY_AFTER)
    story.when(lapsed).then()
    freed = story.when(msgspec.structs.replace(FREE, on=DAY_AFTER)).then(RoundFreed, ReleaseExtended)
    assert freed.events[1].expires_on == LAST_DAY + (DAY_AFTER - TODAY)
    freed.when(lapsed).then()
    freed.when(msgspec.structs.replace(lapsed, on=freed.events[1].expires_on + timedelta(days=1))).then(ReleaseLapsed)
