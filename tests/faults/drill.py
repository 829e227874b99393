"""The runbook's commands, run as a person runs them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from reserve.operate.deployment import Deployment
from tests.e2e.world import World
from tests.kernel.stage import free_port
from tests.waiting import HANGS_AFTER_S, until

RUNBOOK = Path(__file__).parents[2] / "docs" / "restore.md"


class Runbook:
    """Runs what docs/restore.md says, and nothing else. `ran`: the commands so far."""

    def __init__(self) -> None:
        self.commands = {line for line in RUNBOOK.read_text().splitlines() if line.startswith("reserve ")}
        self.ran: set[str] = set()

    def of_another(self, name: str, command: str) -> str:
        """The same command for another service than the runbook's inventory."""
        assert command in self.commands, f"the runbook does not say: {command}"
        other = command.replace("inventory", name)
        self.commands.add(other)
        return other

    async def run(self, command: str, **places: Path | str) -> tuple[int, str]:
        """The exit status, and all that it printed. `places`: what stands for a word of the command, such as BACKUP."""
        assert command in self.commands, f"the runbook does not say: {command}"
        self.ran.add(command)
        return await reserve(*(str(places.get(word.strip("."), word)) for word in command.split()[1:]))

    async def do(self, command: str, *, answers: int = 0, **places: Path | str) -> str:
        """What must succeed. `answers`: with which exit code."""
        status, said = await self.run(command, **places)
        assert status == answers, f"{command}: {said}"
        return said


async def journal_of(world: World, name: str) -> dict[str, Any]:
    """All of its records as the feed gives them, by place."""
    found = {}
    for shard in await world.auditor.get(f"/{name}/v1/journal/heads"):
        after = 0
        while records := (await world.auditor.get(f"/{name}/v1/journal", shard=int(shard), after=after))["records"]:
            found |= {f"{name}/{shard}/{record['position']}": record for record in records}
            after = records[-1]["position"]
    return found


async def reserve(*words: str) -> tuple[int, str]:
    """The exit status of `reserve` with those words, and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reserve", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def forced(world: World, name: str, log: Path) -> AsyncIterator[str]:
    """A process of the service that is told to write though the ledger knows more: its address."""
    environment = Deployment(world.running.folder).environment(name) | {"RESERVE_REQUIRE_LEDGER_AT_START": "false"}
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reserve", "serve", name, "--port", str(port)), env=environment, stdout=output, stderr=output
        )
    try:
        await serves(url := f"http://127.0.0.1:{port}")
        yield url
    finally:
        process.terminate()
        await process.wait()


async def serves(url: str) -> None:
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:

        async def lives() -> bool:
            try:
                return (await http.get(f"{url}/livez")).status_code == 200
            except httpx.TransportError:
                return False

        await until(lives)
