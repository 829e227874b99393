"""Laboratory: one stream each. Two people register it, with whose it is; one person ends it at once, since that protects.

An independent assay and an umpire's are neither party's. What a return's assay is held against is looked up in the register when it is
proposed, and once more when it is signed.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import assert_never

import immutables
import msgspec

from services.loans.domain import register
from services.loans.domain.register import ConfirmEnd, End, Ending, EndingReason, LapseEnd, Register
from services.loans.events.authority import AuthorityCited
from services.loans.events.laboratory import (
    LaboratoryCode,
    LaboratoryEndConfirmed,
    LaboratoryEnded,
    LaboratoryEndLapsed,
    LaboratoryEvent,
    LaboratoryRegistered,
    Owner,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
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


class EndLaboratory(End, frozen=True, kw_only=True, tag=True):
    """No assay that is signed from now on may name it."""


class ConfirmLaboratoryEnd(ConfirmEnd, frozen=True, kw_only=True, tag=True):
    pass


class LapseLaboratoryEnd(LapseEnd, frozen=True, kw_only=True, tag=True):
    pass


type Command = RegisterLaboratory | EndLaboratory | ConfirmLaboratoryEnd | LapseLaboratoryEnd


class Reason(Reasons):
    """Why the register says of a laboratory what it does."""

    REGISTERED_ALREADY = "laboratory_registered_already", 409, "The laboratory is registered already"
    NOT_FOUND = "laboratory_not_found", 404, "There is no such laboratory"
    ENDED = "laboratory_ended", 409, "The laboratory's registration has ended"
    ACCREDITATION_OVER = "laboratory_accreditation_over", 422, "The accreditation has expired"


class Laboratory(msgspec.Struct, frozen=True):
    id: LaboratoryCode | None = None  # None: not registered
    name: str = ""
    owner: Owner = INDEPENDENT
    accredited_until: date = date.min
    ending: Ending = Ending()
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def decide(command: Command, laboratory: Laboratory) -> Sequence[LaboratoryEvent] | Refused[Reason] | Refused[EndingReason]:
    match command:
        case RegisterLaboratory():
            return _register(command, laboratory)
        case EndLaboratory() | ConfirmLaboratoryEnd() | LapseLaboratoryEnd():
            ending = None if laboratory.id is None else laboratory.ending
            words = laboratory.ending.words
            return _REGISTER.decide(command, ending, _named(laboratory.id), words=words, laboratory=laboratory.id)
        case _:
            assert_never(command)


def _register(command: RegisterLaboratory, laboratory: Laboratory) -> Sequence[LaboratoryEvent] | Refused[Reason]:
    if command.accredited_until < command.on:
        detail = f"it was accredited until {command.accredited_until}"
        return Refused(Reason.ACCREDITATION_OVER, detail, "/accredited_until", f"{command.on} or later")
    said = (command.laboratory, command.name, command.owner, command.accredited_until)
    if said == (laboratory.id, laboratory.name, laboratory.owner, laboratory.accredited_until) and not laboratory.ending.ended:
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
                ending=register.lapsed(laboratory.ending),
            )
        case LaboratoryEnded():
            ending = register.ended(laboratory.ending, event.by, event.lapses_at, _named(event.laboratory))
            return msgspec.structs.replace(laboratory, ending=ending)
        case LaboratoryEndConfirmed():
            return msgspec.structs.replace(laboratory, ending=register.confirmed(laboratory.ending))
        case LaboratoryEndLapsed():
            return msgspec.structs.replace(laboratory, ending=register.lapsed(laboratory.ending))
        case AuthorityCited():
            return laboratory
        case _:
            assert_never(event)


def timers(event: LaboratoryEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    match event:
        case LaboratoryEnded(lapses_at=datetime() as at):
            return [Timer.at_instant("ended", at, LapseLaboratoryEnd(lapses_at=at))]
        case LaboratoryEndConfirmed() | LaboratoryRegistered():
            return [CancelTimer("ended")]
        case _:
            return ()


def _named(laboratory: LaboratoryCode | None) -> str:
    return f"laboratory {laboratory or ''}".strip()


def _ended(command: EndLaboratory, lapses_at: datetime, *, laboratory: LaboratoryCode) -> LaboratoryEnded:
    return LaboratoryEnded(laboratory=laboratory, by=command.by.by, reason=command.reason, lapses_at=lapses_at)


_REGISTER = Register(
    not_found=Reason.NOT_FOUND,
    ended_already=Reason.ENDED,
    field="path:laboratory",
    ended=_ended,
    confirmed=LaboratoryEndConfirmed,
    lapsed=LaboratoryEndLapsed,
)
DECIDER = Decider(kind="laboratory", initial=Laboratory(), commands=Command, decide=decide, evolve=evolve, timers=timers)
