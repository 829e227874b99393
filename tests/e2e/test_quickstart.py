"""The quickstart as a newcomer pastes it: a sandbox, a request, a decision, a draw, and what proves it."""

import asyncio
import os
import re
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from reserve.operate.migrate import ROOT
from reserve_partner.check.steps import STEPS, Sandbox, walk
from shared.proofs.signed_note import VerifierKey
from tests.e2e.running import Running, start
from tests.waiting import HANGS_AFTER_S, until

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
NEXT = "Next, in another shell:"


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """`make up SEED=demo`, in a folder as the project's is: `.reserve` and `.venv/bin` are in it."""
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    running = await start(folder / ".reserve", options=("--seed", "demo"))
    try:
        await until(lambda: NEXT in running.printed() or "--seed:" in running.printed() or running.ended)
        yield running
    finally:
        await running.stop()


SPY = """#!/bin/sh
printf '%s\\n' "$@" >> {seen}
exec {curl} "$@"
"""


async def pasted(commands: str, folder: Path) -> tuple[int, str]:
    """Into one shell that stops where a command fails. What curl has on its command line, others see: no token is among it."""
    curl, seen = folder / "spied" / "curl", folder / "seen"
    curl.parent.mkdir(exist_ok=True)
    found = shutil.which("curl")
    assert found is not None
    curl.write_text(SPY.format(seen=seen, curl=found))
    curl.chmod(0o700)
    status, said = await in_a_shell(commands, folder, PATH=f"{curl.parent}:{os.environ['PATH']}")
    arguments = seen.read_text()
    assert "/v1/" in arguments and not re.search(r"Bearer|eyJ", arguments), arguments
    return status, said


async def in_a_shell(commands: str, folder: Path, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        cwd=folder,
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(HANGS_AFTER_S):
        said, _ = await process.communicate(commands.encode())
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_what_up_prints_last_is_pasted_and_works(sandbox: Running):
    commands = sandbox.printed().partition(NEXT)[2].strip().splitlines()
    assert len(commands) == 3
    status, said = await pasted("\n".join(commands), sandbox.folder.parent)
    assert status == 0 and '"priority_class":0' in said and '"status":"submitted"' in said, said


async def test_the_page_is_pasted_and_works(sandbox: Running):
    commands = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    assert "make up SEED=demo" in PAGE and len(commands) > 5
    status, said = await pasted("\n".join(commands), sandbox.folder.parent)
    assert status == 0, said
    assert "gallium-4n" in said and "inventory.stock_drawn" in said and "all of it holds" in said, said


GUIDE = (ROOT / "docs" / "partner-guide.md").read_text()


async def test_the_partner_guide_is_pasted_and_works(sandbox: Running):
    """After the page above, which has left something to draw."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL))
    status, said = await in_a_shell(f"{sys.executable} -X dev - << 'EOF'\n{code}\nEOF", sandbox.folder.parent, **as_japan(sandbox))
    assert status == 0, said
    assert "JP may have" in said and "release_not_found" in said and "things hold" in said and "up to" in said, said


async def test_the_check_before_going_live_passes_and_its_table_says_so(sandbox: Running):
    """As the guide has it, after the page above, which has left something to draw."""
    folder, sandboxed = sandbox.folder.parent, sandbox_of(sandbox)
    (folder / "secret").write_text(sandboxed.client_secret)
    (folder / "log.vkey").write_text(sandboxed.log_key)
    [command] = [each for each in re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL) if "reserve-partner check" in each]
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    status, said = await in_a_shell(command, folder, PATH=path, **as_japan(sandbox))
    assert status == 0, said
    assert f"{len(STEPS)} passed, 0 failed, 0 not tried" in said, said


class Forgetful(httpx.HTTPTransport):
    """Under a client that takes a fresh Idempotency-Key whenever it sends a command again."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "idempotency-key" in request.headers:
            request.headers["idempotency-key"] = secrets.token_hex(8)
        return super().handle_request(request)


async def test_the_check_finds_a_client_that_does_things_twice_and_a_log_that_is_not_the_pinned_one(sandbox: Running):
    sandboxed = sandbox_of(sandbox)
    stranger = replace(sandboxed, network=Forgetful(), log_key=str(VerifierKey(sandboxed.origin, secrets.token_bytes(32))))
    rows = await asyncio.to_thread(lambda: {row.what: row for row in walk(stranger)})
    failed = {what for what, row in rows.items() if row.came == "failed"}
    assert failed == {"a command whose answer is lost", "a draw to its receipt", "an award recomputed"}, rows
    assert "sent three times under one key, became" in rows["a command whose answer is lost"].said


def sandbox_of(sandbox: Running) -> Sandbox:
    """As Japan has it."""
    endpoints = sandbox.endpoints
    return Sandbox(
        base_url=endpoints.base_url,
        client_id="partner-jp",
        client_secret=endpoints.client("partner-jp").client_secret,
        log_key=(sandbox.folder / "keys" / "ledger.vkey").read_text().strip(),
    )


def as_japan(sandbox: Running) -> dict[str, str]:
    """The environment of a program of Japan's."""
    endpoints = sandbox.endpoints
    return {
        "PYTHONPATH": str(ROOT / "clients" / "python"),
        "RESERVE_BASE_URL": endpoints.base_url,
        "RESERVE_CLIENT_SECRET": endpoints.client("partner-jp").client_secret,
    }


async def test_what_has_been_used_is_not_filled(sandbox: Running):
    before = (sandbox.folder / "people" / "approver-1.pem").read_bytes()
    assert await sandbox.stop() == 0
    again = await start(sandbox.folder, options=("--seed", "demo"))
    try:
        await until(lambda: "it has partners already: nothing was added" in again.printed())
    finally:
        assert await again.stop() == 0
    assert (sandbox.folder / "people" / "approver-1.pem").read_bytes() == before
