"""After everything that these tests have done, good and bad: an auditor who trusts nobody finds that all of it holds."""

import asyncio
import sys

import pytest

from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.audit.report import Report
from reserve.operate.deployment import Deployment
from services.registry import JOURNALED, service
from shared.process.rebuild import rebuild_and_compare
from shared.proofs.signed_note import parse_verifier_key
from tests.e2e.world import World
from tests.waiting import until


async def test_the_whole_history_holds_and_no_line_stands_still(world: World) -> None:
    pinned = parse_verifier_key((world.running.folder / "keys" / "ledger.vkey").read_text().strip())

    async def of_everything() -> Report | None:
        report = await audit(LiveEvidence(world.auditor), [pinned])
        return report if report.beyond == 0 else None

    report = await until(of_everything)
    assert report is not None
    assert {result.check: result.failures for result in report.checks if result.failed} == {}
    assert report.ok
    assert report.events > 100
    for name in JOURNALED:
        lines = await world.auditor.get(f"/{name}/v1/inbox")
        assert {line: (state["stopped"], state["parked"]) for line, state in lines.items()} == dict.fromkeys(lines, (None, []))


@pytest.mark.parametrize("name", [name for name in JOURNALED if name != "ledger"])
async def test_what_is_shown_is_what_the_journal_says(world: World, name: str) -> None:
    """Read tables made anew, beside those that grew event by event. Of the ledger's the audit has told already."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reserve", "rebuild", name, "--data", str(world.running.folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.mark.parametrize("name", [name for name in JOURNALED if name != "ledger"])
async def test_whichever_shard_is_read_first_the_tables_are_the_same(world: World, name: str) -> None:
    """A stream's shard follows from its id: two that feed one table may be read in either order."""
    for turn in (lambda shard: -shard, lambda shard: (shard - 1) % 4):
        compared = await rebuild_and_compare(service(name), Deployment(world.running.folder).engines.database_url, turn)
        assert [each for each in compared if not each.equal] == []
