"""Official: a person who decides, by an opaque subject, and what they have declared that they have an interest in."""

from typing import assert_never

import immutables
import msgspec

from services.allocation.events.authority import ConflictAbout, ConflictDeclared, ConflictWithdrawn, OfficialEvent
from services.allocation.events.ids import SubjectId
from shared.journal.decider import Decider, Reasons, Refused
from shared.terms.authority import interest_in


class DeclareConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    official: SubjectId
    about: ConflictAbout
    name: str
    reason: str


class WithdrawConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By somebody else: nobody clears themselves."""

    official: SubjectId
    about: ConflictAbout
    name: str
    reason: str
    by: SubjectId


type Command = DeclareConflict | WithdrawConflict


class Reason(Reasons):
    """Why an official's conflicts stay as they are."""

    ALREADY_DECLARED = "conflict_already_declared", 409, "The conflict is declared already"
    NOT_FOUND = "conflict_not_found", 404, "No such conflict is declared"
    BY_ONESELF = "conflict_withdrawn_by_oneself", 403, "Nobody clears themselves of a conflict"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    about: ConflictAbout
    name: str


class Official(msgspec.Struct, frozen=True):
    conflicts: immutables.Map[str, Conflict] = immutables.Map()  # by what `interest_in` gives


def decide(command: Command, official: Official) -> list[OfficialEvent] | Refused[Reason]:
    known = official.conflicts.get(interest_in(command.about, command.name))
    match command:
        case DeclareConflict():
            if known is not None:
                return Refused(Reason.ALREADY_DECLARED, f"a conflict with {command.name} is declared already")
            return [ConflictDeclared(official=command.official, about=command.about, name=command.name, reason=command.reason)]
        case WithdrawConflict():
            if known is None:
                return Refused(Reason.NOT_FOUND, f"no conflict with {command.about} {command.name} is declared", field="/name")
            if command.by == command.official:
                return Refused(Reason.BY_ONESELF, "nobody withdraws a conflict of their own", accepted="another administrator")
            return [ConflictWithdrawn(official=command.official, about=known.about, name=known.name, reason=command.reason)]
        case _:
            assert_never(command)


def evolve(official: Official, event: OfficialEvent) -> Official:
    key = interest_in(event.about, event.name)
    match event:
        case ConflictDeclared():
            return Official(official.conflicts.set(key, Conflict(about=event.about, name=event.name)))
        case ConflictWithdrawn():
            return Official(official.conflicts.delete(key))
        case _:
            assert_never(event)


DECIDER = Decider(kind="official", initial=Official(), commands=Command, decide=decide, evolve=evolve)
