"""Keys that an auditor has on paper: a key of the history that is none of them is found, and one that the history lacks is said."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.failure import BAD_INPUT, CHECK_FAILED, SEEN_BY_NOBODY
from shared.terms.approval import fingerprint, public_key_hex
from tests.stories.audit import APPROVER_KEY, Told, told
from tests.stories.bundles import bundle_of
from tests.stories.partner_keys import fingerprint_of, registered, story

OF_THE_APPROVER = fingerprint(public_key_hex(APPROVER_KEY))


def verified(folder: Path, history: Told, *more: object) -> Result:
    asyncio.run(bundle_of(history, folder / "bundle"))
    return CliRunner().invoke(app, ["audit", "verify", str(folder / "bundle"), "--key", str(history.log_key), *map(str, more)])


def written(folder: Path, *lines: str) -> Path:
    (folder / "keys.txt").write_text("\n".join(lines))
    return folder / "keys.txt"


def looked_at(found: Result) -> dict[str, Any]:
    [result] = [each for each in msgspec.json.decode(found.stdout)["checks"] if each["check"] == "pinned_keys"]
    return {name: result[name] for name in ("checked", "failed")} | {
        name: [each["place"] for each in result[name]] for name in ("failures", "listed")
    }


def test_an_approvers_key_that_is_pinned_is_fine_however_its_fingerprint_is_written(tmp_path: Path) -> None:
    groups = " ".join(OF_THE_APPROVER[start : start + 4] for start in range(0, 64, 4))
    file = written(tmp_path, "# from the minutes", "", f"  sub_approver {groups.upper()}  # her first")
    found = verified(tmp_path, Told(told(), tmp_path / "log"), "--approvers", file)
    assert found.exit_code == SEEN_BY_NOBODY and "all of it holds" in found.stdout, found.output


def test_an_approvers_key_that_is_not_pinned_is_found_and_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    file = written(tmp_path, f"sub_other {OF_THE_APPROVER}", f"sub_approver {fingerprint_of('one')}")
    found = verified(tmp_path, history, "--approvers", file, "--json")
    assert found.exit_code == CHECK_FAILED, found.output
    expected = {"checked": 1, "failed": 1, "failures": [history.places["key"]], "listed": ["sub_approver", "sub_other"]}
    assert looked_at(found) == expected


def test_a_partners_key_is_held_against_the_pinned_ones_of_partners_alone(tmp_path: Path) -> None:
    history = Told(story(tmp_path / "log", one=registered(tmp_path / "log", "one")), tmp_path / "log")
    fine = written(tmp_path, f"JP {fingerprint_of('one')}", f"US {fingerprint_of('two')}")
    found = looked_at(verified(tmp_path, history, "--partners", fine, "--json"))
    assert found == {"checked": 1, "failed": 0, "failures": [], "listed": ["US"]}


def test_who_pins_none_is_told_nothing_of_them_and_another_key_fails(tmp_path: Path) -> None:
    history = Told(story(tmp_path / "log", one=registered(tmp_path / "log", "one")), tmp_path / "log")
    assert looked_at(verified(tmp_path, history, "--json")) == {"checked": 0, "failed": 0, "failures": [], "listed": []}
    other = written(tmp_path, f"JP {fingerprint_of('two')}")
    asked = ["audit", "verify", str(tmp_path / "bundle"), "--key", str(history.log_key), "--partners", str(other), "--json"]
    assert looked_at(CliRunner().invoke(app, asked))["failures"] == [history.places["one"]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["JP"], "line 1: 'nothing' is no fingerprint"),
        (["# ours", "JP 34750f98"], "line 2: '34750f98' is no fingerprint"),
        ([f"JP {OF_THE_APPROVER}", f"US {OF_THE_APPROVER}"], "line 2: this key is JP's already"),
        (["# none yet"], "pins no key"),
    ],
)
def test_a_file_that_pins_nothing_clearly_is_refused_by_its_line(tmp_path: Path, lines: list[str], said: str) -> None:
    found = verified(tmp_path, Told(told(), tmp_path / "log"), "--partners", written(tmp_path, *lines))
    assert found.exit_code == BAD_INPUT and said in found.stderr and "--partners" in found.stderr, found.output


def test_a_file_that_is_none_is_refused_and_integrity_looks_at_no_keys(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    assert "--approvers" in (found := verified(tmp_path, history, "--approvers", tmp_path / "none")).stderr and found.exit_code == BAD_INPUT
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    asked = ["audit", "verify", str(tmp_path / "bundle"), "--key", str(history.log_key), "--partners", str(tmp_path / "bytes")]
    assert "it is no text" in (found := CliRunner().invoke(app, asked)).stderr and found.exit_code == BAD_INPUT
    assert "--integrity" in (found := CliRunner().invoke(app, [*asked, "--integrity"])).stderr and found.exit_code == BAD_INPUT
