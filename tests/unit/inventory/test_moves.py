"""A fire: one person brings a lot to another of the Reserve's own depots; another ratifies it within a day, or what is left is on hold."""

from datetime import UTC, datetime, timedelta

from services.inventory.domain.moves import MissMove, RatifyMove
from services.inventory.domain.reasons import Reason
from services.inventory.domain.state import held_g
from services.inventory.domain.stockpile import timers
from services.inventory.events import (
    DrawDispatched,
    DrawMoved,
    HoldLifted,
    HoldPutOn,
    LotId,
    LotMoved,
    MoveId,
    MoveRatificationMissed,
    MoveRatified,
    ReleaseExtended,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.given import Given
from tests.stories.stockpile import TODAY, UNIT_G, a_round, a_stockpile, award, dispatch, draw, hold, lot, move, pool, taking, weigh

ANN, BOB = "sub_ann", "sub_bob"
BY = datetime(2026, 1, 7, 3, 0, tzinfo=UTC)
MOVE = MoveId("mov_1")
MISSED = MissMove(move=MOVE, on=TODAY + timedelta(days=1))


def ratify(by: str = BOB, *others: str, days: int = 0) -> RatifyMove:
    return RatifyMove(move=MOVE, by=by, accounts=frozenset({by, *others}), on=TODAY + timedelta(days=days))


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
    assert (story.events[1].hold, story.events[1].target) == ("hld_with", "lot_1")
    ratified = story.when(ratify()).then(MoveRatified)
    ratified.when(draw()).refused(Reason.ON_HOLD)
