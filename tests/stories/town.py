"""A town: streams of real deciders under one clock, their timers, and what others are to be able to do. How long somebody keeps them from
it is measured, however they go about it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any, Self

from hypothesis import strategies as st

from shared.clock import day_of
from shared.journal.decider import CancelTimer, Decider, Refused, Timer
from shared.terms.protecting import LAPSES_AFTER, ByOne, Word
from shared.zone import ZONE

THIEF = "sub_thief"
BEGINS = datetime(2026, 1, 6, 3, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 1_000)), max_size=14)  # so many hours later, the act of that number

type Reacts = Callable[[Any, date], Sequence[tuple[str, Any]]]  # an event, its day -> (stream, command) that follow


class Town:
    """`controlled`: each stream's decider under its controls. `free`: what others are to be able to do, each by a question to the town.
    `follows`: in other streams, from an event of any."""

    def __init__(
        self, now: datetime, deciders: Mapping[str, Decider], controlled: Mapping[str, Decider], follows: Reacts = lambda *_: ()
    ) -> None:
        self.now = now
        self.deciders = deciders
        self.controlled = controlled
        self.states: dict[str, Any] = {stream: decider.initial for stream, decider in deciders.items()}
        self.events: list[Any] = []
        self.free: dict[str, Callable[[Self], bool]] = {}
        self.stopped: dict[str, list[tuple[datetime, datetime]]] = {}  # from, to
        self.numbers = count(1)
        self._since: dict[str, datetime] = {}
        self._timers: dict[tuple[str, str], Timer] = {}
        self._follows = follows

    @property
    def today(self) -> date:
        return day_of(self.now, ZONE)

    def by_one(self, by: str, *beside: Word) -> ByOne:
        return ByOne(by=by, accounts=frozenset({by}), at=self.now, beside=beside)

    def can(self, stream: str, command: Any) -> bool:
        """Whether it would be done now. Nothing is."""
        return not isinstance(self.deciders[stream].decide(command, self.states[stream]), Refused)

    def alone(self, stream: str, command: Any) -> bool:
        """By one person. Whether it was done."""
        return self._decided(self.controlled[stream], stream, command)

    def by_two(self, stream: str, command: Any) -> bool:
        """By one who proposes it and another who signs, or by itself. Whether it was done."""
        return self._decided(self.deciders[stream], stream, command)

    def given(self, stream: str, *commands: Any) -> Self:
        for command in commands:
            assert self.by_two(stream, command), f"{stream} refuses {command}"
        return self

    def _decided(self, decider: Decider, stream: str, command: Any) -> bool:
        decided = decider.decide(command, self.states[stream])
        if isinstance(decided, Refused):
            return False
        for event in decided:
            self._record(stream, event)
        self._look()
        return True

    def passes(self, hours: float) -> None:
        """What is due goes by itself, at its instant."""
        until = self.now + timedelta(hours=hours)
        while due := min(((_fires(timer), key) for key, timer in self._timers.items() if _fires(timer) <= until), default=None):
            at, key = due
            self.now = max(self.now, at)
            self.given(key[0], self._timers.pop(key).command)
        self.now = until
        self._look()

    def stopped_within(self, what: str, days: int) -> timedelta:
        """For how long at most, in so many days on end."""
        spans = [*self.stopped.get(what, ()), *([(self._since[what], self.now)] if what in self._since else [])]
        length = timedelta(days=days)

        def in_days_from(first: datetime) -> timedelta:
            last = first + length
            return sum((min(end, last) - begin for begin, end in spans if first <= begin < last), timedelta())

        return max((in_days_from(begin) for begin, _ in spans), default=timedelta())

    def since(self, what: str) -> datetime | None:
        """When it ceased to be free; None: it is."""
        return self._since.get(what)

    def _record(self, stream: str, event: Any) -> None:
        decider = self.deciders[stream]
        self.states[stream] = decider.evolve(self.states[stream], event)
        self.events.append(event)
        for timer in decider.timers(event):
            if isinstance(timer, CancelTimer):
                self._timers.pop((stream, timer.name), None)
            else:
                self._timers[stream, timer.name] = timer
        for other, command in self._follows(event, self.today):
            self.given(other, command)

    def _look(self) -> None:
        for what, is_free in self.free.items():
            if is_free(self):
                if (since := self._since.pop(what, None)) is not None:
                    self.stopped.setdefault(what, []).append((since, self.now))
            else:
                self._since.setdefault(what, self.now)


type Act = Callable[[Town], Any]


def go(town: Town, acts: Sequence[Act], steps: Sequence[tuple[int, int]]) -> None:
    for hours, number in steps:
        town.passes(hours)
        acts[number % len(acts)](town)
    town.passes(24 * 14)


def never_for_longer(town: Town) -> None:
    """Whoever has stopped it for 72 hours stops it no more for days."""
    for what in town.free:
        assert town.stopped_within(what, 7) <= LAPSES_AFTER, f"{what} is stopped: {town.stopped[what]}"


def _fires(timer: Timer) -> datetime:
    """Once its day has begun, and its instant has passed."""
    begins = datetime.combine(timer.due, time(), ZONE).astimezone(UTC)
    return begins if timer.at is None else max(begins, timer.at)
