"""Official: a person who decides, by an opaque subject, and what they have declared that they have an interest in."""

from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.events.authority import (
    AuthorityCited,
    ConflictAbout,
    ConflictDeclared,
    ConflictWithdrawn,
    OfficialEvent,
    PersonId,
    PersonNamed,
    Tainted,
)
from services.allocation.events.ids import SubjectId
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.authority import interest_in
from shared.terms.countersigning import ProposedCommand


class DeclareConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    official: SubjectId
    about: ConflictAbout
    name: str
    reason: TypedText
    tainted: tuple[Tainted, ...] = ()  # as looked up


class WithdrawConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By somebody else: nobody clears themselves."""

    official: SubjectId
    about: ConflictAbout
    name: str
    reason: TypedText
    by: SubjectId


class NamePerson(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Whose account it is, by an opaque id."""

    official: SubjectId
    person: PersonId


type Command = DeclareConflict | WithdrawConflict | NamePerson


class Reason(Reasons):
    """Why an official's conflicts stay as they are."""

    ALREADY_DECLARED = "conflict_already_declared", 409, "The conflict is declared already"
    NOT_FOUND = "conflict_not_found", 404, "No such conflict is declared"
    PERSON_NAMED = "person_already_named", 409, "An account is one person's for ever"
    BY_ONESELF = "conflict_withdrawn_by_oneself", 403, "Nobody clears themselves of a conflict"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    about: ConflictAbout
    name: str


class Official(msgspec.Struct, frozen=True):
    conflicts: immutables.Map[str, Conflict] = immutables.Map()  # by what `interest_in` gives
    person: PersonId | None = None
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


def decide(command: Command, official: Official) -> list[OfficialEvent] | Refused[Reason]:
    if isinstance(command, NamePerson):
        if official.person is not None:
            return Refused(Reason.PERSON_NAMED, f"{command.official} is the account of {official.person}", field="/person")
        return [PersonNamed(official=command.official, person=command.person)]
    known = official.conflicts.get(interest_in(command.about, command.name))
    match command:
        case DeclareConflict():
            if known is not None:
                return Refused(Reason.ALREADY_DECLARED, f"a conflict with {command.name} is declared already")
            return [
                ConflictDeclared(
                    official=command.official,
                    about=command.about,
                    name=command.name,
                    reason=command.reason,
                    tainted=command.tainted,
                )
            ]
        case WithdrawConflict():
            if known is None:
                return Refused(Reason.NOT_FOUND, f"no conflict with {command.about} {command.name} is declared", field="/name")
            if command.by == command.official:
                return Refused(Reason.BY_ONESELF, "nobody withdraws a conflict of their own", accepted="another administrator")
            return [ConflictWithdrawn(official=command.official, about=known.about, name=known.name, reason=command.reason)]
        case _:
            assert_never(command)


def evolve(official: Official, event: OfficialEvent | AuthorityCited) -> Official:
    match event:
        case ConflictDeclared():
            conflict = Conflict(about=event.about, name=event.name)
            return replace(official, conflicts=official.conflicts.set(interest_in(event.about, event.name), conflict))
        case ConflictWithdrawn():
            return replace(official, conflicts=official.conflicts.delete(interest_in(event.about, event.name)))
        case PersonNamed():
            return replace(official, person=event.person)
        case AuthorityCited():
            return official
        case _:
            assert_never(event)


DECIDER = Decider(kind="official", initial=Official(), commands=Command, decide=decide, evolve=evolve)
