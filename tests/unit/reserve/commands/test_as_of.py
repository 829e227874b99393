"""`reserve audit as-of`: the books of a day, as they were known and as they are known by now, out of a bundle."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from tests.stories.audit import Told, told
from tests.stories.bundles import bundle_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("as-of")
    asyncio.run(bundle_of(Told(told(), folder / "log"), folder / "bundle"))
    return folder / "bundle"


def as_of(bundle: Path, day: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["audit", "as-of", str(bundle), day, *options])


def books(bundle: Path, day: str, *options: str) -> dict[str, Any]:
    result = as_of(bundle, day, "--json", *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return found | {"lines": {f"{each['side']}/{each['account']}": (each["then"], each["now"]) for each in found["lines"]}}


JP, US, DEPOT = "title/partner/JP", "title/partner/US/release/rel_us", "custody/depot/Fremantle"


def test_what_was_recorded_later_counts_for_the_day_and_was_not_known(bundle: Path) -> None:
    found = books(bundle, "2026-01-06", "--known-at", "2026-01-06T00:00:00Z")
    assert found["signed_at"] == "2026-01-06T00:00:00.000000Z" and (found["known"], found["later"]) == (23, 3)
    assert found["lines"][JP] == ([30, 0], [29, 0]), "it was weighed afterwards"
    assert found["lines"][DEPOT] == ([120, 0], [90, 0]), "and left"
    assert found["lines"][US] == ([0, 40], [0, 20])


def test_a_day_has_what_counts_by_it(bundle: Path) -> None:
    assert books(bundle, "2026-01-20")["lines"][US] == ([0, 20], [0, 20])
    assert US not in books(bundle, "2026-01-21")["lines"], "it has lapsed"
    assert books(bundle, "2025-12-31")["lines"] == {}


def test_nothing_was_known_before_the_first_checkpoint(bundle: Path) -> None:
    found = books(bundle, "2026-01-06", "--known-at", "2026-01-05")
    assert (found["size"], found["known"], found["later"]) == (0, 0, 26) and found["lines"][JP] == ([0, 0], [29, 0])
    assert "nothing was known by then: the log had signed no checkpoint" in as_of(bundle, "2026-01-06", "--known-at", "2026-01-05").stdout


def test_it_is_shown_with_what_has_changed_since(bundle: Path) -> None:
    shown = as_of(bundle, "2026-01-06", "--known-at", "2026-01-06", "--asset", "antimony-metal")
    assert shown.exit_code == 0 and "3 events more count by that day" in shown.stdout.replace("\n", " "), shown.output
    (line,) = [line for line in shown.stdout.splitlines() if "title: partner/JP " in line]
    assert "30 g" in line and "29 g" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("2026-02-30",), "DAY: '2026-02-30' is no day of the calendar (accepted: one such as 2026-01-31)"),
        (("yesterday",), "DAY: "),
        (("2026-01-06", "--known-at", "noon"), "--known-at: 'noon' is no instant"),
    ],
    ids=str,
)
def test_what_is_no_day_and_no_instant_is_refused_in_one_line(bundle: Path, arguments: tuple[str, ...], says: str) -> None:
    result = as_of(bundle, *arguments)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1) and says in result.stderr


def test_what_is_no_bundle_is_refused_in_one_line(tmp_path: Path) -> None:
    result = as_of(tmp_path, "2026-01-06")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and result.stderr.startswith("reserve: BUNDLE: ")
