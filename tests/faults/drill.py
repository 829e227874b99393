"""The runbook's commands, run as a person runs them."""

import asyncio
import sys
from pathlib import Path

RUNBOOK = Path(__file__).parents[2] / "docs" / "restore.md"


class Runbook:
    """Runs what docs/restore.md says, and nothing else. `ran`: the commands so far."""

    def __init__(self) -> None:
        self.commands = {line for line in RUNBOOK.read_text().splitlines() if line.startswith("reserve ")}
        self.ran: set[str] = set()

    async def run(self, command: str, **places: Path) -> tuple[int, str]:
        """The exit status, and all that it printed. `places`: what stands for a word of the command, such as BACKUP."""
        assert command in self.commands, f"the runbook does not say: {command}"
        self.ran.add(command)
        words = [str(places.get(word.strip("."), word)) for word in command.split()[1:]]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def do(self, command: str, **places: Path) -> str:
        """What must succeed."""
        status, said = await self.run(command, **places)
        assert status == 0, f"{command}: {said}"
        return said
