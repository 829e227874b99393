"""The logs of a deployment's histories: the one that is signed now, and those before it, which stay as they were.

The ledger numbers what it records through all of them, sizes of checkpoints too, so that whatever is later has the larger number. A log's
leaves are numbered from 0; from history 2 on its leaf 0 is no entry, but the commitment to the log before it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.ledger.tiles import TileStore
from shared.journal.connection import Connection
from shared.journal.places import FIRST
from shared.proofs.checkpoint import Checkpoint, TreeHead, parse_checkpoint
from shared.proofs.history import Commitment, read_commitment
from shared.proofs.merkle import EMPTY_TREE
from shared.proofs.signed_note import parse_note


def tiles_of(folder: Path, history: int | None = None) -> Path:
    """Where the tiles of the log that is signed are in a deployment's folder; or those of the log of a history before."""
    return folder / "ledger" / "tiles" if history is None else folder / "ledger" / f"history-{history}" / "tiles"


class Begun(msgspec.Struct, frozen=True):
    """`begins`: the number of this log's leaf 0. `leaf`: what that is, the commitment."""

    history: int
    begins: int
    leaf: bytes

    @property
    def commitment(self) -> Commitment:
        return read_commitment(self.leaf)


class FrozenLog:
    """A log of a history before, as far as it is known: its key, its last checkpoint, and what there is of its tiles."""

    def __init__(self, begun: Begun, folder: Path) -> None:
        before = begun.commitment.before
        self.history = before.history
        self.key = before.key
        self.note = before.checkpoint
        self.head = EMPTY_TREE if self.note is None else head_of(self.note)
        self.store = TileStore(tiles_of(folder, self.history))


def head_of(note: str) -> TreeHead:
    checkpoint: Checkpoint = parse_checkpoint(parse_note(note).text)
    return checkpoint.head


class Logs:
    """Nothing changes it while the ledger serves."""

    def __init__(self, begun: Sequence[Begun], folder: Path) -> None:
        self._begun = begun
        self.frozen = {log.history: log for log in (FrozenLog(each, folder) for each in begun)}

    @property
    def current(self) -> int:
        return self._begun[-1].history if self._begun else FIRST

    @property
    def shift(self) -> int:
        """How much less than the ledger's numbers those in the log that is signed now are."""
        return self._begun[-1].begins if self._begun else 0

    @property
    def first_leaf(self) -> bytes | None:
        """Of the log that is signed now; None: it is of an entry."""
        return self._begun[-1].leaf if self._begun else None

    @property
    def begun(self) -> Sequence[Begun]:
        return self._begun

    def leaf_of(self, entry: int) -> tuple[int, int]:
        """(the history of its log, the leaf's index there)."""
        index = bisect_right(self._begun, entry, key=lambda each: each.begins)
        if index == 0:
            return FIRST, entry
        log = self._begun[index - 1]
        return log.history, entry - log.begins

    def number_of(self, history: int, leaf: int) -> int:
        """The ledger's number of a leaf: the way back."""
        return leaf + next((log.begins for log in self._begun if log.history == history), 0)

    def number_after(self, history: int, leaf: int) -> int:
        """The ledger's number of the leaf that comes after one: after one that was lost, the first of the log that follows."""
        index = bisect_right(self._begun, history, key=lambda each: each.history)
        number = self.number_of(history, leaf) + 1
        return number if index == len(self._begun) else min(number, self._begun[index].begins)

    def size_of(self, number: int) -> tuple[int, int]:
        """(the history of its log, its leaves) of a checkpoint that has this number as its size."""
        history, last = self.leaf_of(number - 1)
        return history, last + 1


async def read_logs(connection: Connection, folder: Path) -> Logs:
    rows = await connection.fetch("SELECT history, begins, leaf FROM logs ORDER BY history")
    return Logs([Begun(row["history"], row["begins"], row["leaf"]) for row in rows], folder)
