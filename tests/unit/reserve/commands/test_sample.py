"""`reserve audit sample`: lots by mass, the same for whoever has the seed; what is large is always there; nothing that has left."""

import asyncio
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.audit.sampling import CUT_OFF, Here, here_at, sampled, size_for
from reserve.bundle.evidence import BundleEvidence
from reserve.commands.failure import BAD_INPUT
from tests.stories.audit import Told, told
from tests.stories.bundles import bundle_of

LOTS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 2_000)), min_size=1, max_size=40)


def sheet_of(lots: list[tuple[int, int]]) -> list[Here]:
    return [
        Here(product="p", depot=f"d{number % 3}", lot=f"lot_{number}", nominal_unit_g=unit_g, units=units, origin="AU", serials=())
        for number, (units, unit_g) in enumerate(lots)
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    asyncio.run(bundle_of(Told(told(), folder / "log"), folder / "bundle"))
    return folder / "bundle"


def asked(bundle: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["audit", "sample", str(bundle), "--seed", "agreed at the gate", *more])


@given(LOTS, st.integers(1, 60), st.text())
def test_what_is_large_is_chosen_and_hits_are_as_many_as_the_mass_gives(lots: list[tuple[int, int]], size: int, seed: str) -> None:
    sheet = sheet_of(lots)
    sample = sampled(sheet, [], size, seed)
    chosen = {each.here.lot: each.hits for each in sample.chosen}
    assert {here.lot for here in sheet if here.mass_g >= sample.interval_g} <= chosen.keys()
    hits = sum(chosen.values())
    assert sample.mass_g // sample.interval_g <= hits <= sample.mass_g // sample.interval_g + 1
    assert all(abs(hits - here.mass_g / sample.interval_g) < 1 for here in sheet if (hits := chosen.get(here.lot, 0)))
    assert sampled(sheet, [], size, seed) == sample
    assert set(sample.from_floor) == {here.depot for here in sheet} and min(sample.from_floor.values()) >= 1


def test_each_gram_is_as_likely_to_be_hit_as_another() -> None:
    sheet = sheet_of([(1, 100), (1, 300), (1, 600)])
    seen = {"lot_0": 0, "lot_1": 0, "lot_2": 0}
    for number in range(1_000):
        for each in sampled(sheet, [], 1, str(number)).chosen:
            seen[each.here.lot] += each.hits
    assert [round(10 * count / 1_000) for count in seen.values()] == [1, 3, 6]


def test_so_many_are_drawn_that_what_is_material_is_found() -> None:
    """Table of the AICPA's guide: 3.00 for no error expected, with 95%."""
    assert size_for(1_000_000, 50_000) == 60 and size_for(10, 1_000) == 1


async def test_what_is_in_the_depots_is_what_the_books_have_there(tmp_path: Path) -> None:
    history = Told(told(), tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    sheet, moved = await here_at(BundleEvidence(tmp_path / "bundle"), ())
    custody = {
        key.account.removeprefix("depot/"): each.posted for key, each in history.accounts.items() if key.account.startswith("depot/")
    }
    found = {depot: sum(here.mass_g for here in sheet if here.depot == depot) for depot in custody}
    assert found == custody and sheet
    assert len(moved) <= CUT_OFF * len(custody) and any(each.type.startswith("inventory.draw_dispatched") for each in moved)


def test_its_lists_are_printed_and_written_for_a_spreadsheet(bundle: Path) -> None:
    shown = asked(bundle, "--size", "3")
    assert shown.exit_code == 0 and "sheet to floor" in shown.output and "floor to sheet" in shown.output, shown.output
    assert asked(bundle, "--size", "3").output == shown.output
    rows = list(csv.DictReader(asked(bundle, "--material-g", "20", "--csv").stdout.splitlines()))
    assert {row["list"] for row in rows} == {"sheet to floor", "floor to sheet", "cut-off", "sheet"}
    sheet = {row["lot"] for row in rows if row["list"] == "sheet"}
    assert {row["lot"] for row in rows if row["list"] == "sheet to floor"} <= sheet


@pytest.mark.parametrize("more", [(), ("--size", "1", "--material-g", "1"), ("--size", "1", "--product", "unobtainium")])
def test_what_cannot_be_drawn_is_refused(bundle: Path, more: tuple[str, ...]) -> None:
    found = asked(bundle, *more)
    assert found.exit_code == BAD_INPUT and "accepted:" in found.output
