"""A restore of everything begins a new history: what was recorded after the backup is lost, and partners hold receipts for it.

Under the old log's key, what comes now would be a second history that it signs. So the new one has a log, a key and places of its own; what
there is of the old log is kept as it was, and the new log's first leaf says where it ends.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from reserve.operate.backup import TILES, Head, history_of
from services.ledger.histories import tiles_of
from services.ledger.keys import KEY_NAMES, seed_key
from services.ledger.tile_copy import cut_tiles
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import ForkDetected, TileMissing, TileStore
from services.registry import JOURNALED
from shared.engines.private_files import private_folder, write_private
from shared.journal.connection import Connection
from shared.journal.places import FIRST, LAST, history_of_origin
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint
from shared.proofs.history import Before, Commitment
from shared.proofs.merkle import root_at
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey, parse_verifier_key

POLICY = "witnesses.policy"


class NotThisLog(Exception):
    """A checkpoint that is not of the backup's log, or from before its end; or a number that another history has."""


class Begun(msgspec.Struct, frozen=True):
    """The new history: its number, its log's verifier key, how many leaves of the log before it has, and how many had been signed for all
    that is known."""

    history: int
    key: str
    kept: int
    known: int


class _Last(msgspec.Struct, frozen=True):
    """The last checkpoint in the database. `numbered`: its size with the leaves of the logs before."""

    numbered: int
    size: int
    root: bytes
    note: str | None


async def begin_history(
    connection: Connection, folder: Path, heads: Mapping[str, Head], last: str | None = None, number: int | None = None
) -> Begun:
    """In a restored database and its folder, of which nothing serves yet. `last`: a checkpoint of the log that others hold. `number`: of
    the new history; None: the next one.

    Raises NotThisLog, KeyUnsafe, ForkDetected, TileMissing.
    """
    now = await history_of(connection, "ledger")
    history = now + 1 if number is None else number
    if not now < history <= LAST:
        raise NotThisLog(f"history {history} has been, or cannot be: the backup is of history {now} (accepted: {now + 1} to {LAST})")
    old = parse_verifier_key((folder / "keys" / f"{KEY_NAMES[0]}.vkey").read_text().strip())
    signed = await _last_signed(connection, now)
    note, known = _last_known(signed, last, old)
    _set_aside(folder, now)
    _check_tiles(tiles_of(folder, now), signed, known)
    key = seed_key(folder, _domain_of(old), history)
    _rename_in_policy(folder, now, old, key)
    commitment = Commitment(
        history=history,
        key=key,
        before=Before(history=now, key=str(old), kept=signed.size, kept_checkpoint=signed.note, checkpoint=note),
        ends={line: head.position for line, head in sorted(heads.items())},
    )
    async with connection.transaction():
        await _begin_log(connection, signed, commitment)
        for name in JOURNALED:
            rows = [(history, *_line_of(line), head.position + 1) for line, head in heads.items()]
            await connection.executemany(f'INSERT INTO "{name}".histories VALUES ($1, $2, $3, $4)', rows)  # noqa: S608
    return Begun(history, key, signed.size, known.size)


def history_in(folder: Path) -> int:
    """The number of the history that a deployment's folder is of, by its log's key; 0: it has none."""
    return 0 if (key := log_of(folder)) is None else history_of_origin(key.name)


def log_of(folder: Path) -> VerifierKey | None:
    """The key of the log that a deployment's folder is of; None: it has none."""
    try:
        return parse_verifier_key((folder / "keys" / f"{KEY_NAMES[0]}.vkey").read_text().strip())
    except (OSError, NoteMalformed):
        return None


async def _last_signed(connection: Connection, history: int) -> _Last:
    begins = await connection.fetchval("SELECT begins FROM ledger.logs WHERE history = $1", history) or 0
    row = await connection.fetchrow("SELECT size, root, note FROM ledger.checkpoints ORDER BY size DESC LIMIT 1")
    if row is None or row["size"] <= begins:  # it has signed nothing: its leaf 0 has a number, if it is a commitment
        return _Last(begins + (history > FIRST), 0, b"", None)
    return _Last(row["size"], row["size"] - begins, row["root"], row["note"])


