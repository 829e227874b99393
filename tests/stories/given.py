"""Given what happened, when a command comes, then these events follow, or it is refused: how the history of any stream is told."""

from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any, Self, TypeAliasType, get_args

from shared.journal.decider import Decider, Refused


class Given:
    """A stream after its history. It never changes: what goes on from it is another one, so many tests may go on from one.

    What happens is a command (which must not be refused), an event, or a function that makes one of them from the state.
    """

    def __init__(self, decider: Decider, *happened: Any) -> None:
        self.decider = decider
        self.state: Any = decider.initial
        self.command: Any = None  # the last one
        self.answer: Sequence[Any] | Refused[Any] = ()
        went_on = self.given(*happened)
        self.state, self.answer = went_on.state, went_on.answer

    def given(self, *happened: Any) -> Self:
        """After this has happened, too. Its `events` are all that followed."""
        later, followed = copy(self), list[Any]()
        for each in happened:
            made = each(later.state) if callable(each) else each
            if isinstance(made, _commands_of(self.decider.commands)):
                later = later.when(made)
                followed += later.events
            else:
                later.state = self.decider.evolve(later.state, made)
                followed.append(made)
        later.answer = followed
        return later

    def when(self, command: Any) -> Self:
        """Followed by `then` or `refused`, or by a look at its `events`."""
        later = copy(self)
        later.command = command(self.state) if callable(command) else command
        later.answer = self.decider.decide(later.command, self.state)
        if not isinstance(later.answer, Refused):
            for event in later.answer:
                later.state = self.decider.evolve(later.state, event)
        return later

    @property
    def events(self) -> Sequence[Any]:
        """What followed, of which nothing is refused."""
        assert not isinstance(self.answer, Refused), f"{self.command} is refused: {self.answer}"
        return self.answer

    def then(self, *events: Any) -> Self:
        """These and no others, in this order. A type stands for any event that is one."""
        seen = self.events
        told = [type(event) if expected is type(event) else event for event, expected in zip(seen, events, strict=False)]
        assert [*told, *seen[len(told) :]] == list(events), f"after {self.command}"
        return self

    def refused(self, reason: str, field: str | None = None) -> Refused[Any]:
        """The refusal. `field`: the input at fault, if that is looked at, too."""
        assert isinstance(self.answer, Refused), f"{self.command} was to be refused with {reason}, and gave {self.answer}"
        assert self.answer.code == reason, f"{self.command} was to be refused with {reason}, not so: {self.answer}"
        assert field is None or self.answer.field == field, f"{self.command} was to be refused at {field}: {self.answer}"
        return self.answer


@cache
def _commands_of(commands: Any) -> tuple[type, ...]:
    """The structs of a union, which may be an alias of others."""
    if isinstance(commands, TypeAliasType):
        return _commands_of(commands.__value__)
    return tuple(each for part in get_args(commands) for each in _commands_of(part)) or (commands,)
