"""Decider: how a stream's rules are written down. Pure, total, typed: no clock, no randomness, no I/O.

`decide(command, state)` gives the events that follow, or a `Refused`; `evolve(state, event)` gives the next state.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeAliasType, get_args, get_type_hints

import msgspec


class Reasons(StrEnum):
    """Why something is refused. A member is the `code` of an RFC 9457 problem, made with its HTTP status and title:
    `ALREADY_OPEN = "depot_already_open", 409, "The depot is already open"`. All three are promises to clients."""

    status: int
    says: str  # the problem's title: every str has a method of that name

    def __new__(cls, code: str, status: int, says: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status, member.says = status, says
        return member


class Refused[Reason: Reasons](msgspec.Struct, frozen=True):
    """A rule says no, and nothing has changed."""

    code: Reason
    detail: str
    field: str | None = None  # the input at fault, as a JSON pointer such as "/mass_g"
    accepted: str | None = None  # what would have been accepted, in words


class Timer(msgspec.Struct, frozen=True):
    """A command to come: it is submitted to the event's own stream once the day `due` has begun in the reserve's time zone, and the
    instant `at`, if there is one, has passed.

    Setting a timer of the same stream and name again replaces it. It may fire late, so its command checks the date itself; that of an
    instant carries the instant, since `decide` has no clock. A build from before there were instants fires at the beginning of the day:
    so a command that such a build knows is never given one.
    """

    name: str
    due: date
    command: Any
    at: datetime | None = None

    @classmethod
    def at_instant(cls, name: str, at: datetime, command: Any) -> Self:
        """Once the instant has passed, whatever the reserve's time zone: no zone is a day ahead of UTC, or behind it."""
        return cls(name, (at.astimezone(UTC) - timedelta(days=1)).date(), command, at)


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget the timer of this name, if there is one."""

    name: str


def no_timers(_event: Any) -> Sequence[Timer | CancelTimer]:
    return ()


class Decider(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of stream, named `kind/id` (`stockpile/antimony-metal`), with its rules.

    `commands` is the union of its command structs: timers store them as JSON, so each has a tag.
    An event that has an attribute `partner` belongs to that partner (a code such as "JP", or None).
    """

    kind: str
    initial: Any
    commands: Any
    decide: Callable[[Any, Any], Sequence[Any] | Refused[Any]]
    evolve: Callable[[Any, Any], Any]
    timers: Callable[[Any], Sequence[Timer | CancelTimer]] = no_timers
    also_refuses: frozenset[type[Reasons]] = frozenset()  # besides what the type of `decide` says

    @property
    def reasons(self) -> frozenset[type[Reasons]]:
        """Why it may refuse, as the type of `decide` says."""
        return self.also_refuses.union(_reasons_in(get_type_hints(self.decide).get("return")))


def _reasons_in(hint: Any) -> Iterator[type[Reasons]]:
    if isinstance(hint, TypeAliasType):
        hint = hint.__value__
    if isinstance(hint, type) and issubclass(hint, Reasons):
        yield hint
    for part in get_args(hint):
        yield from _reasons_in(part)
