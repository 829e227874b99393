"""Chance: everything random of a run comes from one seed, and everything that happens goes into one trace."""

import asyncio
import random
from collections import Counter
from enum import StrEnum
from hashlib import sha256

import msgspec

from tests.simulation.loop import rest


class Trace:
    """What happened, in order: its last lines, and a digest of all of them. Two runs of a seed have the same digest."""

    def __init__(self, keep: int = 60) -> None:
        self._keep = keep
        self.faults: Counter[str] = Counter()  # how often there was each kind
        self._written: list[str] = []

    def add(self, time: float, who: str, what: str) -> None:
        self._written.append(f"{time:12.6f} {who:13} {what}")

    @property
    def count(self) -> int:
        return len(self._written)

    @property
    def lines(self) -> list[str]:
        return self._written[-self._keep :]

    @property
    def digest(self) -> str:
        return sha256("".join(self._written).encode()).hexdigest()


class Fault(StrEnum):
    """What may go wrong. The usual seeds see each of them."""

    KILLED = "killed"
    STOPPED = "is told to stop, and does"
    DIES_BEFORE = "dies before a call's effect"
    DIES_AFTER = "dies after a call's effect"
    STANDS_STILL = "stands still"
    CLOCK_JUMPS = "has its clock elsewhere"
    UNREACHABLE = "does not reach its journal"
    NOT_DONE = "loses the answer to a change that was not made"
    DONE = "loses the answer to a change that was made"
    DONE_LATER = "loses the answer to a change that will be made"
    SESSION_LOST = "loses its session"
    SESSION_LOST_UNAWARE = "loses its lock without a word"
    JOURNAL_RESTARTS = "is restarted"
    BROKERS_DOWN = "are down"
    TAIL_LOST = "lose a tail"
    SEND_FAILS = "sends in vain, or without an answer"
    SEND_LATE = "sends what arrives later"
    SENT_TWICE = "sends twice"
    REPEATED = "is given messages again"
    HELD_BACK = "is not given what is there"
    RUBBISH = "hold what is no event"
    SOURCE_SILENT = "has no answer from a source"


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How much goes wrong in a run. Each run has some kinds of faults and not others, so that rare pairs meet too.

    Probabilities are a call's; intervals are means, in seconds, 0: never.
    """

    latency_s: float
    unreachable: float = 0.0  # the journal does not answer: nothing was done
    in_doubt: float = 0.0  # a commit's answer is lost: of these, done, not done, or done a little later
    dies_at_call: float = 0.0  # the process dies just before or just after a call has its effect
    send_fails: float = 0.0  # the broker took nothing, some or all of what was sent, and says no
    send_doubles: float = 0.0
    send_delays: float = 0.0  # what was sent arrives later, perhaps after its producer has died
    poll_repeats: float = 0.0  # messages are delivered again
    poll_holds: float = 0.0  # a partition's messages come later than another's
    source_silent: float = 0.0
    crash_every_s: float = 0.0
    stop_every_s: float = 0.0
    pause_every_s: float = 0.0
    lead_lost_every_s: float = 0.0
    tail_lost_every_s: float = 0.0
    clock_jumps_every_s: float = 0.0
    broker_down_every_s: float = 0.0
    rubbish_every_s: float = 0.0  # what is no event gets into a topic
    journal_restarts_every_s: float = 0.0


CALM = Rates(latency_s=0.001)


class Chance:
    """The run's dice. `rates` may change while it runs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.trace = Trace()
        self.rates = CALM
        self.stops: list[tuple[str, str, str]] = []  # process, line and why: each time that one was reported

    def happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def note(self, who: str, what: str) -> None:
        self.trace.add(asyncio.get_running_loop().time(), who, what)

    def fault(self, fault: Fault, who: str, what: str = "") -> None:
        self.trace.faults[fault] += 1
        self.note(who, f"{fault}: {what}" if what else fault)

    def latency(self) -> asyncio.Future[None]:
        """A call's way there, or back: mostly short, sometimes long."""
        return rest(self.random.expovariate(1.0) * self.rates.latency_s)

    def bytes(self, count: int) -> list[bytes]:
        drawn = self.random.randbytes(16 * count)
        return [drawn[start : start + 16] for start in range(0, 16 * count, 16)]


def draw_rates(dice: random.Random) -> Rates:
    """A run's own mixture of faults."""

    def sometimes(*values: float) -> float:
        return dice.choice(values) if dice.random() < 0.6 else 0.0

    return Rates(
        latency_s=dice.choice((0.0005, 0.002, 0.01)),
        unreachable=sometimes(0.002, 0.01, 0.03),
        in_doubt=sometimes(0.02, 0.1, 0.25),
        dies_at_call=sometimes(0.0005, 0.002, 0.004),
        send_fails=sometimes(0.02, 0.1),
        send_doubles=sometimes(0.05, 0.3),
        send_delays=sometimes(0.2, 0.6),
        poll_repeats=sometimes(0.05, 0.3),
        poll_holds=sometimes(0.1, 0.4),
        source_silent=sometimes(0.05, 0.3),
        crash_every_s=sometimes(3.0, 8.0, 20.0),
        stop_every_s=sometimes(6.0, 15.0),
        pause_every_s=sometimes(8.0, 20.0),
        lead_lost_every_s=sometimes(2.0, 8.0),
        tail_lost_every_s=sometimes(4.0, 12.0),
        clock_jumps_every_s=sometimes(5.0, 15.0),
        broker_down_every_s=sometimes(8.0, 20.0),
        rubbish_every_s=sometimes(10.0),
        journal_restarts_every_s=sometimes(5.0, 15.0),
    )