def _last_known(signed: _Last, given: str | None, old: VerifierKey) -> tuple[str | None, TreeHead]:
    if given is None:
        return signed.note, TreeHead(signed.size, signed.root)
    try:
        found: Checkpoint = open_checkpoint(given, [old])
    except (NoteMalformed, NoteUnverified) as error:
        raise NotThisLog(f"the last checkpoint is not one of {old.name}: {error}") from error
    if found.head.size < signed.size:
        raise NotThisLog(f"the last checkpoint is of {found.head.size} leaves, and the backup has one of {signed.size}")
    if found.head.size == signed.size and found.head.root != signed.root:
        raise NotThisLog(f"the last checkpoint is of another log under the same key: at {signed.size} leaves it has another root")
    return given, found.head


def _set_aside(folder: Path, history: int) -> None:
    """Keys and tiles of the log that ends. Its private keys are in no backup, and no two histories are signed with one key."""
    keys = private_folder(folder / "keys" / f"history-{history}")
    for name in KEY_NAMES:
        if (given_out := folder / "keys" / f"{name}.vkey").exists():
            given_out.rename(keys / given_out.name)
        given_out.with_suffix(".pem").unlink(missing_ok=True)
    frozen = tiles_of(folder, history)
    frozen.parent.mkdir(parents=True)
    (folder / TILES).rename(frozen)
    (folder / TILES).mkdir()


def _check_tiles(frozen: Path, signed: _Last, known: TreeHead) -> None:
    """They hold all that the database had signed, and nothing else than what is known to have been signed later."""
    cut_tiles(frozen, known.size)
    store = TileStore(frozen)
    if signed.size:
        TileWriter(store, TreeHead(signed.size, signed.root))
    if known.size > signed.size and store.held_size() >= known.size:
        try:
            root = root_at(store.node_reader(known.size), known.size)
        except TileMissing:
            return  # a copy that was made while they were written
        if root != known.root:
            raise ForkDetected(f"the tiles have another root at {known.size} leaves than the last checkpoint")


def _domain_of(old: VerifierKey) -> str:
    domain, _, rest = old.name.rpartition("/ledger")
    return domain if rest else "reserve.localhost"


def _rename_in_policy(folder: Path, history: int, old: VerifierKey, key: str) -> None:
    """Its witnesses go on, for the new log, once they have been told its key."""
    if (policy := folder / "keys" / POLICY).exists():
        shutil.copyfile(policy, folder / "keys" / f"history-{history}" / POLICY)
        write_private(policy, policy.read_text().replace(str(old), key).encode())


def _line_of(line: str) -> tuple[str, int]:
    name, _, shard = line.partition("/")
    return name, int(shard)


async def _begin_log(connection: Connection, signed: _Last, commitment: Commitment) -> None:
    """The commitment has the number after the last leaf that was signed. What was recorded and not signed is in the new log, after it."""
    tables: Sequence[str] = ("entries", "postings")
    begins = signed.numbered
    for table in tables:
        await connection.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER append_only")
        # By way of numbers that are nobody's, since a key is compared row by row.
        await connection.execute(f"UPDATE ledger.{table} SET leaf_index = -(leaf_index + 1) WHERE leaf_index >= $1", begins)  # noqa: S608
        await connection.execute(f"UPDATE ledger.{table} SET leaf_index = -leaf_index WHERE leaf_index < 0")  # noqa: S608
        await connection.execute(f"ALTER TABLE ledger.{table} ENABLE TRIGGER append_only")
    later = "lpad((leaf_index + 1)::text, 16, '0') || substr(id, 17)"
    await connection.execute(f"UPDATE ledger.flags SET id = '-' || {later}, leaf_index = leaf_index + 1 WHERE leaf_index >= $1", begins)  # noqa: S608
    await connection.execute("UPDATE ledger.flags SET id = substr(id, 2) WHERE id LIKE '-%'")
    await connection.execute("UPDATE ledger.log_head SET size = size + 1 WHERE id = 0")
    await connection.execute("INSERT INTO ledger.logs VALUES ($1, $2, $3)", commitment.history, begins, commitment.leaf)
