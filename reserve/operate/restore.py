"""Restore: a deployment's folder from a backup of everything; or one service's journal, back to the past under the others."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec
import psutil

from reserve.operate.backup import (
    POSTGRES,
    TILES,
    Head,
    Manifest,
    NoBackup,
    heads_of,
    history_of,
    must_be_empty,
    public_in,
    tiles_in,
    verify,
)
from reserve.operate.deployment import serving
from reserve.operate.endpoints import read_endpoints
from reserve.operate.histories import Begun, begin_history, history_in, log_of
from reserve.operate.migrate import grant_leads, role_of, upgrade
from services.ledger.tile_copy import copy_tiles
from services.registry import JOURNALED
from shared.engines.engines import remembered_ports
from shared.engines.postgres_engine import PostgresEngine
from shared.engines.postgres_tools import load_schema
from shared.engines.private_files import private_folder, write_private
from shared.journal.connection import Connection
from shared.observe.waiting import still

SECRETS = ("keys/issuer.pem", "keys/webhooks.key", "identity-secrets.json")  # what no backup holds; the log's keys are new ones
ENDS_WITHIN_S = 20.0


class Restored(msgspec.Struct, frozen=True):
    heads: dict[str, Head]
    begun: Begun | None = None  # None: one service was restored, in the history that goes on


async def restore_all(
    backup: Path, folder: Path, secrets: Path | None, last_checkpoint: str | None = None, history: int | None = None
) -> Restored:
    """Lays out `folder` as `reserve up` wants it; its database has been started, recovered and looked at, and a new history begins in it.

    `secrets`: a folder with the private files, such as the deployment's old one, of which the log's tiles are kept, too.
    `last_checkpoint`: of the log, a signed note, where others hold a later one than the backup. `history`: the new one's number; None: the
    one after those that are known.
    Raises NoBackup, NotThisLog, ToolFailed, Died, FileExistsError, KeyUnsafe, ForkDetected, TileMissing.
    """
    manifest = await verify(backup)
    if manifest.service is not None:
        raise NoBackup(f"{backup} holds {manifest.service} alone")
    fresh = await asyncio.to_thread(_lay_out, backup, folder)
    for name in SECRETS if secrets is not None else ():
        assert secrets is not None
        if (secrets / name).exists():
            write_private(fresh / name, (secrets / name).read_bytes())
    if secrets is not None and log_of(secrets) == log_of(fresh):  # they show what was signed after the backup, and is lost
        await asyncio.to_thread(copy_tiles, secrets / TILES, fresh / TILES)
    known = max(history_in(fresh), 0 if secrets is None else history_in(secrets))
    restored = await _restore_database(manifest, backup, fresh, last_checkpoint, known + 1 if history is None else history)
    fresh.replace(folder)  # in the place of an empty one, if there is one
    return restored


def _lay_out(backup: Path, folder: Path) -> Path:
    """All but the database, beside its place: a folder that is half laid out never has the name of a whole one."""
    must_be_empty(folder)
    fresh = folder.with_name(f"{folder.name}.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    private_folder(fresh)
    for name in public_in(backup):
        private_folder((fresh / name).parent)
        write_private(fresh / name, (backup / name).read_bytes())
    (fresh / TILES).mkdir(parents=True)
    for tiles in tiles_in(backup):
        shutil.copytree(backup / tiles, fresh / tiles, dirs_exist_ok=True)
    return fresh


async def _restore_database(manifest: Manifest, backup: Path, folder: Path, last: str | None, history: int) -> Restored:
    engine = PostgresEngine(
        folder / POSTGRES, remembered_ports(folder, ["postgres"])["postgres"], private_folder(folder / "logs") / "postgres.log"
    )
    await engine.adopt(backup / POSTGRES)
    async with still("starting PostgreSQL on the backup"):
        await engine.start()
    try:
        for name in JOURNALED:
            await asyncio.to_thread(upgrade, name, owner_url=engine.dsn())
        connection = await asyncpg.connect(engine.dsn())
        try:
            heads = await _check_journals(connection, manifest)
            begun = await begin_history(connection, folder, heads, last, history)
        finally:
            await connection.close()
    finally:
        await engine.stop()
    return Restored(heads, begun)


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
        if (now := await history_of(connection, name)) != manifest.history:
            raise NoBackup(f"{backup} is of history {manifest.history}, and {name} is in history {now}: what it holds may be lost")
        role = role_of(name)
        await connection.execute(f'ALTER ROLE "{role}" NOLOGIN')
        try:
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
            await load_schema(owner_url, name, backup / f"{name}.sql", keep_as=(before := f"{name}_before_restore"))
            await grant_leads(connection, name)  # a backup of an earlier build has none
            await _take_texts(connection, before, name)
            await asyncio.to_thread(_end_processes, name, folder)
        finally:
            await connection.execute(f'ALTER ROLE "{role}" LOGIN')
        return Restored(await heads_of(connection, name))
    finally:
        await connection.close()


async def _take_texts(connection: Connection, before: str, name: str) -> None:
    """What was typed since the backup is in no other copy; and what was erased since stays erased. Nothing of it stays where it was."""
    if await connection.fetchval("SELECT to_regclass($1)", f'"{before}".texts') is None:
        return
    if await connection.fetchval("SELECT to_regclass($1)", f'"{name}".texts') is None:
        return  # the backup is of a build that knew of none: they stay where they are until its tables are migrated
    async with connection.transaction():
        await connection.execute(
            f"""INSERT INTO "{name}".texts SELECT * FROM "{before}".texts
                ON CONFLICT (commitment) DO UPDATE SET salt = NULL, content = NULL, erased_at = excluded.erased_at, wiped_at = NULL
                WHERE excluded.content IS NULL"""  # noqa: S608
        )
        await connection.execute(f'DROP TABLE "{before}".texts')


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
