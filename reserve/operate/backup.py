"""Backup: what a deployment has, in a folder. Everything goes on meanwhile. It holds no private key and no password.

    manifest.json      written last: a folder without it is no backup
    postgres/          a copy of the server's data folder; its `backup_manifest` has the SHA-256 of each file
    ledger/            the log's tiles, and those of the logs of histories before
    keys/              the verifier keys of them all
    keys/witnesses.policy
    identity.json      the clients that the local issuer knows, with hashes of their secrets

or, of one service, `manifest.json` and `SERVICE.sql`, its schema.
"""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from services.ledger.tile_copy import copy_tiles
from services.registry import JOURNALED
from shared.clock import written
from shared.engines.postgres_tools import copy_cluster, dump_schema, verify_cluster
from shared.engines.private_files import private_folder, sha256_of, write_private
from shared.journal.connection import Connection
from shared.journal.places import FIRST
from shared.journal.postgres import read_histories

LAYOUT = 1
POSTGRES = "postgres"
TILES = "ledger/tiles"
PUBLIC = ("keys/*.vkey", "keys/*.policy", "keys/history-*/*", "identity.json")  # patterns


class Head(msgspec.Struct, frozen=True):
    position: int
    chain_hash: str  # hex


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `heads`: {"inventory/0": the last event}; a backup of everything holds these events, and perhaps later ones."""

    layout: int = LAYOUT
    service: str | None  # None: everything
    made_at: str
    heads: dict[str, Head]
    history: int = FIRST  # which it was made in
    files: dict[str, str]  # path -> SHA-256 in hex; those of postgres/ stand in its own manifest, which is here


class NoBackup(Exception):
    """The folder holds no backup, or not the one that its manifest speaks of."""


async def back_up(folder: Path, owner_url: str, into: Path) -> Manifest:
    """Everything of the deployment in `folder`. Raises FileExistsError, ToolFailed."""
    must_be_empty(into)
    private_folder(into)
    connection = await asyncpg.connect(owner_url)
    try:
        heads = {line: head for name in JOURNALED for line, head in (await heads_of(connection, name)).items()}
        history = await history_of(connection, "ledger")
    finally:
        await connection.close()
    await copy_cluster(owner_url, into / POSTGRES)
    await verify_cluster(into / POSTGRES)
    # Tiles are durable before the database knows of a checkpoint: copied after it, they hold all that it knows of.
    for tiles in tiles_in(folder):
        await asyncio.to_thread(copy_tiles, folder / tiles, into / tiles)
    for file in public_in(folder):
        (into / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, into / file)
    return await _finish(into, None, heads, history)


async def back_up_service(name: str, owner_url: str, into: Path) -> Manifest:
    """One service's schema as of one moment. Raises FileExistsError, ToolFailed."""
    must_be_empty(into)
    private_folder(into)
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            heads = await heads_of(connection, name)
            history = await history_of(connection, name)
            await dump_schema(owner_url, name, into / f"{name}.sql", await connection.fetchval("SELECT pg_export_snapshot()"))
    finally:
        await connection.close()
    return await _finish(into, name, heads, history)


async def heads_of(connection: Connection, name: str) -> dict[str, Head]:
    rows = await connection.fetch(f'SELECT shard, position, chain_hash FROM "{name}".heads ORDER BY shard')  # noqa: S608
    return {f"{name}/{row['shard']}": Head(row["position"], row["chain_hash"].hex()) for row in rows}


async def history_of(connection: Connection, name: str) -> int:
    """The history that the service's schema is of."""
    return (await read_histories(connection, name)).current


async def verify(backup: Path) -> Manifest:
    """The manifest, once every file is found to be as it says. Raises NoBackup, ToolFailed."""
    try:
        manifest = msgspec.json.decode((backup / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise NoBackup(f"{backup} is no backup: {error}") from error
    if manifest.layout != LAYOUT:
        raise NoBackup(f"{backup} is of layout {manifest.layout}, and this build reads layout {LAYOUT}")
    for name, expected in manifest.files.items():
        try:
            found = await asyncio.to_thread(sha256_of, backup / name)
        except OSError as error:
            raise NoBackup(f"{name}: {error.strerror}") from error
        if found != expected:
            raise NoBackup(f"{name} is not the file that was backed up")
    if manifest.service is None:
        await verify_cluster(backup / POSTGRES)
    return manifest


def must_be_empty(folder: Path) -> None:
    """Or not be there yet. Raises FileExistsError."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")


def public_in(folder: Path) -> list[Path]:
    """The files of a deployment's folder that a backup holds as they are, below it."""
    return sorted({file.relative_to(folder) for pattern in PUBLIC for file in folder.glob(pattern)})


def tiles_in(folder: Path) -> list[Path]:
    """The folders of tiles below a deployment's folder: nothing may have been logged yet."""
    return sorted(each.relative_to(folder) for pattern in (TILES, "ledger/history-*/tiles") for each in folder.glob(pattern))


def _files(backup: Path) -> list[Path]:
    """But for those that PostgreSQL's manifest speaks of."""
    postgres = backup / POSTGRES
    return [path for path in backup.rglob("*") if path.is_file() and (postgres not in path.parents or path == postgres / "backup_manifest")]


async def _finish(into: Path, service: str | None, heads: dict[str, Head], history: int) -> Manifest:
    hashes = {path.relative_to(into).as_posix(): await asyncio.to_thread(sha256_of, path) for path in sorted(_files(into))}
    manifest = Manifest(service=service, made_at=written(datetime.now(UTC)), heads=heads, history=history, files=hashes)
    write_private(into / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest
