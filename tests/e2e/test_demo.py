"""`reserve demo` as a person runs it: the story to its end, one line that sums it up, and receipts that outlive it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

DONE_WITHIN_S = 300.0
ROOT = Path(__file__).parents[2]


async def reserve(*arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the `reserve` command."""
    command = (sys.executable, "-m", "services", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(DONE_WITHIN_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a demonstration has left, and all that it wrote on standard output."""
    folder = tmp_path_factory.mktemp("demo") / "reserve"
    code, out, err = await reserve("demo", "--plain", "--data", str(folder))
    assert code == 0, out[-2000:] + err
    return folder, out


def test_the_last_line_sums_the_story_up(told: tuple[Path, str]) -> None:
    summary = json.loads(told[1].splitlines()[-1])
    counted = {name: summary.pop(name) for name in ("events", "seconds")}
    assert summary == {
        "scenario": "6 January 2026",
        "requests": 14,
        "releases": 14,
        "draws": 15,
        "receipts_verified": 19,
        "replay": "equal",
        "audit": "holds",
    }
    assert counted["events"] > 150
    assert counted["seconds"] > 0


def test_it_says_what_is_invented_and_shows_what_was_refused(told: tuple[Path, str]) -> None:
    text = " ".join(told[1].split())
    assert "What if the Reserve had been operating on 6 January 2026?" in text
    assert "All stock, depots and quantities are invented" in text
    for code in (
        "supply_beyond_stock",
        "approvals_missing",
        "release_exceeded",
        "draw_not_found",
        "on_hold",
        "not_weighed",
        "release_lapsed",
    ):
        assert code in text, f"{code} was not shown"


async def test_its_receipts_verify_after_everything_has_stopped(told: tuple[Path, str]) -> None:
    folder, _ = told
    receipts = sorted((folder / "parties").glob("drw_*.receipt"))
    assert len(receipts) == 15
    code, out, err = await reserve("receipt", "verify", str(receipts[0]), "--data", str(folder))
    assert (code, err) == (0, "")
    assert "place" in out


async def test_a_folder_that_has_a_deployment_is_refused(told: tuple[Path, str]) -> None:
    folder, _ = told
    code, out, err = await reserve("demo", "--data", str(folder))
    assert (code, out) == (2, "")
    assert "a new folder" in err
