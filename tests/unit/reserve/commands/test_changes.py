"""`reserve audit changes`: who changed the rules, the keys, and who may do what, told in order and by kind."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.audit.changes import KINDS
from reserve.audit.sentences import SENTENCES
from reserve.commands.failure import BAD_INPUT
from tests.stories.audit import Told, told
from tests.stories.bundles import bundle_of

SOUNDS_LIKE_ONE = re.compile("key|instrument|agreement|policy|limits|list_|tolerance|conflict|officer|person_|payee|laboratory|erased|park")
OF_NO_KIND = {"allocation.policy_used"}  # a round was opened under it


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changes")
    asyncio.run(bundle_of(Told(told(), folder / "log"), folder / "bundle"))
    return folder / "bundle"


def asked(bundle: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["audit", "changes", str(bundle), *more])


def rows(bundle: Path, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(asked(bundle, *more, "--json").stdout)
    return found


def test_all_kinds_are_told_in_the_order_in_which_they_were_recorded(bundle: Path) -> None:
    found = rows(bundle)
    assert [each["recorded_at"] for each in found] == sorted(each["recorded_at"] for each in found)
    assert {"allocation.approver_key_enrolled", "inventory.product_registered"} <= {each["type"].rpartition(".v")[0] for each in found}
    assert all(each["by"] and each["said"] for each in found)
    shown = asked(bundle).stdout
    assert found[0]["said"] in shown and f"{len(found)} changes" in shown


def test_one_kind_and_one_time_are_asked_for(bundle: Path) -> None:
    keys = rows(bundle, "--of", "keys")
    assert keys and {each["kind"] for each in keys} == {"keys"} and len(keys) < len(rows(bundle))
    first = rows(bundle)[0]["recorded_at"]
    assert all(each["recorded_at"] > first for each in rows(bundle, "--from", first))
    assert rows(bundle, "--to", first) and not rows(bundle, "--from", "2099-01-01")


@pytest.mark.parametrize(("option", "value"), [("--of", "colours"), ("--from", "yesterday")])
def test_what_is_no_kind_or_instant_is_refused(bundle: Path, option: str, value: str) -> None:
    found = asked(bundle, option, value)
    assert found.exit_code == BAD_INPUT and "accepted:" in found.output


def test_each_kind_of_event_that_sounds_like_one_is_of_a_kind() -> None:
    named = set[str]().union(*KINDS.values())
    assert named <= set(SENTENCES)
    assert {name for name in SENTENCES if SOUNDS_LIKE_ONE.search(name.partition(".")[2])} - named == OF_NO_KIND
