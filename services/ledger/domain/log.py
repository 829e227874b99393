"""Log: the ledger's own stream, another one in each history. A checkpoint only ever follows a smaller one, and what is witnessed was
signed before."""

from collections.abc import Sequence

import msgspec

from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.journal.decider import Decider
from shared.journal.places import in_history

STREAM = "log/main"  # of the first history


def stream_of(history: int) -> str:
    """Its log begins with no leaf."""
    return in_history(STREAM, history)


class RecordCheckpoint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A checkpoint was signed, and its tiles are durable. Never refused: one that is not larger than the last changes nothing."""

    size: int
    root: str  # 64 hex digits
    note: str
    covers: dict[str, int]


class RecordWitnessed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Enough witnesses cosigned a checkpoint. Never refused: one below the last that they did changes nothing."""

    size: int
    root: str  # 64 hex digits
    note: str
    covers: dict[str, int]


type Command = RecordCheckpoint | RecordWitnessed
type Event = CheckpointSigned | CheckpointWitnessed


class SignedLog(msgspec.Struct, frozen=True):
    size: int = 0  # of the last checkpoint
    witnessed: int = 0  # of the last one that witnesses have cosigned


def decide(command: Command, log: SignedLog) -> Sequence[Event]:
    if isinstance(command, RecordCheckpoint):
        if command.size <= log.size:
            return []
        return [CheckpointSigned(size=command.size, root=command.root, note=command.note, covers=command.covers)]
    if not log.witnessed <= command.size <= log.size:
        return []
    return [CheckpointWitnessed(size=command.size, root=command.root, note=command.note, covers=command.covers)]


def evolve(log: SignedLog, event: Event) -> SignedLog:
    if isinstance(event, CheckpointSigned):
        return msgspec.structs.replace(log, size=event.size)
    return msgspec.structs.replace(log, witnessed=event.size)


DECIDER = Decider(kind="log", initial=SignedLog(), commands=Command, decide=decide, evolve=evolve)
