"""Official: a person who decides, by an opaque subject, and what they have declared that they have an interest in."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.allocation.domain.authority import bar
from services.allocation.domain.authority.bar import Barring, Confirming
from services.allocation.domain.authority.endorsement import Endorsing, endorsed
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.events.authority import (
    AuthorityCited,
    ConflictAbout,
    ConflictConfirmed,
    ConflictDeclared,
    ConflictLapsed,
    ConflictWithdrawn,
    OfficialEvent,
    PersonId,
    PersonNamed,
    Tainted,
)
from services.allocation.events.ids import ReviewId, SubjectId
from services.allocation.events.papers import paper_of
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason
from shared.terms.authority import interest_in
from shared.terms.countersigning import ProposedCommand
from shared.terms.protecting import Word, alone, to_confirm


class DeclareConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What somebody declares of themselves stands for good, and of another for a while."""

    official: SubjectId
    about: ConflictAbout
    name: str
    reason: TypedText
    tainted: tuple[Tainted, ...] = ()  # as looked up
    barring: Barring


class ConfirmConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By whose it is, or by a second person: it stands until it is withdrawn."""

    official: SubjectId
    about: ConflictAbout
    name: str
    confirming: Confirming


class LapseConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed it in time."""

    official: SubjectId
    about: ConflictAbout
    name: str
    lapses_at: datetime


class WithdrawConflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By somebody else: nobody clears themselves."""

    official: SubjectId
    about: ConflictAbout
    name: str
    reason: TypedText
    by: SubjectId
    accounts: tuple[str, ...] = ()  # of theirs; none: it was proposed under an earlier build


class NamePerson(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Whose account it is, by an opaque id. `others`: the other accounts of that person, as looked up."""

    official: SubjectId
    person: PersonId
    others: frozenset[str]
    endorsing: Endorsing


type Command = DeclareConflict | ConfirmConflict | LapseConflict | WithdrawConflict | NamePerson


class Reason(Reasons):
    """Why an official's conflicts stay as they are."""

    ALREADY_DECLARED = "conflict_already_declared", 409, "The conflict is declared already"
    NOT_FOUND = "conflict_not_found", 404, "No such conflict is declared"
    PERSON_NAMED = "person_already_named", 409, "The account already belongs to a person"
    BY_ONESELF = "conflict_withdrawn_by_oneself", 403, "A conflict is not withdrawn by the person who has it"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    about: ConflictAbout
    name: str
    word: Word | None = None  # of who declared it of another, as long as nobody has confirmed it
    reviews: tuple[ReviewId, ...] = ()  # that are asked for because of it


class Official(msgspec.Struct, frozen=True):
    conflicts: immutables.Map[str, Conflict] = immutables.Map()  # by what `interest_in` gives
    person: PersonId | None = None
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature


type Stated = list[OfficialEvent] | Refused[Reason] | Refused[bar.Reason] | Refused[EndorsementReason] | Refused[ApprovalReason]


def decide(command: Command, official: Official) -> Stated:
    if isinstance(command, NamePerson):
        return _name(command, official)
    known = official.conflicts.get(interest_in(command.about, command.name))
    match command:
        case DeclareConflict():
            return _declare(command, known)
        case ConfirmConflict():
            if known is None:
                return _not_found(command)
            if (unfit := bar.unfit(known.word, command.confirming, command.official)) is not None:
                return unfit
            by = command.confirming.by
            return [ConflictConfirmed(official=command.official, about=known.about, name=known.name, confirmed_by=by)]
        case LapseConflict():
            if known is None or known.word is None or known.word.lapses_at != command.lapses_at:
                return []
            return [ConflictLapsed(official=command.official, about=known.about, name=known.name, reviews=known.reviews)]
        case WithdrawConflict():
            if known is None:
                return _not_found(command)
            if command.official in (command.by, *command.accounts):
                return Refused(Reason.BY_ONESELF, "nobody withdraws a conflict of their own", accepted="another administrator")
            return [ConflictWithdrawn(official=command.official, about=known.about, name=known.name, reason=command.reason)]
        case _:
            assert_never(command)


def evolve(official: Official, event: OfficialEvent | AuthorityCited) -> Official:
    match event:
        case ConflictDeclared():
            word = alone(event.declared_by, event.lapses_at)
            reviews = tuple(each.review for each in event.tainted if each.review is not None)
            return _with(official, Conflict(about=event.about, name=event.name, word=word, reviews=reviews))
        case ConflictConfirmed():
            return _with(official, Conflict(about=event.about, name=event.name))
        case ConflictWithdrawn() | ConflictLapsed():
            return replace(official, conflicts=official.conflicts.delete(interest_in(event.about, event.name)))
        case PersonNamed():
            return replace(official, person=event.person)
        case AuthorityCited():
            return official
        case _:
            assert_never(event)


def timers(event: OfficialEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    match event:
        case ConflictDeclared(lapses_at=datetime() as at):
            lapse = LapseConflict(official=event.official, about=event.about, name=event.name, lapses_at=at)
            return [Timer.at_instant(_timer(event), at, lapse)]
        case ConflictConfirmed() | ConflictWithdrawn():
            return [CancelTimer(_timer(event))]
        case _:
            return ()


def _name(command: NamePerson, official: Official) -> Stated:
    if official.person is not None:
        return Refused(Reason.PERSON_NAMED, f"{command.official} is the account of {official.person}", field="/person")
    named = PersonNamed(official=command.official, person=command.person)
    endorsement = endorsed(paper_of(named), {command.official, *command.others}, command.endorsing)
    return endorsement if isinstance(endorsement, Refused) else [replace(named, endorsement=endorsement)]


def _declare(command: DeclareConflict, known: Conflict | None) -> Stated:
    if known is not None:
        return Refused(Reason.ALREADY_DECLARED, f"a conflict with {command.name} is declared already", accepted=to_confirm(known.word))
    if isinstance(lapses_at := bar.begun(command.barring, command.official), Refused):
        return lapses_at
    return [
        ConflictDeclared(
            official=command.official,
            about=command.about,
            name=command.name,
            reason=command.reason,
            tainted=command.tainted,
            declared_by=command.barring.by,
            lapses_at=lapses_at,
        )
    ]


def _not_found(command: ConfirmConflict | WithdrawConflict) -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, f"no conflict with {command.about} {command.name} is declared", field="/name")


def _with(official: Official, conflict: Conflict) -> Official:
    return replace(official, conflicts=official.conflicts.set(interest_in(conflict.about, conflict.name), conflict))


def _timer(event: ConflictDeclared | ConflictConfirmed | ConflictWithdrawn) -> str:
    return f"unconfirmed/{interest_in(event.about, event.name)}"


DECIDER = Decider(kind="official", initial=Official(), commands=Command, decide=decide, evolve=evolve, timers=timers)
