"""The table of what the audit recomputes, links and believes: it has a row for everything, and is true of the checks that it names."""

import re
from pathlib import Path

import msgspec
import pytest

from reserve.audit.columns import COLUMNS
from reserve.audit.statements import LINKED, MOST_STATED, RECOMPUTED, STATED
from reserve.statements import columns, columns_made_by, faults, main, sums, types
from services.registry import JOURNALED, service
from shared.journal.codec import without_version

AUDIT = Path(__file__).parents[3] / "reserve" / "audit"
CLASSES = {without_version(kind): event for name in JOURNALED for kind, event in service(name).codec.classes.items()}
NAMING = {**RECOMPUTED, **LINKED, **{kind: used for kind, (_, used) in STATED.items() if used}}


def test_everything_that_is_said_has_a_row() -> None:
    assert list(faults(types(), columns())) == []
    assert len(types()) > 200 and len(columns()) > 70


def test_a_type_a_column_and_a_row_too_many_are_each_named() -> None:
    found = list(faults({*types(), "loans.rumour_heard"}, columns() - {"heads.epoch"} | {"heads.mood"}))
    assert found == ["heads.mood has no row", "loans.rumour_heard has no row", "heads.epoch has a row, and is not there"]


def test_a_column_of_any_type_is_one() -> None:
    made = """CREATE TABLE moods (
        id uuid PRIMARY KEY,
        good boolean NOT NULL DEFAULT (1 > 0),  -- or not, as it is
        why jsonb, amount numeric(20, 3),
        names text[] NOT NULL,
        PRIMARY KEY (id, good), CHECK ((why IS NULL) = (amount IS NULL))
    )"""
    added = ["ALTER TABLE moods ADD COLUMN since interval  -- null: ever", "CREATE INDEX moods_good ON moods (good)"]
    found = columns_made_by([made, *added])
    assert found == {f"moods.{name}" for name in ("id", "good", "why", "amount", "names", "since")}


def test_it_prints_its_sums(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    printed = capsys.readouterr().out
    assert all(f"{count}  {what}" in printed for what, count in sums().items())


@pytest.mark.parametrize("kind", sorted(NAMING))
def test_each_check_that_is_named_names_the_type(kind: str) -> None:
    """By its class, by one that it is made of, or by its name."""
    event = CLASSES[kind]
    classes = {each.__name__ for each in event.__mro__ if issubclass(each, msgspec.Struct) and each is not msgspec.Struct}
    said = [*classes, kind.partition(".")[2], *re.findall(r"\w+Change\b", str(event.__annotations__.get("change", "")))]
    for check in NAMING[kind]:
        text = (AUDIT / f"{check}.py").read_text()
        assert any(re.search(rf"\b{each}\b", text) for each in said), f"{check}.py names none of {said}"


def test_each_column_is_one_of_the_three_and_says_why() -> None:
    assert {how for how, _ in COLUMNS.values()} == {"recomputed", "linked", "stated"}
    assert all(why for _, why in COLUMNS.values())
    assert len(STATED) == MOST_STATED, "it may only shrink: write down that it has"
