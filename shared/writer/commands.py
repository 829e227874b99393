"""Commands: what goes with one to a service's writer, and what comes back."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from shared.journal.protocol import UNKNOWN_INPUT, Document
from shared.journal.record import Fact
from shared.journal.texts import SaltedText


class Refusal(StrEnum):
    """Why a process takes no writes."""

    WAITING_FOR_COPIES = "waiting_for_ledger"  # callers know it by that name, although Kafka has copies too
    BEHIND_COPIES = "behind_ledger"  # what others hold of the journal is more, or otherwise: it was restored to the past
    CURSOR_ALTERED = "cursor_altered"  # what was taken of a source is not what the source has
    NOT_THIS_JOURNAL = "not_this_journal"  # a newer build has taken over, or it was restored under our feet
    OUT_OF_ROOM = "database_full"  # the disk below PostgreSQL
    TILES_MISSING = "tiles_missing"  # the log's tiles lack what was signed
    LOG_FORKED = "log_forked"  # the tiles hold another log


class Overloaded(Exception):
    """The queue of the shard is full: nothing was done; try again later."""


class TooManyWaiting(Overloaded):
    """The client has more commands waiting than there is room left for others: nothing was done; try again later."""


class Unavailable(Exception):
    """PostgreSQL does not answer, or this service may not write now. The same command id may be tried again: it counts once."""


class CommandFailed(Exception):
    """A bug, or data that PostgreSQL refuses, in this one command: it changed nothing, and others are not touched."""


class CommandTooLarge(CommandFailed):
    """What the command says does not fit into an event: it changed nothing."""


class FingerprintMismatch(Exception):
    """The command id was used before with another input, or for another party."""


class ItemKeyReused(Exception):
    """Of what is all or nothing, the command id of one was used before with another input: nothing was done."""

    def __init__(self, number: int) -> None:
        super().__init__(f"command {number} was sent with another input before")
        self.number = number


class VersionMismatch(Exception):
    """The stream is not at the version that the command expects (If-Match)."""

    def __init__(self, actual: int) -> None:
        super().__init__(f"the stream is at version {actual}")
        self.actual = actual


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a command carries besides itself."""

    command_id: bytes  # 32 bytes; the same id is decided once
    actor: str  # an opaque subject id, or "service:allocation"
    correlation_id: str  # 32 hex digits
    causation_id: str  # the id of the request, or the place of the event, that it comes from
    effective_on: str  # the day it counts for
    fingerprint: bytes = b""  # SHA-256 of the caller's input
    party: bytes = b""  # whom the caller speaks for, as 8 bytes; b"": it is the service's own
    partner: str | None = None  # the partner among them; None: there is none
    expected_version: int | None = None
    client: str = ""  # whose turn it takes; "": the service's own
    documents: tuple[Document, ...] = ()
    texts: tuple[SaltedText, ...] = ()  # those that its events hold commitments to are kept

    @property
    def sent(self) -> bytes:
        """What is kept with its outcome of what was sent, and for whom."""
        return self.fingerprint + self.party

    def repeats(self, kept: bytes) -> bool:
        """Whether a command of the same id, with whose outcome this is kept, was the same, for the same party. Builds before kept the
        input alone."""
        return kept in (self.sent, self.fingerprint, UNKNOWN_INPUT + self.party, UNKNOWN_INPUT)

    def may_hear(self, kept: bytes, facts: Iterable[Fact]) -> bool:
        """Whether an answer of these facts is this partner's. With an outcome that was recovered no party is kept: where its events say
        whose they are, one of them is the caller's."""
        if kept != UNKNOWN_INPUT or self.partner is None:
            return True
        partners = {fact.record.partner for fact in facts} - {None}
        return not partners or self.partner in partners


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A command's answer. The same command id gets the same facts again."""

    stream: str
    version: int  # of the stream, after the command
    shard: int
    position: int  # of its last event, or of the shard's last one where it has none
    facts: tuple[Fact, ...]

    def event[E](self, kind: type[E]) -> E:
        """The first of its events that is of this type; that there is none is a bug."""
        return next(fact.event for fact in self.facts if isinstance(fact.event, kind))


class AllOrNothing(msgspec.Struct, frozen=True):
    """Commands for one stream, of which all are accepted or none is decided, under a command id of its own. Its refusal is that of the
    first that is refused, and `field` begins with whose it is: "/items/3/mass_g"."""

    commands: tuple[tuple[Any, Context], ...]


class BulkKey(msgspec.Struct, frozen=True):
    """Does nothing, once: what its command id was used for is known from then on."""


def in_item(number: int, field: str | None) -> str:
    """A field of one command, in the bulk that holds it: "path:release" is "/items/3/release"."""
    if field is None:
        return f"/items/{number}"
    _, colon, name = field.partition(":")
    return f"/items/{number}/{name.replace('-', '_')}" if colon else f"/items/{number}{field}"
