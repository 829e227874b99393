"""The first leaf of a new history's log: it commits to the last that is known of the log before it.

A restore of everything begins a new log, under a new key: under the old one it would sign a second history. Who has a part of the old log
finds here where it ends, and how much of it this history still has.
"""

from typing import Annotated, Literal

import msgspec

from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1
from shared.journal.record import canonical

MAX_LEAF_BYTES = 60_000  # an entry of the log has at most 65,535


class NoCommitment(ValueError):
    """The leaf does not commit to a log before it."""


class Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log before: its number, its verifier key, and how many of its first leaves are of events that this history has.
    `kept_checkpoint`: of these; `checkpoint`: the last one that is known. What was signed between the two is lost. Both are signed notes;
    None: it had signed nothing."""

    history: int
    key: str
    kept: Count
    kept_checkpoint: str | None
    checkpoint: str | None


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`key`: the new log's. `ends`: the last position of each line ("inventory/0") that this history has of those before it."""

    history: Annotated[int, msgspec.Meta(ge=2)]
    key: str
    before: Before
    ends: dict[str, Count]
    format: Literal["reserve.history.v1"] = "reserve.history.v1"

    @property
    def leaf(self) -> bytes:
        """The leaf's data. Raises ValueError where the checkpoint has too many signatures for it."""
        leaf = canonical(self)
        if len(leaf) > MAX_LEAF_BYTES:
            raise ValueError(f"it has {len(leaf)} bytes, and a leaf at most {MAX_LEAF_BYTES}")
        return leaf


def read_commitment(leaf: bytes) -> Commitment:
    """Raises NoCommitment."""
    try:
        found = msgspec.json.decode(leaf, type=Commitment)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoCommitment(f"it is no reserve.history.v1: {error}") from error
    if canonical(found) != leaf:
        raise NoCommitment("it is not in canonical JSON")
    return found
