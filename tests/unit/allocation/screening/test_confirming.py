"""A hit that one person confirms: for 72 hours, unless a second one confirms it, too; then it is as it was before."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation.domain.book.decider import timers as book_timers
from services.allocation.domain.book.screening import LapseHit
from services.allocation.domain.screening import consignee
from services.allocation.domain.screening.consignee import DecideConsigneeHit, LapseConsigneeHit, ScreenConsignee
from services.allocation.events import (
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeId,
    HitId,
    ListName,
    ScreeningHitDecided,
    ScreeningHitLapsed,
    SubjectId,
)
from shared.journal.decider import CancelTimer, Timer
from tests.stories.alone import LATER, ONE, TWO, by_one
from tests.stories.book import a_book, request_id, submit
from tests.stories.given import Given
from tests.stories.screening import decide_hit, hit, screen

HIT = HitId("hit_1")


def screened_consignee(*names: str) -> ScreenConsignee:
    return ScreenConsignee(
        consignee=ConsigneeId("cns_1"),
        name="Kyushu Warehouse",
        lists={ListName("entities"): len(names)},
        hits=tuple(ConsigneeHit(hit=HitId(f"hit_{name}"), list=ListName("entities"), entry="E-1", match="exact") for name in names),
    )


OF_CONSIGNEE = Given(consignee.DECIDER, screened_consignee("1"))


def of_request(outcome: Any, by: str = ONE, days: int = 0, *others: str, name: str = "1") -> Any:
    return replace(decide_hit(outcome, name), by=SubjectId(by), alone=by_one(by, days, *others))


def of_consignee(outcome: Any, by: str = ONE, days: int = 0, *others: str, name: str = "1") -> Any:
    hit = HitId(f"hit_{name}")
    return DecideConsigneeHit(hit=hit, outcome=outcome, reason="looked at", by=SubjectId(by), alone=by_one(by, days, *others))


CASES = {
    "a request's": (
        a_book(submit(), screen(hit())),
        of_request,
        LapseHit(request=request_id("jp"), hit=HIT, lapses_at=LATER),
        (ScreeningHitDecided, ScreeningHitLapsed),
        book_timers,
    ),
    "a consignee's": (
        OF_CONSIGNEE,
        of_consignee,
        LapseConsigneeHit(hit=HIT, lapses_at=LATER),
        (ConsigneeHitDecided, ConsigneeHitLapsed),
        consignee.timers,
    ),
}
CASE = pytest.mark.parametrize(("story", "decide", "lapse", "types", "timers"), CASES.values(), ids=CASES)


@CASE
def test_it_lapses_to_what_it_was(story: Given, decide: Any, lapse: Any, types: Any, timers: Any):
    decided, lapsed = types
    confirmed = story.when(decide("confirmed")).then(decided)
    assert timers(confirmed.events[0]) == [Timer.at_instant("hit/hit_1", LATER, lapse)]
    [event] = confirmed.when(lapse).then(lapsed).events
    assert event.status == "open"
    cleared = story.given(decide("cleared"))
    assert cleared.events[0].lapses_at is None, "two have cleared it"
    [event] = cleared.given(decide("confirmed")).when(lapse).events
    assert event.status == "cleared", "one person undoes nothing that two have done"
    confirmed.given(decide("cleared")).when(lapse).then()
    story.when(lapse).then()


@CASE
def test_a_second_person_makes_it_stand(story: Given, decide: Any, lapse: Any, types: Any, timers: Any):
    confirmed = story.given(decide("confirmed"))
    confirmed.when(decide("confirmed")).refused("hit_confirmed_by_same_person")
    confirmed.when(decide("confirmed", TWO, 0, ONE)).refused("hit_confirmed_by_same_person")
    stands = confirmed.when(decide("confirmed", TWO)).then(types[0])
    assert stands.events[0].lapses_at is None
    assert timers(stands.events[0]) == [CancelTimer("hit/hit_1")]
    stands.when(lapse).then()
    [once_more] = stands.when(decide("confirmed")).events
    assert once_more.lapses_at is None


@CASE
def test_nobody_renews_their_own(story: Given, decide: Any, lapse: Any, types: Any, timers: Any):
    lapsed = story.given(decide("confirmed"), lapse)
    lapsed.when(decide("confirmed", days=4)).refused("hit_renewed_by_same_person")
    lapsed.given(decide("cleared")).when(decide("confirmed", days=4)).refused("hit_renewed_by_same_person")
    assert lapsed.when(decide("confirmed", TWO, 4)).events[0].lapses_at is not None
    assert lapsed.when(decide("confirmed", days=10)).events


SEVERAL = pytest.mark.parametrize(
    ("decide", "lapse", "screened"),
    [
        (of_request, CASES["a request's"][2], lambda *names: screen(*(hit(name) for name in names))),
        (of_consignee, CASES["a consignee's"][2], screened_consignee),
    ],
    ids=CASES,
)


@SEVERAL
def test_nobody_goes_on_by_turns_of_hits(decide: Any, lapse: Any, screened: Any):
    story = (a_book(submit()) if decide is of_request else Given(consignee.DECIDER)).given(screened("1", "2"))
    first = story.given(decide("confirmed"))
    [second] = first.when(decide("confirmed", days=2, name="2")).events
    assert (second.lapses_at, second.alone_since) == (LATER, LATER - timedelta(hours=72)), "with the first"
    lapsed = first.given(lapse)
    gone = lapsed.given(screened("2"), screened("1", "2"))
    for before in (lapsed, gone):
        before.when(decide("confirmed", days=4, name="2")).refused("hit_renewed_by_same_person")
        assert before.when(decide("confirmed", TWO, 4, name="2")).events
        assert before.when(decide("confirmed", days=10, name="2")).events
    stands = first.given(decide("confirmed", TWO, 1))
    assert stands.when(decide("confirmed", days=4, name="2")).events, "theirs was right"
