"""Reach: whether the log takes what a service records. Where it does not, the service says so, from when on and from which events; so
whoever checks times knows why events came late. One stream says it, of all shards."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.journal.decider import Decider
from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1

KIND = "log_reach"
STREAM = f"{KIND}/main"


class LogReachReported(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The log takes what is recorded, or has not for a while. The first one says that it is reported from here on.

    `since`: when the first event was recorded that the log had not taken, of those after `after`: {shard: position}, of each shard. Once it
    is reached again, up to `until` was recorded meanwhile. Each service has its own, with its tag.
    """

    reached: bool
    since: datetime | None = None
    after: dict[str, Count] = {}
    until: dict[str, Count] = {}


class ReportReach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """As it is now. Never refused: what was said last is not said again. `heads`: {shard: position}; `since` and `after`: unless it is
    reached."""

    reached: bool
    heads: dict[str, int]
    since: datetime | None = None
    after: dict[str, int] = {}


class Reach(msgspec.Struct, frozen=True):
    """What was said last, if anything was."""

    reached: bool | None = None
    since: datetime | None = None
    after: dict[str, Count] = {}


def decider(reported: type[LogReachReported]) -> Decider:
    """Of a service whose own event it is."""

    def decide(command: ReportReach, state: Reach) -> Sequence[LogReachReported]:
        if state.reached is None:
            said = reported(reached=command.reached, since=command.since, after=command.after)
        elif state.reached == command.reached:
            return []
        elif command.reached:
            said = reported(reached=True, since=state.since, after=state.after, until=command.heads)
        else:
            said = reported(reached=False, since=command.since, after=command.after)
        return [said]

    return Decider(kind=KIND, initial=Reach(), commands=ReportReach, decide=decide, evolve=_evolve)


def _evolve(_: Reach, event: LogReachReported) -> Reach:
    return Reach(event.reached, event.since, event.after)
