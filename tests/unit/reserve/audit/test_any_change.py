"""Whatever is changed in a true history, in any column of what the audit is shown, is a failure at its place, and never a crash."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from reserve.audit.history import audit
from reserve.audit.integrity import audit_integrity
from reserve.audit.report import Report
from tests.stories.audit import Told, here, told
from tests.stories.audit_equity import told_with_equity
from tests.stories.audit_loans import told_with_loans
from tests.stories.audit_material import told_with_material

SEED = 20261201
CHANGES = 144  # of each history; with those of tests/e2e/test_audited_tables.py, of tables and tiles, they are more than a thousand
TOGETHER = 3  # that an audit is made of at once: one that is not found at its place so, or has none of its own, is looked for alone
TEXTS = ("", "no time", "2026-13-45", "9999-12-31T23:59:59.999999Z", "2026-01-06T00:00:00", "ff", "zz", "\x00", "ä" * 40, "inventory/0/1")
HISTORIES = {"equity": told_with_equity, "loans": told_with_loans, "material": told_with_material, "reserve": told}

type Change = tuple[set[str], str]  # where it may be found, and what was done


def other(chance: Random, value: Any) -> Any:
    """Of the same kind, so that it is served like the true one."""
    match value:
        case bool():
            return not value
        case int():
            return chance.choice([0, -1, value + 1, value + 1_000_003, 2**62])
        case str():
            return chance.choice([*TEXTS, value + "x", value[:-1], value[:1] + value[2:] + value[1:2]])
        case bytes():
            at = chance.randrange(len(value)) if value else 0
            return chance.choice([value[:at], value + b"}", value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :], b"", b"{}", b"\xff\xfe"])
        case datetime():
            return value + timedelta(days=chance.choice([-30, 1, 4000]))
        case tuple() if value:
            return chance.choice([(), value[:-1], (*value, value[0])])
        case _:
            return chance.choice(["JP", "US"]) if value is None else None


def changed_row(chance: Random, row: Any) -> tuple[str, Any]:
    """(the column, the row with another value in it)"""
    while True:
        name = chance.choice(row.__struct_fields__)
        true = getattr(row, name)
        value = chance.choice([1, 2, 7]) if name == "partner_seq" and true is None else other(chance, true)
        if value != true:
            return name, replace(row, **{name: value})


def change(chance: Random, history: Told) -> Change:
    """One change of it, and where that must be found."""

    def of_a_record() -> Change:
        (service, _), rows = chance.choice([(line, rows) for line, rows in sorted(history.journals.items()) if rows])
        index = chance.randrange(len(rows))
        place = rows[index].place(service)
        name, rows[index] = changed_row(chance, rows[index])
        return {place, rows[index].place(service)}, f"{name} of {place} is {getattr(rows[index], name)!r}"

    def of_an_entry() -> Change:
        index = chance.randrange(len(history.books))
        of = history.books[index].place
        name, history.books[index] = changed_row(chance, history.books[index])
        return {
            f"leaf {index}",
            f"leaf {history.books[index].leaf_index}",
            of,
        }, f"{name} of the entry {index} is {getattr(history.books[index], name)!r}"

    def of_a_leaf() -> Change:
        index = chance.randrange(len(history.tree))
        true = history.tree[index]
        history.tree[index] = other(chance, true)
        return {f"leaf {index}"}, f"leaf {index} is {history.tree[index]!r}"

    def of_a_note() -> Change:
        signed = history.signed[-1]
        while (note := other(chance, signed.note)) == signed.note:
            pass
        history.signed[-1] = replace(signed, note=note)
        return {"the served checkpoint"}, f"the note is {note!r}"

    def gone() -> Change:
        (service, _), rows = chance.choice([(line, rows) for line, rows in sorted(history.journals.items()) if rows])
        index = chance.randrange(len(rows))
        place = rows[index].place(service)
        after = {rows[index + 1].place(service)} if index + 1 < len(rows) else set[str]()
        del rows[index]
        return {place, "the served checkpoint", *after, *_leaves_of(history, place)}, f"{place} is gone"

    def of_a_document() -> Change:
        if not history.documents:
            return of_a_leaf()
        name = chance.choice(sorted(history.documents))
        history.documents = history.documents | {name: other(chance, history.documents[name])}
        return set(), f"the document {name} is {history.documents[name]!r}"

    def of_a_balance() -> Change:
        key = chance.choice(sorted(history.accounts, key=lambda each: each.id))
        history.accounts[key] = replace(history.accounts[key], posted=history.accounts[key].posted + chance.choice([-1, 1, 10**6]))
        return {key.id}, f"{key.id} is {history.accounts[key].posted}"

    ways: list[Callable[[], Change]] = [
        of_a_record,
        of_a_record,
        of_a_record,
        of_an_entry,
        of_a_leaf,
        of_a_note,
        gone,
        of_a_document,
        of_a_balance,
    ]
    return chance.choice(ways)()


def _leaves_of(history: Told, place: str) -> set[str]:
    return {f"leaf {entry.leaf_index}" for entry in history.books if entry.place == place}


def places(report: Report) -> Iterator[str]:
    for result in report.checks:
        for failure in result.failures:
            yield failure.place


@pytest.fixture(scope="module")
def true_ones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    return {name: Told(story(), tmp_path_factory.mktemp(name)) for name, story in HISTORIES.items()}


@pytest.mark.parametrize("name", HISTORIES)
async def test_any_change_is_a_failure_and_never_a_crash(true_ones: dict[str, Told], name: str) -> None:
    history = true_ones[name]
    kept = history.mark() | {"documents": history.documents}
    assert (await audit(history, history.pinned)).ok
    passed, elsewhere = [], []
    for first in range(0, CHANGES, TOGETHER):
        seeds = range(SEED + first, SEED + first + TOGETHER)
        together, found = await _found(history, kept, *seeds)
        for seed, (at, _) in zip(seeds, together, strict=True):
            beside = set[str]().union(*(other for other, _ in together if other is not at))
            if at.isdisjoint(beside) and not at.isdisjoint(found):
                continue
            [(alone, what)], found_alone = await _found(history, kept, seed)
            if not found_alone:
                passed.append(what)
            elif alone and alone.isdisjoint(found_alone):
                elsewhere.append((what, sorted(found_alone)))
    assert passed == []
    assert elsewhere == []


async def _found(history: Told, kept: dict[str, Any], *seeds: int) -> tuple[list[Change], set[str]]:
    """What is changed by these, one after the other, and where the audits find something."""
    changes = [change(Random(seed), history) for seed in seeds]  # noqa: S311
    try:
        report = await audit(history, history.pinned)
        alone = await audit_integrity(history, partial(here, history), history.pinned)
    finally:
        for each, value in kept.items():
            setattr(history, each, msgspec.structs.replace(value) if isinstance(value, msgspec.Struct) else _copied(value))
    return changes, {*places(report), *places(alone)} if not report.ok else set()


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copied(each) for key, each in value.items()}
        case list():
            return list(value)
        case _:
            return value
