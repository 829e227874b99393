"""Registers: what two people enter, and one person ends at once: a borrower's payees, laboratories.

Its end lapses, and it is in force again, unless another person confirms that. Who may enter what is for each register to say.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from shared.journal.decider import Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms import protecting
from shared.terms.protecting import ByOne, Word, alone, begins


class End(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By one person, at once."""

    by: ByOne
    reason: TypedText
    on: date


class ConfirmEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: it has ended for good."""

    by: str
    accounts: frozenset[str]


class LapseEnd(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    lapses_at: datetime


class EndingReason(Reasons):
    """Why what is registered does not end, or its end is not confirmed."""

    RENEWED = "ending_renewed_by_same_person", 403, "An ending that lapsed is not renewed by the same person"
    OWN = "ending_confirmed_by_same_person", 403, "An ending is confirmed by a second person"
    NOT_FOUND = "ending_not_found", 404, "It has not ended"
    STANDS = "ending_stands_already", 409, "The ending needs no confirmation"


class Ending(msgspec.Struct, frozen=True):
    """Of an entry. `last`: whose word its end is, or was, as long as nobody has confirmed it; `words`: all such, of late."""

    ended: bool = False
    last: Word | None = None
    words: tuple[Word, ...] = ()


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """What its events are, and why it refuses. `named`: what of an event says which entry it is about."""

    not_found: Reasons
    ended_already: Reasons
    field: str  # "path:payee"
    ended: Callable[..., Any]  # (command, when it lapses, **named): the event
    confirmed: Callable[..., Any]
    lapsed: Callable[..., Any]

    def decide(
        self, command: End | ConfirmEnd | LapseEnd, ending: Ending | None, id: str, *, words: Iterable[Word], **named: Any
    ) -> Sequence[Any] | Refused[Any]:
        """`ending` None: there is no such entry. `words`: of this one, and of others whose end stops the same."""
        if isinstance(command, LapseEnd):
            due = ending is not None and ending.ended and ending.last is not None and ending.last.lapses_at == command.lapses_at
            return [self.lapsed(**named)] if due else []
        if ending is None:
            return Refused(self.not_found, f"there is no {id}", self.field)
        if isinstance(command, End):
            return self._end(command, ending, words, id, named)
        if not ending.ended:
            return Refused(EndingReason.NOT_FOUND, f"{id} has not ended", self.field, "one that has ended")
        if ending.last is None:
            return Refused(EndingReason.STANDS, f"the end of {id} is confirmed, or was never to lapse", self.field)
        if ending.last.by in command.accounts:
            return Refused(EndingReason.OWN, f"{id} was ended by the same person", accepted="a second person")
        return [self.confirmed(confirmed_by=command.by, **named)]

    def _end(self, command: End, ending: Ending, words: Iterable[Word], id: str, named: dict[str, Any]) -> Sequence[Any] | Refused[Any]:
        if ending.ended:
            return Refused(self.ended_already, f"{id} has ended already", self.field, "one that is in force")
        lapses = begins(words, command.by, EndingReason.RENEWED, id)
        return lapses if isinstance(lapses, Refused) else [self.ended(command, lapses, **named)]


def ended(ending: Ending, by: str | None, lapses_at: datetime | None, id: str) -> Ending:
    """As an event says it; one of an earlier build stands by itself."""
    word = alone(by, lapses_at, id)
    return Ending(ended=True, last=word, words=protecting.said(ending.words, word))


def confirmed(ending: Ending) -> Ending:
    return msgspec.structs.replace(ending, last=None, words=protecting.confirmed(ending.words, ending.last))


def lapsed(ending: Ending) -> Ending:
    """In force again. Who ended it does not do so once more for a while."""
    return msgspec.structs.replace(ending, ended=False)
