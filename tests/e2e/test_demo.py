"""`reserve demo` as a person runs it: the story to its end, one line that sums it up, and receipts that outlive it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.waiting import HANGS_AFTER_S

ROOT = Path(__file__).parents[2]


async def reserve(*arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the `reserve` command."""
    command = (sys.executable, "-m", "reserve", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(HANGS_AFTER_S):
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
        "requests": 15,
        "releases": 15,
        "draws": 16,
        "loans": 2,
        "receipts_verified": 19,
        "replay": "equal",
        "books": "tie out",
        "audit": "holds",
        "bundle": "holds",
        "attack": "found",
    }
    assert counted["events"] > 350
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
        "limit_exceeded",
        "loan_not_found",
        "conditions_unmet",
        "payment_reference_used",
        "loan_not_committed",
        "deferral_condition_unknown",
        "return_exceeds_owed",
        "advance_by_one_person",
        "price_implausible",
    ):
        assert code in text, f"{code} was not shown"


def test_a_decision_is_explained_and_redone_from_what_was_taken_home(told: tuple[Path, str]) -> None:
    text = " ".join(told[1].split())
    for said in (
        "JP was awarded 85,000,000 g of antimony-metal as awd_",
        "under Delegation to the First Assistant Secretary, Reserve (invented)",
        "by policy the-same-for-each, equal_awards:",
        "JP would have got 75 t and not 85 t, which buys 9.3 days and not 10.6.",
    ):
        assert said in text, said


def test_an_advance_waits_for_offtake_and_a_payment_told_late_was_never_late(told: tuple[Path, str]) -> None:
    text = " ".join(told[1].split())
    for said in (
        "Paying it now: refused (409 conditions_unmet) offtake is not evaluated",
        "nothing is known of the project not evaluated unknown open",
        "of 10,000 t in all open 1/2 met",
        "the Reserve has a right to 3,200 t met 41/50 met",
        "Paid by another person: A$60,000,000.",
        "A$24,000,000 would be lost. To ask has changed nothing.",
        "as was known on that morning A$15,850,684.93",
        "as is known now A$0",
        "principal A$30,000,000 A$30,000,000",
        "at 0.55 it contains 275 t of antimony: at A$32/kg, A$8,800,000",
        "Hillgrove may borrow A$100,000,000 again where it was A$40,000,000.",
    ):
        assert said in text, said


def test_metal_lent_is_put_off_once_comes_back_short_of_quality_and_is_normalised(told: tuple[Path, str]) -> None:
    text = " ".join(told[1].split())
    for said in (
        "the loan is due on 31 May 2027, and 1% more is owed of what is out",
        "out of specification, rejected, and all is owed as before",
        "beyond the splitting limit of 0.0002: an umpire finds 0.9966, between the two",
        "short - 28.5 kg",
        "lent and still out 5,800,332 g 5,800,332 g",
        "premium earned 779,332 g 779,332 g",
    ):
        assert said in text, said


async def test_its_receipts_verify_after_everything_has_stopped(told: tuple[Path, str]) -> None:
    folder, _ = told
    receipts = sorted((folder / "parties").glob("drw_*.receipt"))
    assert len(receipts) == 15
    code, out, err = await reserve("receipt", "verify", str(receipts[0]), "--data", str(folder))
    assert (code, err) == (0, "")
    assert "place" in out


async def test_who_rewrites_the_history_with_every_key_is_proven_by_a_receipt_that_a_partner_kept(told: tuple[Path, str]) -> None:
    folder, out = told
    assert "halves what Japan drew, and signs all" in " ".join(out.split())
    code, out, err = await reserve("audit", "fork", str(folder / "parties" / "fork.json"), "--data", str(folder))
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["seen", "served"]


async def test_a_folder_that_has_a_deployment_is_refused(told: tuple[Path, str]) -> None:
    folder, _ = told
    code, out, err = await reserve("demo", "--data", str(folder))
    assert (code, out) == (2, "")
    assert "a new folder" in err
