"""A state that other code has made is not believed: the fingerprint of a stream's rules covers all that they reach."""

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from services.registry import JOURNALED, service
from shared.journal import fingerprint
from shared.journal.decider import Decider
from shared.journal.fingerprint import reached, rules_of

DECIDERS = [(service(name), decider) for name in JOURNALED for decider in service(name).deciders]
FILES = {
    "ruled/__init__.py": "",
    "ruled/rules.py": "from ruled import near\n\n\ndef evolve(state, event):\n    return near.TWICE * state\n",
    "ruled/near.py": "from .deep.down import ONCE\n\nTWICE = 2 * ONCE\n",
    "ruled/deep/__init__.py": "LIMIT = 7\n",
    "ruled/deep/down.py": "ONCE = 1\n\n\ndef late():\n    from ruled.deep.late import LATER\n\n    return LATER\n",
    "ruled/deep/late.py": "LATER = 3\n",
    "ruled/upcasts.py": "FIRST = 1\n\n\ndef upcast(data):\n    return data\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each.partition(".")[0] == "ruled"]:
        del sys.modules[name]


def rules() -> bytes:
    fingerprint._imports.cache_clear()  # as a process that has just started
    evolve, upcast = import_module("ruled.rules").evolve, import_module("ruled.upcasts").upcast
    return rules_of(Decider(kind="test", initial=None, commands=None, decide=lambda *_: [], evolve=evolve), upcast)


@pytest.mark.parametrize("name", FILES)
def test_one_constant_changed_anywhere_makes_other_rules(folder: Path, name: str) -> None:
    before = rules()
    assert rules() == before
    (folder / name).write_text(FILES[name] + "CHANGED = True\n")
    assert rules() != before


def test_another_version_of_a_library_makes_other_rules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ruled/deep/late.py").write_text("from dateutil import tz\nfrom typeid import TypeID\n")
    before = rules()
    versions = importlib.metadata.version
    for library in ("msgspec", "typeid-python", "python-dateutil", "six"):  # the last is needed by another only
        monkeypatch.setattr(fingerprint, "version", lambda name, other=library: "0.0.1" if name == other else versions(name))
        assert rules() != before, library
    monkeypatch.setattr(fingerprint, "version", lambda name: "0.0.1" if name == "uvicorn" else versions(name))
    assert rules() == before, "no rule uses uvicorn"


@pytest.mark.parametrize(("serves", "decider"), DECIDERS, ids=lambda each: each.kind if isinstance(each, Decider) else each.name)
def test_the_rules_of_every_kind_of_stream_are_code_alone(serves, decider) -> None:
    """They read no file and load no module by a name that is put together, which no fingerprint would see."""
    files, _ = reached({decider.evolve.__module__, type(decider.initial).__module__})
    for name, file in files.items():
        imported = {package.partition(".")[0] for package, _ in fingerprint._imports(name, file)}
        called = {
            node.func.id
            for node in ast.walk(ast.parse(file.read_bytes()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        may = {"os"} if name == "shared.journal.record" else set()  # where salts are drawn
        assert not imported & {"importlib", "io", "os", "pathlib", "pkgutil", "runpy"} - may, name
        assert not called & {"open", "eval", "exec", "__import__"}, name
    assert serves.rules(decider.kind) == serves.rules(decider.kind)


def test_what_a_loan_owes_is_part_of_its_rules() -> None:
    """It is worked out by modules that stand beside the decider and are reached through others."""
    loans = service("loans")
    loan = next(each for each in loans.deciders if each.kind == "loan")
    files, libraries = reached({loan.evolve.__module__, *fingerprint._ALWAYS})
    assert {Path(file).stem for file in files.values()} >= {"schedule", "day_counts", "calendars", "business_days", "authority"}
    assert "holidays" in libraries
    assert loans.rules("loan") != loans.rules("facility")


def test_a_snapshot_of_another_kind_of_stream_outlives_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    loans = service("loans")
    before = {each.kind: loans.rules(each.kind) for each in loans.deciders}
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: read(file) + b"# changed\n" * (file.stem == "day_counts"))
    fingerprint._imports.cache_clear()
    changed = {kind for kind, rules in before.items() if loans.rules(kind) != rules}
    assert "loan" in changed
    assert not changed & {"facility", "project"}
