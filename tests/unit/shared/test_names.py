"""The kernel knows no service by name: what it must know of one is said by that service's `SERVICE`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from reserve.operate.migrate import ROOT
from services.registry import JOURNALED, PROCESSES, service

# What callers and operators know by these names for good.
PROMISED = {"waiting_for_ledger", "behind_ledger", "require_ledger_at_start", "ledger_public_key"}


def test_no_text_of_the_kernel_names_a_service() -> None:
    assert [said for said in _said() if _words(said[1]) & set(PROCESSES) and said[1] not in PROMISED] == []


def test_no_identifier_of_the_kernel_names_a_journaled_service() -> None:
    """Of the others, `identity` is a word for processes and keys as well."""
    assert [named for named in _named() if _words(named[1]) & set(JOURNALED) and named[1] not in PROMISED] == []


def test_who_records_a_journal_takes_all_of_its_events() -> None:
    recorders = {name: service(name).recorded_by for name in JOURNALED}
    for name, recorder in recorders.items():
        if recorder is not None:
            assert [taken.types for taken in service(recorder).subscriptions if taken.source == name] == [None]
    assert [name for name, recorder in recorders.items() if recorder is None] == ["ledger"]


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "shared").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def _said() -> Iterator[tuple[str, str]]:
    """Every text but docstrings, with where it stands."""
    for path, tree in _trees():
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
                yield f"{path.name}:{node.lineno}", node.value


def _named() -> Iterator[tuple[str, str]]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                    yield f"{path.name}:{node.lineno}", name
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield f"{path.name}:{node.lineno}", name


def _words(text: str) -> set[str]:
    """`log_forked`, `LogForked` and "the log, forked" are the same words."""
    return set(re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", "_", text).lower()))
