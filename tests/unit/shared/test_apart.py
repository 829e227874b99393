"""Who must be another person than whom: one table, which the documents show, the API refuses by, and the audit looks at."""

import ast
import re

import pytest

from reserve.operate.migrate import ROOT
from services.registry import JOURNALED, service
from shared.terms.apart import Apart


def test_the_document_shows_this_table() -> None:
    text = (ROOT / "docs" / "authority.md").read_text()
    shown = re.findall(r"^\| (who[^|]+) \| ([^|]+) \| (`[^|]+`) \|$", text, flags=re.MULTILINE)
    assert shown == [(row.who, row.than, ", ".join(f"`{code}`" for code in row.codes)) for row in Apart]


@pytest.mark.parametrize("row", Apart, ids=lambda row: row.name)
def test_whoever_is_the_same_is_refused_by_a_code_of_the_api(row: Apart) -> None:
    known = {str(reason) for name in JOURNALED for reason in service(name).refusals}
    assert set(row.codes) <= known


def test_the_audit_looks_at_each_row() -> None:
    used = {
        node.attr
        for path in (ROOT / "reserve" / "audit").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Apart"
    }
    assert used == {row.name for row in Apart}
