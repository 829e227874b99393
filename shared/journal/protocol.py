"""Journal: a service's append-only event log, split into shards without gaps, as the kernel sees it.

`shared.journal.postgres` is the one that serves; the simulation has another. Whatever they do may raise `Unreachable`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal, Protocol, overload

import msgspec

from shared.journal.messages import Headed
from shared.journal.places import Histories
from shared.journal.record import GENESIS, Fact, Record
from shared.journal.texts import KeptText


class Unreachable(Exception):
    """The store does not answer, or says "not now". What was asked of it last may be done or not."""


class OutOfRoom(Unreachable):
    """The store's disk is full. What was asked last is not done."""


class LostLead(Exception):
    """Another process leads: what was asked was not done."""


class CommandDecidedElsewhere(Exception):
    """Another transaction was faster: with a command of the same id, or with the shard whose head was believed. Look, and begin anew."""


class Head(msgspec.Struct, frozen=True):
    """The last event of a shard: where the next one goes, and what it is chained to."""

    position: int
    chain_hash: bytes
    recorded_at: datetime | None  # None: nothing recorded yet
    epoch: int  # a build of an older epoch stops itself when it reads this under the lock


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """How far a shard was carried or taken."""

    position: int = 0
    chain_hash: bytes = GENESIS
    kafka_offset: int = -1  # of the last message that was looked at; a hint, since positions decide


class Document(msgspec.Struct, frozen=True):
    """Bytes too large for an event, stored with it under their SHA-256."""

    content: bytes
    media_type: str = "application/json"

    @property
    def name(self) -> str:
        return sha256(self.content).hexdigest()


# The fingerprint in an outcome that was recovered, since events do not say what the caller had sent; or of a text that was erased: then the
# party follows.
UNKNOWN_INPUT = b"?"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a command: kept, so that the same command gets the same answer and nothing moves twice."""

    shard: int
    command_id: bytes
    fingerprint: bytes  # of what was sent, and for whom (`Context.sent`)
    first_position: int | None  # None: refused, or accepted without an event
    events: int
    stream: str
    version: int  # of the stream, after the command
    refused: str | None  # the refusal as JSON


class TimerRow(msgspec.Struct, frozen=True, gc=False):
    stream: str
    name: str
    due: date
    command: str  # JSON
    at: datetime | None = None  # not before this instant
    version: int | None = None  # of the event that set it, in its stream; None: an earlier build set it


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What an append writes, all of it or nothing."""

    recorded_at: datetime
    facts: Sequence[Fact] = ()  # they follow the head
    outcomes: Sequence[Outcome] = ()
    documents: Sequence[Document] = ()
    texts: Sequence[KeptText] = ()
    erased: Sequence[str] = ()  # texts, by their commitments
    timers: Sequence[TimerRow | tuple[str, str]] = ()  # set (a row) or forgotten (its stream and name); the last word on each counts


class Append(Protocol):
    """An open append: it holds the shard's lock from its begin to its end, or compares the head at its end, so the order of commits is the
    order of positions."""

    head: Head
    known: Mapping[bytes, Outcome]  # of the command ids that were asked for, in whichever shard they were decided

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        """The next records of a shard, in order."""

    async def save(self, changes: Changes) -> None:
        """At most once. Raises `CommandDecidedElsewhere`."""


class RelayLead(Protocol):
    async def cursors(self) -> dict[int, Cursor]: ...

    async def ahead(self, cursors: Mapping[int, Cursor]) -> list[int]:
        """The shards of which more is committed than up to their cursors: one look at all, whoever appends."""

    async def move(self, shard: int, *, since: int, to: int) -> None:
        """Raises `LostLead` where the cursor is not at `since`."""

    async def news(self, seconds: float) -> None:
        """Until any process has appended, or for so long."""


class InboxLead(Protocol):
    async def cursors(self) -> dict[tuple[str, int], tuple[Cursor, frozenset[str]]]:
        """Of each line that has one: its cursor, and the streams of which events are parked."""

    async def move(
        self, source: str, shard: int, *, since: int, to: Cursor, facts: Sequence[Fact] = (), parked: Mapping[str, Sequence[Headed]] = {}
    ) -> None:
        """The cursor, the tables that `facts` feed, and what is parked (by reason), in one transaction. Raises `LostLead`."""

    async def parked(self, source: str, shard: int, stream: str) -> list[Headed]: ...

    async def unpark(self, fact: Fact) -> None:
        """Feeds the tables with a parked event, which is parked no more. Raises `LostLead` where it was not."""

    async def set_aside(self, source: str, partition: int, offset: int, reason: str) -> None:
        """Keeps that a message was no event."""


class TimersLead(Protocol):
    async def due(self, day: date, now: datetime) -> list[TimerRow]:
        """Some of those that are due on this day at this instant, the oldest first."""

    async def forget(self, timer: TimerRow) -> None:
        """Unless it was set to another day or instant meanwhile."""

    async def forget_refusals(self, before: datetime) -> None:
        """Refusals of old: their command ids may be used again."""


class Journal(Protocol):
    service: str
    codec: Any
    histories: Histories  # as of the last look at the heads

    async def heads(self) -> dict[int, tuple[Head, Mapping[str, int]]]:
        """Of each shard: its head, and the last partner_seq of each partner."""

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        """The next committed records of a shard, in order: at most `limit` of them, and at least one where there is one."""

    def read_stream(self, stream: str, *, after: int = 0) -> AsyncIterator[tuple[int, Any]]:
        """(version, event) of a stream, in order."""

    async def shard_of(self, stream: str) -> int | None:
        """None: the stream has no event yet."""

    def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AbstractAsyncContextManager[Append]:
        """Commits when the block ends without an exception. `Unreachable` at its end: committed or not.

        With a head that is `believed` nothing is asked of the store before the end: no lock is held, and no outcome known. The end raises
        `CommandDecidedElsewhere`, and nothing is done, where the head is another or a saved outcome's command has one already.
        """

    @overload
    def lead(self, role: Literal["relay"]) -> AbstractAsyncContextManager[RelayLead | None]: ...
    @overload
    def lead(self, role: Literal["inbox"]) -> AbstractAsyncContextManager[InboxLead | None]: ...
    @overload
    def lead(self, role: Literal["timers"]) -> AbstractAsyncContextManager[TimersLead | None]: ...
    def lead(self, role: str) -> AbstractAsyncContextManager[Any]:
        """Leads a role while the block lasts; None: another process does. Whoever has lost the lead is kept from harm by what each call
        compares."""
