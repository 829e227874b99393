"""Other people's programs, as they are started and asked here."""

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from shared.proofs.encoding import encode_base64
from shared.proofs.merkle import EMPTY_TREE
from shared.proofs.signed_note import VerifierKey
from tests.kernel.stage import free_port
from tests.waiting import until

LITEWITNESS = """
    CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
    CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
    CREATE TABLE bastion (origin TEXT NOT NULL, bastion TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
"""  # as its source has them: the command that fills them does not build from the module proxy


class Proofs:
    """Other people's code, in a program that `main.go` describes."""

    def __init__(self, program: str) -> None:
        self.program = program

    async def __call__(self, *arguments: object) -> None:
        process = await asyncio.create_subprocess_exec(self.program, *map(str, arguments))
        status = await process.wait()
        assert status == 0, f"{arguments}: {status}"

    @asynccontextmanager
    async def agent(self, socket: Path) -> AsyncIterator[tuple[str, bytes]]:
        """An SSH agent at that socket: the fingerprint of its key, and the public key."""
        process = await asyncio.create_subprocess_exec(self.program, "agent", str(socket), stdout=subprocess.PIPE)
        assert process.stdout is not None
        async with ended(process):
            fingerprint, public = (await process.stdout.readline()).decode().split()
            yield fingerprint, bytes.fromhex(public)


@asynccontextmanager
async def ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def litewitness(program: str, agent: Path, fingerprint: str, name: str, log: VerifierKey, folder: Path) -> AsyncIterator[str]:
    """Its address. It knows the one log."""
    with contextlib.closing(sqlite3.connect(folder / "litewitness.db")) as database, database:
        database.executescript(LITEWITNESS)
        database.execute("INSERT INTO log VALUES (?, 0, ?)", (log.name, encode_base64(EMPTY_TREE.root)))
        database.execute("INSERT INTO key VALUES (?, ?)", (log.name, str(log)))
    port = free_port()
    arguments = ("-db", str(folder / "litewitness.db"), "-ssh-agent", str(agent), "-key", fingerprint, "-name", name)
    with (folder / "litewitness.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(program, *arguments, "-listen", f"127.0.0.1:{port}", stderr=said)
    async with ended(process), httpx.AsyncClient() as http:

        async def answers() -> bool:
            assert process.returncode is None, (folder / "litewitness.log").read_text()
            try:
                return (await http.get(f"http://127.0.0.1:{port}/")).is_success
            except httpx.TransportError:
                return False

        await until(answers)
        yield f"http://127.0.0.1:{port}"
