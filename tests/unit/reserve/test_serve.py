"""A service's process, and signals."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.waiting import HANGS_AFTER_S


async def test_a_service_that_waits_for_postgresql_ends_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "RESERVE_DATA_DIR": str(tmp_path),
        "RESERVE_LEDGER_PUBLIC_KEY": "none",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/reserve",  # where nothing listens
    }
    arguments = ("-m", "reserve", "serve", "inventory", "--port", "0")
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=root, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    async with asyncio.timeout(HANGS_AFTER_S):
        said = []
        while "database_not_there_yet" not in (line := (await process.stdout.readline()).decode()):
            said.append(line)
            assert line, "".join(said)
        process.send_signal(signal.SIGTERM)
        while await process.stdout.read(1 << 16):  # it goes on saying so until then
            pass
        assert await process.wait() == -signal.SIGTERM
