"""Parking: a person puts aside a message that a line cannot take, so that the line goes on. What the message says is not done meanwhile.

So who parks protects, for 72 hours: another person confirms it, or the message is tried again, and the line stands still where it fails
again. Nobody renews their own by the next message of its stream. One stream of each service records what is parked, by whom and why.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import immutables
import msgspec

from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1
from shared.journal.texts import TypedText
from shared.terms.countersigning import Class, Controls
from shared.terms.protecting import ByOne, Word, alone_since, begins, said

KIND = "parking"
STREAM = f"{KIND}/main"


# Events: each service has its own of these, with its tags. What is parked is the messages of one stream, on one line ("inventory/1").


class MessageParked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The message at `place` is put aside, and with it those of its stream that come after it. `event`: its type."""

    line: str
    stream: str
    place: str
    event: str
    reason: TypedText
    by: str
    lapses_at: datetime  # unless another person confirms it
    alone_since: datetime | None = None  # when they first parked a message of the stream there; None: by an earlier build


class ParkingConfirmed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    line: str
    stream: str
    by: str


class ParkingLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Nobody has confirmed it in time: the messages are tried again, and the line stands still until they are taken, or confirmed."""

    line: str
    stream: str


class MessagesUnparked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """They are taken, the last so many of them at once. `by`: who asked for it, or the service itself ("service:inventory")."""

    line: str
    stream: str
    messages: Count
    by: str


class ParkingEvents(msgspec.Struct, frozen=True, kw_only=True):
    """A service's own."""

    parked: type[MessageParked]
    confirmed: type[ParkingConfirmed]
    lapsed: type[ParkingLapsed]
    unparked: type[MessagesUnparked]


# Commands


class ParkMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """That the line stands still at it was looked up before."""

    line: str
    stream: str
    place: str
    event: str
    reason: TypedText
    by: ByOne


