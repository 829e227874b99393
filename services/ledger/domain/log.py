"""Log: the one stream of the ledger. A checkpoint only ever follows a smaller one."""

from collections.abc import Sequence

import msgspec

from services.ledger.events import CheckpointSigned, Event
from shared.journal.decider import Decider

STREAM = "log/main"


class RecordCheckpoint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A checkpoint was signed, and its tiles are durable. Never refused: one that is not larger than the last changes nothing."""

    size: int
    root: str  # 64 hex digits
    note: str
    covers: dict[str, int]


type Command = RecordCheckpoint


class SignedLog(msgspec.Struct, frozen=True):
    size: int = 0  # of the last checkpoint


def decide(command: Command, log: SignedLog) -> Sequence[Event]:
    if command.size <= log.size:
        return []
    return [CheckpointSigned(size=command.size, root=command.root, note=command.note, covers=command.covers)]


def evolve(log: SignedLog, event: Event) -> SignedLog:
    return SignedLog(size=event.size)


DECIDER = Decider(kind="log", initial=SignedLog(), commands=Command, decide=decide, evolve=evolve)
