"""Ceremony: how a reserve begins. The keys of two persons and one instrument are entered without another approver's signature, and no more:
in one stream, so that of two who enter the last of them at once one is refused."""

import msgspec

from services.allocation.domain.authority.endorsement import Reason
from services.allocation.events import CeremonyEntered, InstrumentId, SubjectId
from shared.journal.decider import Decider, Refused

STREAM = "ceremony/reserve"
PERSONS = 2


class EnterKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId


class EnterInstrument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    instrument: InstrumentId


type Command = EnterKey | EnterInstrument


class Ceremony(msgspec.Struct, frozen=True):
    subjects: tuple[str, ...] = ()
    instrument: str | None = None


def decide(command: Command, ceremony: Ceremony) -> list[CeremonyEntered] | Refused[Reason]:
    if isinstance(command, EnterKey):
        if command.subject in ceremony.subjects:
            return []
        if len(ceremony.subjects) < PERSONS:
            return [CeremonyEntered(subject=command.subject, instrument=None)]
    elif ceremony.instrument == command.instrument:
        return []
    elif ceremony.instrument is None:
        return [CeremonyEntered(subject=None, instrument=command.instrument)]
    return Refused(Reason.MISSING, "the ceremony is over", field="/endorsement", accepted="another approver's signature")


def evolve(ceremony: Ceremony, event: CeremonyEntered) -> Ceremony:
    if event.subject is not None:
        return msgspec.structs.replace(ceremony, subjects=(*ceremony.subjects, event.subject))
    return msgspec.structs.replace(ceremony, instrument=event.instrument)


DECIDER = Decider(kind="ceremony", initial=Ceremony(), commands=Command, decide=decide, evolve=evolve)
