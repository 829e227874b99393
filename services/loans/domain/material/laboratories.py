"""Laboratory: one stream each. Two people register it, with whose it is; one person ends it at once, since that protects.

An independent assay and an umpire's are neither party's. What a return's assay is held against is looked up in the register when it is
proposed, and once more when it is signed.
"""

from collections.abc import Sequence
from datetime import date
from typing import assert_never

import immutables
import msgspec

from services.loans.events.authority import AuthorityCited
from services.loans.events.laboratory import LaboratoryCode, LaboratoryEnded, LaboratoryEvent, LaboratoryRegistered, Owner
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand

RESERVE = Owner("reserve")
INDEPENDENT = Owner("independent")


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A laboratory as it is registered, and in force. `connected`: the parties that the borrower of a loan is connected with."""

    laboratory: LaboratoryCode
    name: str
    owner: Owner
    accredited_until: date
    connected: tuple[str, ...] = ()


class RegisterLaboratory(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """In full, also to change what is registered. `on`: today."""

    laboratory: LaboratoryCode
    name: str
    owner: Owner
    accredited_until: date
    on: date


class EndLaboratory(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    by: str
    reason: TypedText


type Command = RegisterLaboratory | EndLaboratory


class Reason(Reasons):
    """Why the register says of a laboratory what it does."""

    REGISTERED_ALREADY = "laboratory_registered_already", 409, "The laboratory is registered so already"
    NOT_FOUND = "laboratory_not_found", 404, "There is no such laboratory"
    ENDED = "laboratory_ended", 409, "The laboratory is registered no longer"
    ACCREDITATION_OVER = "laboratory_accreditation_over", 422, "The accreditation has run out"


class Laboratory(msgspec.Struct, frozen=True):
    id: LaboratoryCode | None = None  # None: not registered
    name: str = ""
    owner: Owner = INDEPENDENT
    accredited_until: date = date.min
    ended: bool = False
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def decide(command: Command, laboratory: Laboratory) -> Sequence[LaboratoryEvent] | Refused[Reason]:
    match command:
        case RegisterLaboratory():
            return _register(command, laboratory)
        case EndLaboratory():
            if laboratory.id is None:
                return Refused(Reason.NOT_FOUND, "there is no such laboratory", "path:laboratory")
            if laboratory.ended:
                return Refused(Reason.ENDED, f"{laboratory.id} is registered no longer", "path:laboratory", "one that is in force")
            return [LaboratoryEnded(laboratory=laboratory.id, by=command.by, reason=command.reason)]
        case _:
            assert_never(command)


def _register(command: RegisterLaboratory, laboratory: Laboratory) -> Sequence[LaboratoryEvent] | Refused[Reason]:
    if command.accredited_until < command.on:
        detail = f"it was accredited until {command.accredited_until}"
        return Refused(Reason.ACCREDITATION_OVER, detail, "/accredited_until", f"{command.on} or later")
    said = (command.laboratory, command.name, command.owner, command.accredited_until)
    if said == (laboratory.id, laboratory.name, laboratory.owner, laboratory.accredited_until) and not laboratory.ended:
        return Refused(Reason.REGISTERED_ALREADY, f"{laboratory.id} is registered so already", "/laboratory", "something that changes")
    return [
        LaboratoryRegistered(
            laboratory=command.laboratory, name=command.name, owner=command.owner, accredited_until=command.accredited_until
        )
    ]


def evolve(laboratory: Laboratory, event: LaboratoryEvent | AuthorityCited) -> Laboratory:
    match event:
        case LaboratoryRegistered():
            return msgspec.structs.replace(
                laboratory,
                id=event.laboratory,
                name=event.name,
                owner=event.owner,
                accredited_until=event.accredited_until,
                ended=False,
            )
        case LaboratoryEnded():
            return msgspec.structs.replace(laboratory, ended=True)
        case AuthorityCited():
            return laboratory
        case _:
            assert_never(event)


DECIDER = Decider(kind="laboratory", initial=Laboratory(), commands=Command, decide=decide, evolve=evolve)
