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
    EndClock,
    PauseClock,
    Reason,
    ResumeClock,
    SetClockBack,
    StartClock,
    decide,
)
from services.allocation.domain.clocks.state import MILESTONES, Clock, evolve, standing
from services.allocation.events import DecisionHash, PartnerCode, ProductId, RequestId
from services.allocation.events.clocks import (
    ClockAdvanced,
    ClockBreached,
    ClockEnded,
    ClockEvent,
    ClockPaused,
    ClockResumed,
    ClockSetBack,
    ClockStarted,
    ClockWarned,
)
from shared.journal.decider import CancelTimer, Refused, Timer

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


class Story:
    """A clock that is told one thing after the other."""

    def __init__(self, *commands: Command) -> None:
        self.clock = Clock()
        for command in commands:
            self.when(command)

    def when(self, command: Command) -> list[ClockEvent]:
        decided = decide(command, self.clock)
        assert not isinstance(decided, Refused), decided
        for event in decided:
            self.clock = evolve(self.clock, event)
            assert event.now == standing(self.clock)
        return decided

    def refuses(self, command: Command, reason: Reason) -> Refused[Reason]:
        decided = decide(command, self.clock)
        assert isinstance(decided, Refused), decided
        assert decided.code is reason
        return decided

    def reached(self) -> dict[str, int]:
        return {milestone: (on - DAY_0).days for milestone, on in self.clock.reached.items()}


def test_an_acceptance_starts_the_clock_from_the_day_of_submission():
    story = Story()
    [started] = story.when(start(on=2))
    assert isinstance(started, ClockStarted)
    assert started.limits["delivered"] == day(30)
    assert started.now.next == "decided"
    assert started.now.limit_on == day(12)
    assert DECIDER.timers(started) == [Timer("check", day(9), check(9))]
    assert story.when(start(on=3)) == []


def test_each_milestone_is_reached_when_the_whole_award_got_there():
    story = Story(start(), awarded(4), released(5))
    assert story.reached() == {"screened": 2, "decided": 4, "secured": 5}
    story.when(advance("weighed", 6, of="drw_1", mass_g=60))
    [partly] = story.when(advance("dispatched", 7, of="drw_1", mass_g=60))
    assert isinstance(partly, ClockAdvanced)
    assert [(each.milestone, each.reached_g, each.of_g, each.reached_on) for each in partly.progress] == [("dispatched", 60, 100, None)]
    story.when(advance("delivered", 8, of="drw_1", mass_g=60))
    assert "cleared" not in story.reached()
    [last] = story.when(advance("delivered", 9, of="drw_2", mass_g=40))  # a right that was assigned goes no way
    assert last.now.check_on is last.now.next is None
    assert story.reached() == {"screened": 2, "decided": 4, "secured": 5, "cleared": 9, "dispatched": 9, "delivered": 9}
    assert DECIDER.timers(last) == [CancelTimer("check")]


def test_news_of_a_release_may_come_before_that_of_the_award_and_of_the_acceptance():
    story = Story(released(4))
    assert (story.clock.clock, standing(story.clock).next) == (None, None)
    story.when(start(on=2))
    assert story.when(awarded(4)) == []
    assert story.reached() == {"screened": 2, "decided": 4, "secured": 4}


def test_a_loan_is_secured_once_it_is_committed_by_the_decision_that_stands():
    story = Story(released(4), start(loan=True))
    assert story.reached() == {"screened": 2, "decided": 4}
    story.when(advance("gate_opened", 6, decision=SECOND))
    assert "secured" not in story.reached()
    story.when(advance("gate_opened", 7, decision=FIRST))
    assert story.reached()["secured"] == 7


def test_an_award_that_inventory_refused_is_decided_once_more():
    story = Story(start(), awarded(4))
    [withdrawn] = story.when(back("award_withdrawn", 5))
    assert isinstance(withdrawn, ClockSetBack)
    assert (withdrawn.now.next, story.reached()) == ("decided", {"screened": 2})
    story.when(awarded(6, mass_g=80, decision=SECOND))
    story.when(released(6, mass_g=80, decision=SECOND))
    assert story.reached()["secured"] == 6
    assert story.when(back("award_withdrawn", 6)) == []  # late news of the first


def test_what_lapses_or_comes_back_is_not_waited_for():
    story = Story(start(), released(4), advance("delivered", 9, of="drw_1", mass_g=60), advance("weighed", 9, of="drw_2", mass_g=30))
    story.when(back("returned", 10, mass_g=30, of="drw_2"))
    assert "delivered" not in story.reached()
    [lapsed] = story.when(back("lapsed", 11, mass_g=10))
    assert (lapsed.now.next, story.reached()["delivered"]) == (None, 11)


def test_a_clock_ends_when_nothing_is_left_of_the_award():
    story = Story(start(), released(4))
    _, ended = story.when(back("cancelled", 5))
    assert isinstance(ended, ClockEnded)
    assert ended.cause == "nothing_left"
    assert story.when(advance("weighed", 6, of="drw_1")) == []


