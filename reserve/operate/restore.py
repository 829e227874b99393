"""Restore: a deployment's folder from a backup of everything; or one service's journal, back to the past under the others."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec
import psutil

from reserve.operate.backup import POSTGRES, PUBLIC, TILES, Head, Manifest, NoBackup, heads_of, must_be_empty, verify
from reserve.operate.deployment import serving
from reserve.operate.endpoints import read_endpoints
from reserve.operate.migrate import role_of
from services.ledger.keys import KEY_NAMES, open_key
from services.ledger.tile_copy import cut_tiles
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore
from services.registry import JOURNALED
from shared.engines.engines import remembered_ports
from shared.engines.postgres_engine import PostgresEngine
from shared.engines.postgres_tools import load_schema
from shared.engines.private_files import private_folder, write_private
from shared.journal.connection import Connection
from shared.observe.waiting import still
from shared.proofs.checkpoint import TreeHead

SECRETS = ("keys/ledger.pem", "keys/ledger-ml-dsa-44.pem", "keys/issuer.pem", "identity-secrets.json")  # what no backup holds
ENDS_WITHIN_S = 20.0


class Restored(msgspec.Struct, frozen=True):
    heads: dict[str, Head]
    leaves: int = 0  # of the log
    missing: tuple[str, ...] = ()  # files that must be put into the folder before it can serve


async def restore_all(backup: Path, folder: Path, secrets: Path | None) -> Restored:
    """Lays out `folder` as `reserve up` wants it; its database has been started, recovered and looked at.

    `secrets`: a folder with the private files, such as the deployment's old one.
    Raises NoBackup, ToolFailed, Died, FileExistsError, KeyUnsafe.
    """
    manifest = await verify(backup)
    if manifest.service is not None:
        raise NoBackup(f"{backup} holds {manifest.service} alone")
    fresh = await asyncio.to_thread(_lay_out, backup, folder)
    missing = _take_secrets(secrets, fresh)
    restored = await _restore_database(manifest, backup, fresh)
    fresh.replace(folder)  # in the place of an empty one, if there is one
    return msgspec.structs.replace(restored, missing=missing)


def _lay_out(backup: Path, folder: Path) -> Path:
    """All but the database, beside its place: a folder that is half laid out never has the name of a whole one."""
    must_be_empty(folder)
    fresh = folder.with_name(f"{folder.name}.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    private_folder(fresh)
    for name in (each for each in PUBLIC if (backup / each).exists()):
        private_folder((fresh / name).parent)
        write_private(fresh / name, (backup / name).read_bytes())
    (fresh / TILES).mkdir(parents=True)
    if (backup / TILES).exists():  # nothing may have been logged yet
        shutil.copytree(backup / TILES, fresh / TILES, dirs_exist_ok=True)
    return fresh


def _take_secrets(secrets: Path | None, folder: Path) -> tuple[str, ...]:
    """Gives those without which nothing can serve."""
    for name in SECRETS if secrets is not None else ():
        assert secrets is not None
        if (secrets / name).exists():
            write_private(folder / name, (secrets / name).read_bytes())
    given_out = [folder / "keys" / f"{name}.vkey" for name in KEY_NAMES]
    missing = [key.with_suffix(".pem") for key in given_out if key.exists() and not key.with_suffix(".pem").exists()]
    if not missing:
        open_key(folder)
    return tuple(f"keys/{file.name}" for file in missing)


async def _restore_database(manifest: Manifest, backup: Path, folder: Path) -> Restored:
    engine = PostgresEngine(
        folder / POSTGRES, remembered_ports(folder, ["postgres"])["postgres"], private_folder(folder / "logs") / "postgres.log"
    )
    await engine.adopt(backup / POSTGRES)
    async with still("starting PostgreSQL on the backup"):
        await engine.start()
    try:
        connection = await asyncpg.connect(engine.dsn())
        try:
            heads = await _check_journals(connection, manifest)
            leaves = await connection.fetchval("SELECT size FROM ledger.log_head")
            signed = await connection.fetchrow("SELECT size, root FROM ledger.checkpoints ORDER BY size DESC LIMIT 1")
        finally:
            await connection.close()
    finally:
        await engine.stop()
    # Leaves whose events are in no journal any more. What was signed over them after the backup, those know who were given it.
    await asyncio.to_thread(cut_tiles, folder / TILES, leaves)
    if signed is not None:
        await asyncio.to_thread(TileWriter, TileStore(folder / TILES), TreeHead(signed["size"], signed["root"]))
    return Restored(heads, leaves)


async def _check_journals(connection: Connection, manifest: Manifest) -> dict[str, Head]:
    """Where the journals end now. Raises NoBackup where one lacks what the manifest says that it has."""
    now = {line: head for name in JOURNALED for line, head in (await heads_of(connection, name)).items()}
    for line, head in manifest.heads.items():
        name, _, shard = line.partition("/")
        there = f'SELECT chain_hash FROM "{name}".events WHERE shard = $1 AND position = $2'  # noqa: S608
        if head.position and await connection.fetchval(there, int(shard), head.position) != bytes.fromhex(head.chain_hash):
            raise NoBackup(f"{line}/{head.position} is not in the database")
    return now


async def restore_service(name: str, backup: Path, folder: Path, owner_url: str) -> Restored:
    """Puts the service's schema of the backup in the place of its schema now, which is kept as `NAME_before_restore`.

    Its processes are ended, since they know the journal as it was; the supervisor starts them again. Raises NoBackup, ToolFailed.
    """
    manifest = await verify(backup)
    if manifest.service != name:
        raise NoBackup(f"{backup} holds {manifest.service or 'everything'}, not {name} alone")
    connection = await asyncpg.connect(owner_url)
    try:
        role = role_of(name)
        await connection.execute(f'ALTER ROLE "{role}" NOLOGIN')
        try:
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
            await load_schema(owner_url, name, backup / f"{name}.sql", keep_as=f"{name}_before_restore")
            await asyncio.to_thread(_end_processes, name, folder)
        finally:
            await connection.execute(f'ALTER ROLE "{role}" LOGIN')
        return Restored(await heads_of(connection, name))
    finally:
        await connection.close()


def _end_processes(name: str, folder: Path) -> None:
    """Found by their port: one that has been started and is not ready yet is in no file."""
    if not (folder / "endpoints.json").exists():
        return  # of a deployment without a supervisor, its operator ends them
    own = list(serving(name, int(read_endpoints(folder).services[name].rpartition(":")[2])))
    found = [process for process in psutil.process_iter(["cmdline"]) if (process.info["cmdline"] or [])[1:] == own]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, ENDS_WITHIN_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
