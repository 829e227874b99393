"""Line: one shard of one source, taken in order. It tells what follows from what repeats, and a fork from both."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

from shared.delivery.broker import Message
from shared.journal.messages import Headed
from shared.journal.protocol import Cursor

QUEUED = 8  # batches of messages that wait for a line at most
REMEMBERED = 4096  # chain hashes a line keeps to tell a repeat from a fork


class Stopped(Exception):
    """The line cannot go on without a person; the message says why."""


class Fork(Stopped):
    """The source's history is not the one that was taken before: it was restored to the past, or is another."""


def differs(place: str, theirs: bytes, taken: bytes) -> str:
    """How a fork is named."""
    return f"{place} has another hash than the one taken before: {theirs.hex()}, not {taken.hex()}"


class Line:
    """Position and chain hash of the last event taken, and whether the line stands still."""

    def __init__(self, source: str, shard: int) -> None:
        self.source = source
        self.shard = shard
        self.stopped: str | None = None  # why it stands still
        self.stopped_at: Headed | None = None  # the event that it could not take, if it stands at one
        self.retried: str | None = None  # the parked stream that was tried again and failed, if it stands still for that
        self.forked = False  # it stands still before another history; should the source come back to the one taken, it goes on
        self.compare_at = 0.0  # the loop's time from which it compares itself with its source
        self.busy = asyncio.Lock()  # held by whoever moves the cursor: the inbox, or an operator who parks or un-parks
        self.begin(Cursor(), frozenset())

    def begin(self, cursor: Cursor, parked_streams: frozenset[str]) -> None:
        """Starts, or starts again, from what is saved."""
        self.position = cursor.position
        self.chain = cursor.chain_hash
        self.kafka_offset = cursor.kafka_offset  # of the last message that was looked at; a hint, since positions decide
        self.parked_streams = set(parked_streams)
        self.arrived: asyncio.Queue[Sequence[Message]] = asyncio.Queue(QUEUED)
        self.compare_at = 0.0
        self.heard()
        self.go_on()
        self._remembered: OrderedDict[int, bytes] = OrderedDict({self.position: self.chain})

    @property
    def name(self) -> str:
        return f"{self.source}/{self.shard}"

    def stop(self, reason: Stopped) -> None:
        self.stopped = f"{type(reason).__name__.lower()}: {reason}"
        self.forked = isinstance(reason, Fork)

    def go_on(self) -> None:
        self.stopped = self.stopped_at = self.retried = None
        self.forked = False

    def look(self) -> None:
        """Has it compare itself with its source now."""
        self.compare_at = 0.0
        if self.arrived.empty():  # else it is awake
            self.arrived.put_nowait(())

    def heard(self) -> None:
        """It has taken something, or found nothing new at its source."""
        self.heard_at = time.time()  # seconds since 1970

    def after(self, taken: Headed) -> Cursor:
        """Its cursor once this event is taken."""
        return Cursor(taken.record.position, taken.record.chain_hash, self.kafka_offset)

    def follow(self, arrived: Headed, last: Headed | None) -> bool:
        """Whether it is the event after `last` (None: after the cursor); False for a repeat. Raises `Fork`, `Stopped` for a gap."""
        record = arrived.record
        position, chain = (self.position, self.chain) if last is None else (last.record.position, last.record.chain_hash)
        if record.shard != self.shard:
            raise Stopped(f"{self.name}: an event of shard {record.shard} came")
        if record.position <= position:
            # One older than memory cannot be told from a fork here; the next event of a fork, or a look at the source, tells.
            known = chain if record.position == position else self._remembered.get(record.position, record.chain_hash)
            if known != record.chain_hash:
                raise Fork(differs(str(record.place(self.source)), record.chain_hash, known))
            return False
        if record.position > position + 1:
            raise Stopped(f"{record.place(self.source)} came after {position}")
        if arrived.previous != chain:
            there = f"{record.place(self.source)} does not follow the event taken before it: {self.name}/{position}"
            raise Fork(differs(there, arrived.previous, chain))
        return True

    def remembered(self, position: int) -> bytes | None:
        """The chain hash of what was taken there; None: it was too long ago."""
        return self._remembered.get(position)

    def moved(self, taken: Headed) -> None:
        self.position, self.chain = taken.record.position, taken.record.chain_hash
        self._remembered[self.position] = self.chain
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
