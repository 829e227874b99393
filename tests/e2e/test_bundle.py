"""A history that an auditor takes home from a system which goes on, and checks where there is none, by two verifiers."""

import asyncio
import json
import stat
import sys
from pathlib import Path

from reserve.commands.failure import SEEN_BY_NOBODY
from reserve.operate.migrate import ROOT
from tests.e2e.auditing import a_dispatch
from tests.e2e.lending import something_of_each
from tests.e2e.tendering import a_tender
from tests.e2e.world import World
from tests.faults.drill import reserve


async def test_a_history_is_taken_home_from_a_system_that_moves_and_holds_without_it(world: World, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt"
    receipt.write_text(await world.receipt(world.partner("JP"), await a_dispatch(world)))
    await something_of_each(world)
    await a_tender(world)
    secret, key = tmp_path / "secret", (world.running.folder / "keys" / "ledger.vkey").read_text().strip()
    secret.write_text(world.running.endpoints.client("auditor-1").client_secret)
    bundle = tmp_path / "bundle"

    moving = asyncio.gather(*(a_dispatch(world) for _ in range(3)))
    status, said = await reserve("audit", "export", str(bundle), "--url", world.running.endpoints.base_url, "--secret-file", str(secret))
    await moving
    assert status == 0, said
    exported = json.loads(said.splitlines()[-1])
    assert exported["events"] > exported["leaves"] > 100 and exported["manifest_sha256"] in (bundle / "manifest.sha256").read_text()
    assert [path for path in (bundle, *bundle.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077] == [], "its owner's alone"

    status, said = await reserve("audit", "verify", str(bundle), "--key", key)
    assert (status, "all of it holds" in said) == (SEEN_BY_NOBODY, True), said
    policy = ("--policy", str(world.running.folder / "keys" / "witnesses.policy"))
    status, said = await reserve("audit", "verify", str(bundle), "--key", key, *policy, "--integrity")
    assert status == 0, said
    status, said = await reserve("receipt", "verify", str(receipt), "--key", key, "--against", str(bundle))
    assert (status, "stands in" in said) == (0, True), said

    status, said = await second_verifier(bundle, key)
    assert status == 0 and said.startswith("it holds: "), said
    assert int(said.split(",")[2].split()[0]) > 20, "signatures of approvers"


async def test_who_runs_the_deployment_exports_without_an_address(world: World, tmp_path: Path) -> None:
    status, said = await reserve("audit", "export", str(tmp_path / "bundle"), "--data", str(world.running.folder))
    assert status == 0, said
    pinned = world.running.folder / "keys" / "witnesses.policy"
    assert (tmp_path / "bundle" / "log" / "witnesses.policy").read_bytes() == pinned.read_bytes()
    status, said = await second_verifier(tmp_path / "bundle", (world.running.folder / "keys" / "ledger.vkey").read_text().strip())
    assert status == 0, said


async def second_verifier(bundle: Path, key: str) -> tuple[int, str]:
    command = (sys.executable, "-I", str(ROOT / "docs/audit/verify.py"), str(bundle), key)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
