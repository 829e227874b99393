"""`reserve audit diff`: what a later bundle has, or a later instant, is told by thing; where two are not one history, it says so."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.audit import between
from tests.stories.audit import Told, draw, stock, told
from tests.stories.bundles import bundle_of, rewrite


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", "diff", *map(str, arguments)])


def two_of(folder: Path, meanwhile: Callable[[Told], Any]) -> tuple[Path, Path]:
    """A bundle, and one of after something has happened."""
    history = Told(told(), folder / "log")
    asyncio.run(bundle_of(history, folder / "one"))
    meanwhile(history)
    history.sign("signed_again")
    asyncio.run(bundle_of(history, folder / "other"))
    return folder / "one", folder / "other"


def drawn_again(history: Told) -> None:
    history.seal("late_draw", stock(draw(10, 20, draw="drw_3")))


def changed(history: Told) -> None:
    found, index = history.rows_of("lot")
    history.change("lot", data=found[index].data.replace(b"Fremantle", b"Fremantla"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_of(tmp_path_factory.mktemp("two"), drawn_again)


def test_what_was_added_is_told_by_thing(two: tuple[Path, Path]) -> None:
    result = diff(*two)
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0].startswith("added: 2 events of 2 things") and "drw_3" in lines
    assert any(line.startswith("inventory/0/") and "JP drew 10 g of antimony-metal as drw_3" in line for line in lines)
    assert any("ledger/0/" in line and "leaves were signed" in line for line in lines)


def test_the_other_way_round_it_is_in_the_first_alone(two: tuple[Path, Path]) -> None:
    found = json.loads(diff(*reversed(two), "--json").stdout)
    assert (found["added_events"], found["gone_events"], found["differing"]) == (0, 2, 0)
    assert "drw_3" in [each["thing"] for each in found["gone"]]


def test_of_one_bundle_and_itself_nothing_is_added(two: tuple[Path, Path]) -> None:
    result = diff(two[0], two[0])
    assert result.exit_code == 0 and "nothing was added, and nothing differs" in result.stdout


def test_an_event_that_is_another_one_ends_with_1(tmp_path: Path) -> None:
    result = diff(*two_of(tmp_path, changed))
    assert result.exit_code == 1 and "different: 1 events" in result.stdout
    assert "came into Fremantle" in result.stdout and "came into Fremantla" in result.stdout
    assert "neither of the two goes on from the other" in result.stdout


def test_one_bundle_between_two_instants(two: tuple[Path, Path]) -> None:
    beginning, middle = "2026-01-05T23:59:59Z", "2026-01-06T00:00:00.000006+00:00"
    counts = [
        json.loads(diff(two[1], "--from", since, *until, "--json").stdout)["added_events"]
        for since, until in ((beginning, ()), (beginning, ("--to", middle)), (middle, ()))
    ]
    assert counts[0] == counts[1] + counts[2] and min(counts) > 0
    assert "nothing was added" in diff(two[1], "--from", "2036-01-06").stdout


def test_no_more_things_are_held_than_are_named(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(diff(two[1], "--from", "2025-01-01", "--json").stdout)
    monkeypatch.setattr(between, "MOST_THINGS", 2)
    part = json.loads(diff(two[1], "--from", "2025-01-01", "--json").stdout)
    assert part["added"] == whole["added"][:2] and part["added_events"] == whole["added_events"]
    assert part["left_out"] == whole["added_events"] - sum(each["events"] for each in part["added"])


def test_bundles_of_two_systems_are_not_compared(two: tuple[Path, Path], tmp_path: Path) -> None:
    asyncio.run(bundle_of(Told(told(), tmp_path / "log"), tmp_path / "foreign"))
    rewrite(tmp_path / "foreign", "log/histories.jsonl.gz", lambda rows: rows.replace(b'"key":"', b'"key":"x'))
    result = diff(two[0], tmp_path / "foreign")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and "another system" in result.stderr


@pytest.mark.parametrize(
    "options",
    [(), ("--to", "2026-01-06"), ("--from", "yesterday"), ("--from", "2026-01-07", "--to", "2026-01-06"), ("nowhere",)],
)
def test_what_cannot_be_compared_is_refused_in_one_line(options: tuple[str, ...], two: tuple[Path, Path]) -> None:
    result = diff(two[0], *options)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