def test_a_request_that_is_closed_has_no_clock():
    story = Story(start())
    [ended] = story.when(EndClock(**NAMED, on=day(3), cause="withdrawn"))
    assert ended.now.next is ended.now.check_on is None
    assert story.when(check(40)) == []
    assert Story().when(EndClock(**NAMED, on=day(3), cause="declined")) == []


def test_a_draw_that_no_request_has_asked_for_moves_no_clock():
    assert Story().when(advance("weighed", 3, of="drw_1")) == []
    assert Story().when(back("lapsed", 3)) == []


def test_a_limit_is_warned_of_and_breached_each_once():
    story = Story(start())
    [warned] = story.when(check(9))
    assert isinstance(warned, ClockWarned)
    assert (warned.milestone, warned.limit_on, warned.now.check_on) == ("decided", day(12), day(11))
    [secured] = story.when(check(11))
    assert isinstance(secured, ClockWarned)
    assert secured.milestone == "secured"
    assert story.when(check(12)) == []
    [breached] = story.when(check(13))
    assert isinstance(breached, ClockBreached)
    assert (breached.milestone, breached.now.breached) == ("decided", True)
    assert story.when(check(13)) == []


def test_a_late_look_finds_all_that_has_passed():
    story = Story(start())
    told = story.when(check(21))
    assert [(type(event).__name__, getattr(event, "milestone", "")) for event in told] == [
        ("ClockBreached", "decided"),
        ("ClockBreached", "secured"),
        ("ClockBreached", "cleared"),
        ("ClockWarned", "dispatched"),
    ]
    assert told[-1].now.check_on == day(24)


def test_a_fact_that_is_told_late_counts_for_its_day():
    story = Story(start())
    story.when(check(13))
    assert standing(story.clock).breached
    story.when(released(12))
    assert not standing(story.clock).breached
    late = Story(start(), check(13), released(13))
    assert standing(late.clock).breached


def test_a_pause_moves_what_is_not_reached_by_its_days():
    story = Story(start(), awarded(4))
    [paused] = story.when(PauseClock(reason="waits for the partner's letter of credit", since=day(5), on=day(6)))
    assert isinstance(paused, ClockPaused)
    assert DECIDER.timers(paused) == [CancelTimer("check")]
    assert (paused.now.next, paused.now.limit_on) == ("secured", None)
    assert story.when(check(20)) == []
    [resumed] = story.when(ResumeClock(on=day(15)))
    assert isinstance(resumed, ClockResumed)
    assert (resumed.days, resumed.limits["secured"], resumed.now.limit_on) == (10, day(24), day(24))
    assert "decided" not in resumed.limits
    assert story.when(check(20)) == []
    assert len(story.when(check(21))) == 1


def test_what_is_reached_during_a_pause_is_not_late():
    story = Story(start(), PauseClock(reason="letter of credit", since=day(5), on=day(5)), released(16))
    assert not standing(story.clock).breached
    assert story.clock.limits["decided"] == day(12 + 11)


def test_a_breach_from_before_a_pause_is_not_told_again():
    story = Story(start(), check(13), PauseClock(reason="strike", since=day(13), on=day(13)), ResumeClock(on=day(16)))
    assert [event for event in story.when(check(16)) if getattr(event, "milestone", "") == "decided"] == []


def test_what_fell_due_while_a_clock_was_paused_is_told_when_it_resumes():
    """Its timer fired meanwhile, and said nothing."""
    story = Story(start(), check(9), PauseClock(reason="strike", since=day(13), on=day(13)))
    assert story.when(check(13)) == []
    resumed, *told = story.when(ResumeClock(on=day(13)))
    assert isinstance(resumed, ClockResumed) and isinstance(told[0], ClockBreached)
    assert (told[0].milestone, told[0].limit_on) == ("decided", day(12))
    assert told[-1].now.check_on is not None and told[-1].now.check_on > day(13)


def test_another_class_has_other_limits_and_keeps_what_was_paused():
    story = Story(start(), PauseClock(reason="strike", since=day(3), on=day(3)), ResumeClock(on=day(5)))
    [started] = story.when(start(on=6, clock="emergency", limits=EMERGENCY))
    assert isinstance(started, ClockStarted)
    assert (started.screened_on, started.limits["delivered"]) == (day(2), day(10))


def test_a_timer_is_never_set_for_a_day_that_it_fired_for():
    story = Story(start(), check(9))
    [started] = story.when(start(on=9, clock="emergency", limits=EMERGENCY))
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
    Story(*before).refuses(command, reason)


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
    story = Story()
    told: list[ClockEvent] = []
    for command in commands:
        told += story.when(command)
    for kind in (ClockWarned, ClockBreached):
        names = [event.milestone for event in told if isinstance(event, kind)]
        assert len(names) == len(set(names))
    grams = [sum(draw.mass_g for draw in story.clock.draws.values() if draw.step >= step) for step in (1, 2, 3)]
    assert grams == sorted(grams, reverse=True)
    checks = [event.now.check_on for event in told if event.now.check_on is not None]
    assert all(isinstance(timer, Timer) for event in told if event.now.check_on for timer in DECIDER.timers(event))
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[ClockEvent]) == told
    assert len(checks) <= len(told)
