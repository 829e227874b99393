"""Clocks to delivery: what is reached, what is warned of, what is breached, and what a pause moves."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.allocation.domain.clocks.clock import (
    DECIDER,
    AdvanceClock,
    CheckClock,
    Command,
    ConfirmPause,
    EndClock,
    LapsePause,
    PauseClock,
    Reason,
    ResumeClock,
    SetClockBack,
    StartClock,
)
from services.allocation.domain.clocks.state import MILESTONES, Clock, standing
from services.allocation.events import DecisionHash, PartnerCode, ProductId, RequestId, SubjectId
from services.allocation.events.clocks import (
    ClockAdvanced,
    ClockBreached,
    ClockEnded,
    ClockEvent,
    ClockPauseConfirmed,
    ClockPaused,
    ClockResumed,
    ClockSetBack,
    ClockStarted,
    ClockWarned,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.protecting import day_of_lapse
from tests.stories.alone import LATER, ONE, TWO, by_one
from tests.stories.given import Given

DAY_0 = date(2026, 1, 6)
NAMED: dict[str, Any] = {"request": RequestId("req_1"), "product": ProductId("antimony-metal"), "partner": PartnerCode("JP")}
LIMITS: dict[Any, int] = dict(zip(MILESTONES, (5, 12, 14, 20, 23, 30), strict=True))
EMERGENCY: dict[Any, int] = dict(zip(MILESTONES, (1, 2, 3, 5, 6, 8), strict=True))
FIRST, SECOND = DecisionHash("aa" * 32), DecisionHash("bb" * 32)


def day(number: int) -> date:
    """Of the clock: 0 is the day of submission."""
    return DAY_0 + timedelta(days=number)


def start(on: int = 2, clock: str = "standard", limits: dict[Any, int] = LIMITS, loan: bool = False) -> StartClock:
    return StartClock(**NAMED, on=day(on), clock=clock, submitted_on=DAY_0, limits_days=limits, warn_days=3, loan=loan)


def advance(step: Any, on: int, *, of: str = "awd_1", mass_g: int = 100, decision: DecisionHash | None = None) -> AdvanceClock:
    return AdvanceClock(**NAMED, on=day(on), step=step, of=of, mass_g=mass_g, decision=decision)


def awarded(on: int = 4, mass_g: int = 100, decision: DecisionHash = FIRST) -> AdvanceClock:
    return advance("awarded", on, mass_g=mass_g, decision=decision)


def released(on: int = 4, mass_g: int = 100, decision: DecisionHash = FIRST) -> AdvanceClock:
    return advance("released", on, mass_g=mass_g, decision=decision)


def back(cause: Any, on: int, mass_g: int = 100, of: str = "awd_1") -> SetClockBack:
    return SetClockBack(**NAMED, on=day(on), cause=cause, of=of, mass_g=mass_g)


def check(on: int) -> CheckClock:
    return CheckClock(on=day(on))


def evolve(clock: Clock, event: ClockEvent) -> Clock:
    after = DECIDER.evolve(clock, event)
    assert event.now == standing(after), "each event says how the clock is after it"
    return after  # type: ignore[no-any-return]


CLOCK = msgspec.structs.replace(DECIDER, evolve=evolve)


def reached(story: Given) -> dict[str, int]:
    return {milestone: (on - DAY_0).days for milestone, on in story.state.reached.items()}


def test_an_acceptance_starts_the_clock_from_the_day_of_submission():
    story = Given(CLOCK)
    story = story.when(start(on=2))
    [started] = story.events
    assert isinstance(started, ClockStarted)
    assert started.limits["delivered"] == day(30)
    assert started.now.next == "decided"
    assert started.now.limit_on == day(12)
    assert DECIDER.timers(started) == [Timer("check", day(9), check(9))]
    story.when(start(on=3)).then()


def test_each_milestone_is_reached_when_the_whole_award_got_there():
    story = Given(CLOCK, start(), awarded(4), released(5))
    assert reached(story) == {"screened": 2, "decided": 4, "secured": 5}
    story = story.given(advance("weighed", 6, of="drw_1", mass_g=60))
    story = story.when(advance("dispatched", 7, of="drw_1", mass_g=60))
    [partly] = story.events
    assert isinstance(partly, ClockAdvanced)
    assert [(each.milestone, each.reached_g, each.of_g, each.reached_on) for each in partly.progress] == [("dispatched", 60, 100, None)]
    story = story.given(advance("delivered", 8, of="drw_1", mass_g=60))
    assert "cleared" not in reached(story)
    story = story.when(advance("delivered", 9, of="drw_2", mass_g=40))
    [last] = story.events  # a right that was assigned goes no way
    assert last.now.check_on is last.now.next is None
    assert reached(story) == {"screened": 2, "decided": 4, "secured": 5, "cleared": 9, "dispatched": 9, "delivered": 9}
    assert DECIDER.timers(last) == [CancelTimer("check")]


def test_news_of_a_release_may_come_before_that_of_the_award_and_of_the_acceptance():
    story = Given(CLOCK, released(4))
    assert (story.state.clock, standing(story.state).next) == (None, None)
    story = story.given(start(on=2))
    story.when(awarded(4)).then()
    assert reached(story) == {"screened": 2, "decided": 4, "secured": 4}


def test_a_loan_is_secured_once_it_is_committed_by_the_decision_that_stands():
    story = Given(CLOCK, released(4), start(loan=True))
    assert reached(story) == {"screened": 2, "decided": 4}
    story = story.given(advance("gate_opened", 6, decision=SECOND))
    assert "secured" not in reached(story)
    story = story.given(advance("gate_opened", 7, decision=FIRST))
    assert reached(story)["secured"] == 7


def test_an_award_that_inventory_refused_is_decided_once_more():
    story = Given(CLOCK, start(), awarded(4))
    story = story.when(back("award_withdrawn", 5))
    [withdrawn] = story.events
    assert isinstance(withdrawn, ClockSetBack)
    assert (withdrawn.now.next, reached(story)) == ("decided", {"screened": 2})
    story = story.given(awarded(6, mass_g=80, decision=SECOND))
    story = story.given(released(6, mass_g=80, decision=SECOND))
    assert reached(story)["secured"] == 6
    story.when(back("award_withdrawn", 6)).then()  # late news of the first


def test_what_lapses_or_comes_back_is_not_waited_for():
    story = Given(CLOCK, start(), released(4), advance("delivered", 9, of="drw_1", mass_g=60), advance("weighed", 9, of="drw_2", mass_g=30))
    story = story.given(back("returned", 10, mass_g=30, of="drw_2"))
    assert "delivered" not in reached(story)
    story = story.when(back("lapsed", 11, mass_g=10))
    [lapsed] = story.events
    assert (lapsed.now.next, reached(story)["delivered"]) == (None, 11)


def test_a_clock_ends_when_nothing_is_left_of_the_award():
    story = Given(CLOCK, start(), released(4))
    story = story.when(back("cancelled", 5))
    _, ended = story.events
    assert isinstance(ended, ClockEnded)
    assert ended.cause == "nothing_left"
    story.when(advance("weighed", 6, of="drw_1")).then()


def test_a_request_that_is_closed_has_no_clock():
    story = Given(CLOCK, start())
    story = story.when(EndClock(**NAMED, on=day(3), cause="withdrawn"))
    [ended] = story.events
    assert ended.now.next is ended.now.check_on is None
    story.when(check(40)).then()
    Given(CLOCK).when(EndClock(**NAMED, on=day(3), cause="declined")).then()


def test_a_draw_that_no_request_has_asked_for_moves_no_clock():
    Given(CLOCK).when(advance("weighed", 3, of="drw_1")).then()
    Given(CLOCK).when(back("lapsed", 3)).then()


def test_a_limit_is_warned_of_and_breached_each_once():
    story = Given(CLOCK, start())
    story = story.when(check(9))
    [warned] = story.events
    assert isinstance(warned, ClockWarned)
    assert (warned.milestone, warned.limit_on, warned.now.check_on) == ("decided", day(12), day(11))
    story = story.when(check(11))
    [secured] = story.events
    assert isinstance(secured, ClockWarned)
    assert secured.milestone == "secured"
    story.when(check(12)).then()
    story = story.when(check(13))
    [breached] = story.events
    assert isinstance(breached, ClockBreached)
    assert (breached.milestone, breached.now.breached) == ("decided", True)
    story.when(check(13)).then()


def test_a_late_look_finds_all_that_has_passed():
    story = Given(CLOCK, start())
    told = story.when(check(21)).events
    assert [(type(event).__name__, getattr(event, "milestone", "")) for event in told] == [
        ("ClockBreached", "decided"),
        ("ClockBreached", "secured"),
        ("ClockBreached", "cleared"),
        ("ClockWarned", "dispatched"),
    ]
    assert told[-1].now.check_on == day(24)


def test_a_fact_that_is_told_late_counts_for_its_day():
    story = Given(CLOCK, start())
    story = story.given(check(13))
    assert standing(story.state).breached
    story = story.given(released(12))
    assert not standing(story.state).breached
    late = Given(CLOCK, start(), check(13), released(13))
    assert standing(late.state).breached


def test_a_pause_moves_what_is_not_reached_by_its_days():
    story = Given(CLOCK, start(), awarded(4))
    story = story.when(PauseClock(reason="waits for the partner's letter of credit", since=day(5), on=day(6)))
    [paused] = story.events
    assert isinstance(paused, ClockPaused)
    assert DECIDER.timers(paused) == [CancelTimer("check")]
    assert (paused.now.next, paused.now.limit_on) == ("secured", None)
    story.when(check(20)).then()
    story = story.when(ResumeClock(on=day(15)))
    [resumed] = story.events
    assert isinstance(resumed, ClockResumed)
    assert (resumed.days, resumed.limits["secured"], resumed.now.limit_on) == (10, day(24), day(24))
    assert "decided" not in resumed.limits
    story.when(check(20)).then()
    assert len(story.when(check(21)).events) == 1


def test_what_is_reached_during_a_pause_is_not_late():
    story = Given(CLOCK, start(), PauseClock(reason="letter of credit", since=day(5), on=day(5)), released(16))
    assert not standing(story.state).breached
    assert story.state.limits["decided"] == day(12 + 11)


def test_a_breach_from_before_a_pause_is_not_told_again():
    story = Given(CLOCK, start(), check(13), PauseClock(reason="strike", since=day(13), on=day(13)), ResumeClock(on=day(16)))
    assert [event for event in story.when(check(16)).events if getattr(event, "milestone", "") == "decided"] == []


def test_what_fell_due_while_a_clock_was_paused_is_told_when_it_resumes():
    """Its timer fired meanwhile, and said nothing."""
    story = Given(CLOCK, start(), check(9), PauseClock(reason="strike", since=day(13), on=day(13)))
    story.when(check(13)).then()
    resumed, *told = story.when(ResumeClock(on=day(13))).events
    assert isinstance(resumed, ClockResumed) and isinstance(told[0], ClockBreached)
    assert (told[0].milestone, told[0].limit_on) == ("decided", day(12))
    assert told[-1].now.check_on is not None and told[-1].now.check_on > day(13)


def test_another_class_has_other_limits_and_keeps_what_was_paused():
    story = Given(CLOCK, start(), PauseClock(reason="strike", since=day(3), on=day(3)), ResumeClock(on=day(5)))
    [started] = story.when(start(on=6, clock="emergency", limits=EMERGENCY)).events
    assert isinstance(started, ClockStarted)
    assert (started.screened_on, started.limits["delivered"]) == (day(2), day(10))


def test_a_timer_is_never_set_for_a_day_that_it_fired_for():
    story = Given(CLOCK, start(), check(9))
    [started] = story.when(start(on=9, clock="emergency", limits=EMERGENCY)).events
    assert started.now.check_on == day(10)


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((), PauseClock(reason="x", since=DAY_0, on=DAY_0), Reason.NOT_RUNNING),
        ((), ResumeClock(on=DAY_0), Reason.NOT_RUNNING),
        ((start(),), ResumeClock(on=day(3)), Reason.NOT_PAUSED),
        ((start(), PauseClock(reason="x", since=day(3), on=day(3))), PauseClock(reason="x", since=day(3), on=day(3)), Reason.PAUSED),
        ((start(),), PauseClock(reason="x", since=day(4), on=day(3)), Reason.PAUSE_INVALID),
        ((start(),), PauseClock(reason="x", since=day(-1), on=day(3)), Reason.PAUSE_INVALID),
        ((start(), EndClock(**NAMED, on=day(3), cause="expired")), PauseClock(reason="x", since=day(3), on=day(3)), Reason.NOT_RUNNING),
    ],
)
def test_a_pause_that_cannot_be_is_refused(before: tuple[Command, ...], command: Command, reason: Reason):
    Given(CLOCK, *before).when(command).refused(reason)


steps = st.lists(
    st.one_of(
        st.builds(released, st.integers(3, 40)),
        st.builds(awarded, st.integers(3, 40)),
        st.builds(lambda step, on, of: advance(step, on, of=of, mass_g=50), st.sampled_from(["weighed", "dispatched", "delivered"]),
                  st.integers(3, 40), st.sampled_from(["drw_1", "drw_2"])),
        st.builds(check, st.integers(0, 60)),
        st.builds(start, st.integers(0, 10)),
    ),
    max_size=30,
)  # fmt: skip


@given(steps)
def test_whatever_the_order_of_news_each_limit_is_told_of_once_and_milestones_follow_one_another(commands: list[Command]):
    story = Given(CLOCK)
    told: list[ClockEvent] = []
    for command in commands:
        story = story.when(command)
        told += story.events
    for kind in (ClockWarned, ClockBreached):
        names = [event.milestone for event in told if isinstance(event, kind)]
        assert len(names) == len(set(names))
    grams = [sum(draw.mass_g for draw in story.state.draws.values() if draw.step >= step) for step in (1, 2, 3)]
    assert grams == sorted(grams, reverse=True)
    checks = [event.now.check_on for event in told if event.now.check_on is not None]
    assert all(isinstance(timer, Timer) for event in told if event.now.check_on for timer in DECIDER.timers(event))
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[ClockEvent]) == told
    assert len(checks) <= len(told)


def pause(by: str = ONE, on: int = 0, back: int = 0) -> PauseClock:
    return PauseClock(reason="letter of credit", since=day(on - back), by=by_one(by, on), on=day(on))


def confirm(by: str = TWO) -> ConfirmPause:
    return ConfirmPause(by=SubjectId(by), accounts=frozenset({by}))


LAPSE = LapsePause(lapses_at=LATER)


def test_a_pause_by_one_person_ends_after_72_hours_unless_a_second_one_confirms_it():
    story = Given(CLOCK, start()).when(pause())
    [paused] = story.events
    assert (paused.paused_by, paused.lapses_at) == (ONE, LATER)
    assert Timer.at_instant("pause", LATER, LAPSE) in DECIDER.timers(paused)
    story.when(confirm(ONE)).refused(Reason.OWN)
    resumed, *_ = story.when(LAPSE).events
    assert isinstance(resumed, ClockResumed) and resumed.on == day_of_lapse(LATER)
    stands = story.when(confirm()).then(ClockPauseConfirmed)
    assert CancelTimer("pause") in DECIDER.timers(stands.events[0])
    stands.when(LAPSE).then()
    stands.when(confirm()).refused(Reason.CONFIRMED)
    Given(CLOCK, start()).when(confirm()).refused(Reason.NOT_PAUSED)
    Given(CLOCK, start(), pause(), EndClock(**NAMED, on=day(5), cause="withdrawn")).when(LAPSE).then()


def test_a_pause_that_lapses_once_all_is_delivered_pauses_nothing_that_comes_back():
    delivered = [advance(step, 1, of="drw_1") for step in ("weighed", "dispatched", "delivered")]
    story = Given(CLOCK, start(on=0), awarded(0), released(0), pause(), *delivered).when(LAPSE).then(ClockResumed)
    assert story.events[0].now.next is None
    returned = story.given(back("returned", 4, of="drw_1", mass_g=50))
    assert returned.state.paused_since is None


def test_nobody_renews_a_pause_of_theirs_nor_begins_one_again_that_they_have_ended():
    for story in (Given(CLOCK, start(), pause(), LAPSE), Given(CLOCK, start(), pause(), ResumeClock(on=day(1)))):
        story.when(pause(on=4)).refused(Reason.RENEWED)
        story.when(pause(TWO, 4)).then(ClockPaused)
        story.when(pause(on=10)).then(ClockPaused)


def test_a_pause_begins_at_most_as_long_ago_as_one_person_s_lasts():
    Given(CLOCK, start()).when(pause(on=5, back=4)).refused(Reason.PAUSE_INVALID, "/since")
    Given(CLOCK, start()).when(pause(on=5, back=3)).then(ClockPaused)
