"""Fingerprint: one hash of the code that makes a stream's states out of its stored events, so that nothing made by other code is believed.

It covers every first-party module that the rules reach by import, to the last one, and the versions of the libraries that these use, with
what those need. It looks at source, not at what runs: an import within a function counts, one that is put together at run time does not.
"""

import ast
import platform
import re
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from shared.journal.decider import Decider

_NAME = re.compile(r"[\w.-]+")
_ALWAYS = ("shared.journal.codec", "shared.journal.snapshots", __name__)  # they read events and states back


def rules_of(decider: Decider, *more: Any) -> bytes:
    """What makes the states of one kind of stream: what its `evolve` and its state reach, and `more` (events, upcasters)."""
    return fingerprint({each.__module__ for each in (decider.evolve, type(decider.initial), *more)}.union(_ALWAYS))


def fingerprint(modules: Iterable[str]) -> bytes:
    """SHA-256 of what these modules (by dotted name) reach."""
    files, libraries = reached(modules)
    digest = sha256(".".join(platform.python_version_tuple()[:2]).encode())
    for name, file in sorted(files.items()):
        digest.update(name.encode() + b"\0" + sha256(file.read_bytes()).digest())
    for line in sorted(versions_of(libraries)):
        digest.update(line.encode() + b"\n")
    return digest.digest()


def reached(modules: Iterable[str]) -> tuple[dict[str, Path], set[str]]:
    """(the source file of each first-party module reached, the top-level names of the libraries that they import). First-party is
    what has its top-level package in common with one of `modules`."""
    todo = {name for name in modules if _top(name) not in sys.stdlib_module_names}
    ours = {_top(name) for name in todo}
    files: dict[str, Path] = {}
    libraries: set[str] = set()
    while todo:
        name = todo.pop()
        if name in files:
            continue
        files[name] = file = _source_of(name)
        todo |= set(_packages_above(name))
        for package, names in _imports(name, file):
            if _top(package) in ours:
                todo |= {package, *(f"{package}.{each}" for each in names if _is_module(package, each))}
            elif _top(package) not in sys.stdlib_module_names:
                libraries.add(_top(package))
    return files, libraries


def versions_of(libraries: Iterable[str]) -> set[str]:
    """As "NAME==VERSION": the distributions that these top-level names are installed from, and of all that they require."""
    found: dict[str, str] = {}
    todo = {_distribution_of(library) for library in libraries}
    while todo:
        name = todo.pop()
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # required for another platform, or by an extra that is not installed
        needed = {_NAME.match(line)[0].lower() for line in requires(name) or () if "extra ==" not in line}  # type: ignore[index]
        todo |= needed - found.keys()
    return {f"{name}=={number}" for name, number in found.items()}


@cache
def _imports(name: str, file: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(a module, what is taken from it) of each import statement."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found += ((each.name, ()) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = resolve_name("." * node.level + (node.module or ""), name if file.name == "__init__.py" else name.rpartition(".")[0])
            found.append((package, tuple(each.name for each in node.names)))
    return tuple(found)


def _is_module(package: str, name: str) -> bool:
    """Whether what is taken from a package is a module of its, rather than a name in it."""
    file = _source_of(package)
    return file.name == "__init__.py" and (file.with_name(f"{name}.py").exists() or (file.parent / name / "__init__.py").exists())


def _source_of(name: str) -> Path:
    loaded = sys.modules.get(name)
    spec = find_spec(name) if loaded is None else loaded.__spec__
    assert spec is not None and spec.origin is not None, f"{name} has no source"
    return Path(spec.origin)


@cache
def _distribution_of(library: str) -> str:
    try:
        version(library)
    except PackageNotFoundError:
        return packages_distributions()[library][0].lower()
    return library.lower()


def _packages_above(name: str) -> list[str]:
    parts = name.split(".")[:-1]
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _top(name: str) -> str:
    return name.partition(".")[0]