class ConfirmParking(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By another person, in time or late."""

    line: str
    stream: str
    by: str
    accounts: frozenset[str]  # of theirs, `by` among them


class LapseParking(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer."""

    line: str
    stream: str
    place: str


class UnparkMessages(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """They are taken: the inbox has done it."""

    line: str
    stream: str
    messages: int
    by: str


type Command = ParkMessage | ConfirmParking | LapseParking | UnparkMessages
type Event = MessageParked | ParkingConfirmed | ParkingLapsed | MessagesUnparked

CONTROLS: Controls = {
    ParkMessage: Class.PROTECTS,
    ConfirmParking: Class.PROTECTS,
    LapseParking: Class.FOLLOWS,
    UnparkMessages: Class.EXERCISES,
}


class ParkingReason(Reasons):
    """Why a message is not parked, or its parking not confirmed."""

    NOT_FOUND = "parking_not_found", 404, "No message of this stream is parked"
    CONFIRMED = "parking_stands_already", 409, "The parking is confirmed already"
    RENEWED = "parking_renewed_by_same_person", 403, "Nobody parks on what they parked and nobody confirmed"
    OWN = "parking_confirmed_by_same_person", 403, "Parking is confirmed by a second person"


class Parking(msgspec.Struct, frozen=True):
    """Of the messages of a stream on a line: what the event said of it, and what became of it."""

    line: str
    stream: str
    place: str
    event: str
    reason: TypedText
    by: str
    lapses_at: datetime
    confirmed_by: str | None = None
    lapsed: bool = False

    @property
    def due(self) -> bool:
        """It has to be tried again: one person's word is over."""
        return self.lapsed and self.confirmed_by is None


class Parked(msgspec.Struct, frozen=True):
    """All that a service has put aside: {line/stream: what is known of it}. `words`: by whose word alone, also after it has lapsed."""

    parkings: immutables.Map[str, Parking] = immutables.Map()
    words: immutables.Map[str, tuple[Word, ...]] = immutables.Map()


class _Parking(msgspec.Struct, frozen=True):
    events: ParkingEvents

    def decide(self, command: Command, state: Parked) -> Sequence[Event] | Refused[ParkingReason]:
        found = state.parkings.get(key_of(command))
        match command:
            case ParkMessage():
                if found is not None and found.place == command.place:
                    return []
                lapses = begins(state.words.get(key_of(command), ()), command.by, ParkingReason.RENEWED, command.place)
                if isinstance(lapses, Refused):
                    return lapses
                assert lapses is not None
                return [
                    self.events.parked(
                        line=command.line,
                        stream=command.stream,
                        place=command.place,
                        event=command.event,
                        reason=command.reason,
                        by=command.by.by,
                        lapses_at=lapses,
                        alone_since=alone_since(lapses),
                    )
                ]
            case ConfirmParking():
                if found is None:
                    return Refused(ParkingReason.NOT_FOUND, f"nothing of {command.stream} is parked on {command.line}", "query:stream")
                if found.confirmed_by is not None:
                    return Refused(ParkingReason.CONFIRMED, f"{found.confirmed_by} has confirmed it")
                if found.by in command.accounts:
                    return Refused(ParkingReason.OWN, "the same person has parked it", accepted="a second person")
                return [self.events.confirmed(line=command.line, stream=command.stream, by=command.by)]
            case LapseParking():
                if found is None or found.place != command.place or found.confirmed_by is not None or found.lapsed:
                    return []
                return [self.events.lapsed(line=command.line, stream=command.stream)]
            case UnparkMessages():
                if found is None and not command.messages:
                    return []
                return [self.events.unparked(line=command.line, stream=command.stream, messages=command.messages, by=command.by)]


def evolve(state: Parked, event: Any) -> Parked:
    match event:
        case MessageParked():
            key = key_of(event)
            parking = Parking(**{name: getattr(event, name) for name in Parking.__struct_fields__ if hasattr(event, name)})
            words = said(state.words.get(key, ()), Word(event.by, event.lapses_at, event.place))
            return Parked(state.parkings.set(key, parking), state.words.set(key, words))
        case ParkingConfirmed():
            return _changed(_forgotten(state, key_of(event)), event, confirmed_by=event.by)
        case ParkingLapsed():
            return _changed(state, event, lapsed=True)
        case MessagesUnparked() if (found := state.parkings.get(key_of(event))) is not None:
            left = msgspec.structs.replace(state, parkings=state.parkings.delete(key_of(event)))
            return left if found.lapsed else _forgotten(left, key_of(event))  # in time: they have kept nothing from anybody
        case _:  # of what an earlier build had parked
            return state


def _forgotten(state: Parked, key: str) -> Parked:
    """It is nobody's word alone any more."""
    return msgspec.structs.replace(state, words=state.words.delete(key)) if key in state.words else state


def _changed(state: Parked, event: ParkingConfirmed | ParkingLapsed, **changes: Any) -> Parked:
    key = key_of(event)
    parkings = state.parkings.set(key, msgspec.structs.replace(state.parkings[key], **changes))
    return msgspec.structs.replace(state, parkings=parkings)


def key_of(about: Command | Event) -> str:
    """Of the parking that a command or an event is about."""
    return f"{about.line}/{about.stream}"


def timers(event: Any) -> Sequence[Timer | CancelTimer]:
    """It lapses at its instant unless somebody confirms it, or it is taken."""
    match event:
        case MessageParked():
            lapse = LapseParking(line=event.line, stream=event.stream, place=event.place)
            return [Timer.at_instant(_name(event), event.lapses_at, lapse)]
        case ParkingConfirmed() | MessagesUnparked():
            return [CancelTimer(_name(event))]
        case _:
            return []


def _name(event: MessageParked | ParkingConfirmed | MessagesUnparked) -> str:
    return f"unconfirmed/{key_of(event)}"


def decider(events: ParkingEvents) -> Decider:
    """Of a service whose own events these are."""
    return Decider(kind=KIND, initial=Parked(), commands=Command, decide=_Parking(events).decide, evolve=evolve, timers=timers)
