"""`reserve audit explain`: a bundle tells the life of a thing where no server is asked, and says no in one line."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from tests.stories.audit import Told, told
from tests.stories.bundles import bundle_of, rewrite


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    asyncio.run(bundle_of(Told(told(), folder / "log"), folder / "bundle"))
    return folder / "bundle"


def explain(thing: str, bundle: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["audit", "explain", thing, "--bundle", str(bundle), *options])


def test_the_life_of_a_request_is_printed_with_what_stands_behind_it(bundle: Path) -> None:
    result = explain("req_jp", bundle)
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "2026-01-06  JP asked for 80 g of antimony-metal by 2026-01-20 as req_jp, at 4 g a day."
    assert lines[1].startswith("allocation/0/1, allocation.request_submitted.v3, recorded 2026-01-06T")
    assert "policy standing v1, pro_rata" in lines
    assert "sub_approver: approve decision, under ins_1 (Reserve Act; Minister)" in lines


def test_the_same_as_json(bundle: Path) -> None:
    told = json.loads(explain("drw_1", bundle, "--json").stdout)
    assert [each["place"] for each in told["happened"] if each["type"] == "inventory.stock_drawn.v1"] == ["inventory/0/7"]


@pytest.mark.parametrize("thing", ["req_nobody", "x", "\x1b[2J"])
def test_what_nothing_names_is_refused_in_one_line(thing: str, bundle: Path) -> None:
    result = explain(thing, bundle)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert result.stderr.startswith("reserve: ID: ") and "accepted: " in result.stderr


def test_what_is_no_bundle_is_refused_in_one_line(bundle: Path, tmp_path: Path) -> None:
    result = explain("req_jp", tmp_path)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and result.stderr.startswith("reserve: BUNDLE: ")


def test_a_row_that_is_none_ends_it_in_one_line(bundle: Path, tmp_path: Path) -> None:
    asyncio.run(bundle_of(Told(told(), tmp_path / "log"), tmp_path / "bundle"))
    rewrite(tmp_path / "bundle", "journals/inventory/0/000001.jsonl.gz", lambda rows: rows.replace(b"hashed", b"hasbed", 1))
    result = explain("req_jp", tmp_path / "bundle")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1) and result.stderr.startswith("reserve: BUNDLE: ")
