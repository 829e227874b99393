"""What a restore of everything does to the ledger's tables: what was recorded and not signed is in the new log, after its commitment."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from reserve.operate.backup import Head, heads_of
from reserve.operate.histories import NotThisLog, begin_history
from services.ledger.histories import read_logs, tiles_of
from services.ledger.keys import open_key, pinned_keys, seed_key
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore
from services.registry import JOURNALED
from shared.journal.connection import Connection
from shared.journal.places import history_of_origin
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.signed_note import parse_verifier_keys
from tests.upgrades.lineages import up

NOW = datetime(2026, 1, 6, tzinfo=UTC)
SIGNED, RECORDED = 5, 8


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[Connection]:
    for name in JOURNALED:
        await up(name)
    connection = await asyncpg.connect(database, server_settings={"search_path": "ledger"})
    yield connection
    await connection.close()


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"leaf %d" % number).digest()


async def recorded(connection: Connection, folder: Path, signed: int, upto: int) -> TreeHead:
    """Entries with a posting and a flag each, of which the first are signed; and all of their tiles."""
    seed_key(folder)
    for number in range(upto):
        await connection.execute(
            """INSERT INTO ledger.entries (leaf_index, source, shard, position, leaf, salt, event_hash, chain_hash, hashed, type, stream,
                                           effective_on, recorded_at, correlation_id)
               VALUES ($1::bigint, 'inventory', 0, $1::bigint + 1, $2, '', '', '', '', 'a', 'b', $3, $4, 'c')""",
            *(number, leaf(number), date(2026, 1, 6), NOW),
        )
        await connection.execute(
            "INSERT INTO ledger.postings VALUES ($1, 0, 'a balance', 'title', 'grams', $2, 1, 'posted', $3, $4)",
            *(number, f"account {number}", date(2026, 1, 6), NOW),
        )
        await connection.execute(
            "INSERT INTO ledger.flags VALUES ($1, 'overdrawn', $2, 'title', 'grams', 'one', -1, 0)", f"{number:016d}/one", number
        )
    await connection.execute("UPDATE ledger.log_head SET size = $1", upto)
    tree = TileWriter(TileStore(tiles_of(folder)))
    head = tree.append([leaf(number) for number in range(signed)])
    key, signer = open_key(folder)
    note = sign_checkpoint(Checkpoint(key.name, head), signer)
    await connection.execute(
        "INSERT INTO ledger.checkpoints VALUES ($1, $2, $3, $4, $5)", head.size, head.root, note, '{"inventory/0": 5}', NOW
    )
    tree.append([leaf(number) for number in range(signed, upto)])
    return head


async def heads(connection: Connection) -> dict[str, Head]:
    return {line: head for name in JOURNALED for line, head in (await heads_of(connection, name)).items()}


async def numbers(connection: Connection) -> list[tuple[int, bytes, str, str]]:
    """Of each entry: its number, with the leaf, the account of its posting and the id of its flag."""
    rows = await connection.fetch(
        """SELECT leaf_index, leaf, account, (SELECT id FROM ledger.flags WHERE flags.leaf_index = entries.leaf_index)
           FROM ledger.entries JOIN ledger.postings USING (leaf_index) ORDER BY leaf_index"""
    )
    return [tuple(row) for row in rows]


async def test_what_was_recorded_and_not_signed_comes_after_the_commitment(ledger: Connection, tmp_path: Path) -> None:
    head = await recorded(ledger, tmp_path, SIGNED, RECORDED)
    begun = await begin_history(ledger, tmp_path, await heads(ledger))
    assert (begun.history, begun.kept, begun.known) == (2, SIGNED, SIGNED)
    logs = await read_logs(ledger, tmp_path)
    assert [logs.leaf_of(number) for number in (0, 4, 6, 8)] == [(1, 0), (1, 4), (2, 1), (2, 3)]
    expected = [(number if number < SIGNED else number + 1, number) for number in range(RECORDED)]
    assert await numbers(ledger) == [(now, leaf(was), f"account {was}", f"{now:016d}/one") for now, was in expected]
    assert await ledger.fetchval("SELECT size FROM ledger.log_head") == RECORDED + 1
    for table in ("entries", "postings"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await ledger.execute(f"UPDATE ledger.{table} SET leaf_index = 99")
    frozen = logs.frozen[1]
    assert frozen.head == head and frozen.store.held_size() == SIGNED, "what nobody is known to have signed is not shown"
    assert [history_of_origin(key.name) for key in parse_verifier_keys(pinned_keys(tmp_path))] == [2, 1]
    assert logs.begun[0].commitment.ends == dict.fromkeys((f"{name}/{shard}" for name in JOURNALED for shard in range(4)), 0)


async def test_one_that_signed_nothing_is_followed_by_another(ledger: Connection, tmp_path: Path) -> None:
    """Nothing was served between the two restores: the second history has the commitment alone, and it is not signed."""
    await recorded(ledger, tmp_path, SIGNED, RECORDED)
    await begin_history(ledger, tmp_path, await heads(ledger))
    begun = await begin_history(ledger, tmp_path, await heads(ledger), number=4)
    assert (begun.history, begun.kept) == (4, 0)
    logs = await read_logs(ledger, tmp_path)
    assert [number for number, *_ in await numbers(ledger)] == [0, 1, 2, 3, 4, 7, 8, 9]
    assert [logs.leaf_of(number) for number in (4, 7, 9)] == [(1, 4), (4, 1), (4, 3)]
    assert logs.shift == SIGNED + 1 and logs.frozen[2].note is None


async def test_a_checkpoint_that_is_not_after_the_backups_is_refused(ledger: Connection, tmp_path: Path) -> None:
    head = await recorded(ledger, tmp_path, SIGNED, RECORDED)
    key, signer = open_key(tmp_path)
    for other, why in ((TreeHead(SIGNED - 1, head.root), "the backup has one of"), (TreeHead(SIGNED, bytes(32)), "another root")):
        with pytest.raises(NotThisLog, match=why):
            await begin_history(ledger, tmp_path, await heads(ledger), sign_checkpoint(Checkpoint(key.name, other), signer))
    assert await ledger.fetchval("SELECT count(*) FROM ledger.logs") == 0 and (tmp_path / "keys/ledger.pem").exists()


async def test_a_later_checkpoint_is_what_the_new_log_commits_to(ledger: Connection, tmp_path: Path) -> None:
    await recorded(ledger, tmp_path, SIGNED, RECORDED)
    store = TileStore(tiles_of(tmp_path))
    key, signer = open_key(tmp_path)
    later = TileWriter(store, await signed_head(ledger)).append([leaf(number) for number in range(SIGNED, RECORDED)])
    note = sign_checkpoint(Checkpoint(key.name, later), signer)
    begun = await begin_history(ledger, tmp_path, await heads(ledger), note)
    assert (begun.kept, begun.known) == (SIGNED, RECORDED)
    before = (await read_logs(ledger, tmp_path)).begun[0].commitment.before
    assert (before.checkpoint, before.kept) == (note, SIGNED) and before.kept_checkpoint is not None
    assert msgspec.json.decode((await read_logs(ledger, tmp_path)).begun[0].leaf)["format"] == "reserve.history.v1"


async def signed_head(connection: Connection) -> TreeHead:
    row = await connection.fetchrow("SELECT size, root FROM ledger.checkpoints")
    assert row is not None
    return TreeHead(row["size"], row["root"])
