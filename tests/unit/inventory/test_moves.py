"""A fire: one person brings a lot to another of the Reserve's own depots; another ratifies it within a day, or what is left is on hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from services.inventory.domain.holds import ConfirmHold, PutOnHold
from services.inventory.domain.moves import MissMove, RatifyMove
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import LapseRelease
from services.inventory.domain.state import held_g
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    AuthorityCited,
    DrawDispatched,
    DrawMoved,
    HoldConfirmed,
    HoldId,
    HoldLifted,
    HoldPutOn,
    LotId,
    LotMoved,
    MoveId,
    MoveRatificationMissed,
    MoveRatified,
    ReleaseExtended,
    ReleaseId,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.stockpile import (
    LAST_DAY,
    TODAY,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    dispatch,
    draw,
    hold,
    lift,
    lot,
    move,
    pool,
    taking,
    weigh,
)

LAPSES_AT = datetime(2026, 1, 9, 3, 0, tzinfo=UTC)
ANN, BOB = "sub_ann", "sub_bob"
BY = datetime(2026, 1, 7, 3, 0, tzinfo=UTC)
MOVE = MoveId("mov_1")
MISSED = MissMove(move=MOVE, on=TODAY + timedelta(days=1))


def ratify(by: str = BOB, *others: str, days: int = 0) -> RatifyMove:
    return RatifyMove(move=MOVE, by=by, accounts=frozenset({by, *others}), on=TODAY + timedelta(days=days))


def by_ann(**changes: Any) -> PutOnHold:
    """Alone, so for 72 hours."""
    at = datetime(2026, 1, 6, 3, 0, tzinfo=UTC)
    told = {"scope": "depot", "target": "Fremantle", "name": "hld_ann"} | changes
    put = hold(told["scope"], told["target"], name=told["name"])
    return replace(put, by=ANN, accounts=frozenset({ANN}), at=at, on=changes.get("on", TODAY))


def moved(*commands: object) -> Given:
    return a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), draw(), *commands, move())


def test_one_person_moves_a_lot_at_once_and_nothing_leaves_the_reserve():
    before = a_stockpile(lot(units=10))
    story = before.when(move()).then(LotMoved)
    [event] = story.events
    assert (event.from_depot, event.to_depot, event.units, event.moved_by, event.ratify_by) == ("Fremantle", "Kwinana", 10, ANN, BY)
    assert held_g(story.state) == held_g(before.state) and story.state.lots[LotId("lot_1")].depot == "Kwinana"
    [timer] = timers(event)
    assert isinstance(timer, Timer) and (timer.at, timer.command) == (BY, MISSED)


def test_drawn_goods_that_are_still_here_go_with_their_lot_and_leave_from_there():
    story = a_stockpile(lot(units=10), lot("lot_2", units=1), a_round(award("a", "JP", 5)), draw(), weigh(weighed_g=2 * UNIT_G - 7))
    story = story.when(move()).then(LotMoved, DrawMoved)
    lots, goods = story.events
    assert lots.units == 8 and (goods.partner, goods.mass_g, goods.held_g) == ("JP", 2 * UNIT_G, 2 * UNIT_G - 7)
    assert [each.depot for each in goods.before] == ["Fremantle"] and [each.depot for each in goods.parcels] == ["Kwinana"]
    sent = story.when(dispatch()).events[0]
    assert isinstance(sent, DrawDispatched) and [each.depot for each in sent.parcels] == ["Kwinana"]


def test_goods_go_to_depots_of_the_reserve_alone():
    refused = a_stockpile(lot()).when(move(to_depot="My Shed")).refused(Reason.DEPOT_UNKNOWN, "/to_depot")
    assert refused.accepted == "Fremantle, Kwinana"
    a_stockpile(lot()).when(move(to_depot="Fremantle")).refused(Reason.MOVED_NOWHERE, "/to_depot")
    a_stockpile(lot()).when(move(lot=LotId("lot_9"))).refused(Reason.LOT_NOT_FOUND, "/lot")


def test_another_person_ratifies_it():
    moved().when(ratify(ANN)).refused(Reason.MOVE_OWN)
    moved().when(ratify(BOB, ANN)).refused(Reason.MOVE_OWN)
    story = moved().when(ratify()).then(MoveRatified)
    assert timers(story.events[0]) == [CancelTimer("move/mov_1")]
    assert story.events[0].late is False
    story.when(ratify()).refused(Reason.MOVE_NOT_FOUND)
    assert story.when(MISSED).events == []


def test_what_nobody_ratifies_is_on_hold_until_somebody_does():
    story = moved(weigh()).when(MISSED).then(MoveRatificationMissed, HoldPutOn)
    put = story.events[1]
    assert (put.scope, put.target, put.lapses_at, put.put_on_by) == ("lot", "lot_1", None, None)
    assert not timers(put), "silence does not do what a second person has to"
    story.when(dispatch(on=TODAY + timedelta(days=1))).refused(Reason.ON_HOLD)
    assert story.when(MISSED).events == []
    story.when(ratify(ANN, days=2)).refused(Reason.MOVE_OWN)
    late = story.when(ratify(days=2)).then(MoveRatified, HoldLifted)
    assert late.events[0].late is True
    assert late.when(dispatch(on=TODAY + timedelta(days=2))).events


def test_a_release_does_not_lapse_while_an_unratified_move_holds_its_lot():
    pinned = a_round(taking(award("a", "JP", 5), ("p", UNIT_G, 5)), pools=(pool("p", "lot_1"),))
    story = a_stockpile(lot(units=10), pinned, move(), MISSED)
    assert story.when(ratify(days=3)).then(MoveRatified, HoldLifted, ReleaseExtended).events[2].days == 2


def test_a_lot_of_which_nothing_is_left_needs_no_hold():
    story = a_stockpile(lot(units=2), a_round(award("a", "JP", 2)), draw(), weigh(), move(), dispatch())
    story.when(MISSED).then(MoveRatificationMissed)


def test_what_stopped_it_in_its_depot_stops_it_in_the_next_whoever_ratifies():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), hold("depot", "Fremantle", name="hld_depot"))
    story = story.when(move()).then(LotMoved, HoldPutOn)
    assert (story.events[1].takes_on, story.events[1].target) == ("hld_depot", "lot_1")
    ratified = story.when(ratify()).then(MoveRatified)
    ratified.when(draw()).refused(Reason.ON_HOLD)


def test_each_hold_goes_on_since_its_first_day_for_who_put_it_on_and_no_longer_than_in_its_depot():
    """One person stops a depot, and moves a lot out of it before it lapses: it is theirs still, and lapses as it would have there."""
    ours = hold("depot", "Fremantle", name="hld_ours", expires_on=LAST_DAY)
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 5)), ours, by_ann(), hold("depot", "Kwinana", name="hld_other"))
    story = story.when(move(on=TODAY + timedelta(days=2))).then(LotMoved, HoldPutOn, HoldPutOn)
    kept, lapses = story.events[1:]
    assert (kept.takes_on, kept.put_on_on, kept.expires_on, kept.put_on_by, kept.lapses_at) == ("hld_ours", TODAY, LAST_DAY, None, None)
    assert (lapses.takes_on, lapses.put_on_on, lapses.expires_on) == ("hld_ann", TODAY, None)
    assert (lapses.put_on_by, lapses.lapses_at) == (ANN, LAPSES_AT) and lapses.hold != kept.hold
    [timer] = timers(lapses)
    assert isinstance(timer, Timer) and timer.at == LAPSES_AT
    confirm = ConfirmHold(hold=HoldId("hld_ann"), by=BOB, accounts=frozenset({BOB}))
    confirmed = story.when(confirm).then(HoldConfirmed, HoldConfirmed)
    assert [each.hold for each in confirmed.events] == ["hld_ann", lapses.hold], "it goes with the lot"
    confirmed.when(timer.command).then()
    confirmed.when(confirm).refused(Reason.HOLD_CONFIRMED)
    lapsed = story.when(timer.command).then(HoldLifted)
    lapsed.when(confirm).then(HoldConfirmed)
    again = by_ann(scope="lot", target="lot_1", name="hld_again", on=TODAY + timedelta(days=3))
    lapsed.when(again).refused(Reason.HOLD_RENEWED)


def test_under_cover_of_a_fire_no_award_is_killed_whose_last_day_passed_while_its_depot_was_stopped():
    """A depot is on hold to beyond the last day of an award of its goods; then its lot is moved, and the hold that goes on is lifted."""
    pinned = a_round(taking(award("a", "JP", 5), ("p", UNIT_G, 5)), pools=(pool("p", "lot_1"),))
    after = LAST_DAY + timedelta(days=5)
    lapse = LapseRelease(release=ReleaseId("rel_a"), on=after)
    story = a_stockpile(lot(units=10), pinned, hold("depot", "Fremantle", name="hld_depot"))
    story = story.when(move(on=after)).then(LotMoved, HoldPutOn)
    assert story.when(lapse).events == []
    lifted = story.when(lift(story.events[1].hold, may("operator-1", after))).then(HoldLifted, AuthorityCited, ReleaseExtended)
    assert lifted.events[2].days == (after - TODAY).days
    assert lifted.when(draw(on=after)).events
