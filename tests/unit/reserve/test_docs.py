"""The documents: what they name is there, since a name that leads nowhere costs whoever follows it more than none."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from reserve.operate.migrate import ROOT

FOLDERS = ("bench", "clients", "deploy", "docs", "migrations", "reserve", "services", "shared", "tests")
DOCUMENTS = {path: path.read_text() for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])}


def test_a_link_leads_to_a_file() -> None:
    dead = [
        (document.name, link)
        for document, text in DOCUMENTS.items()
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        if not (document.parent / link).exists()
    ]
    assert dead == []


def test_a_file_or_folder_that_is_named_is_there() -> None:
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    known = {ending for path in [*ROOT.iterdir(), *below] for ending in _endings(path.relative_to(ROOT))}
    named = [(name, span) for name, span in _spans() if re.fullmatch(r"[a-z0-9_.][a-z0-9_./{},-]*(\.(py|md|toml|yml|ini)|/)", span)]
    assert [(name, span) for name, span in named if not known.issuperset(each.rstrip("/") for each in _expanded(span))] == []


def test_the_map_of_folders_is_that_of_the_tree() -> None:
    """Every folder that holds code has its line in ARCHITECTURE, and no line is of a folder that is not there."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Folders")[2].partition("\n## ")[0]
    mapped = {each for row in re.findall(r"^\| `([^`]+)/` \|", table, flags=re.MULTILINE) for each in _expanded(row)}
    assert [folder for folder in sorted(mapped) if not (ROOT / folder).is_dir()] == []
    packages = {
        file.parent.relative_to(ROOT).as_posix() for top in ("reserve", "services", "shared") for file in (ROOT / top).rglob("*.py")
    }
    tests = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "tests").glob("*/__init__.py")}
    assert sorted((packages | tests) - mapped) == []


def test_a_test_that_is_named_is_there() -> None:
    named = [found for text in DOCUMENTS.values() for found in re.findall(r"(tests/[a-z0-9_/]+\.py)::(\w+)", text)]
    assert [(path, test) for path, test in named if f"def {test}(" not in (ROOT / path).read_text()] == []


def test_a_route_that_is_named_is_served() -> None:
    served = {_any_id(route) for path in (ROOT / "docs/api").glob("*.openapi.json") for route in json.loads(path.read_text())["paths"]}
    named = [(name, found[1]) for name, span in _spans() if (found := re.match(r"(?:(?:GET|POST) )?(?:/[a-z]+)?(/v1/[^\s?]+)", span))]
    assert [(name, route) for name, route in named if _any_id(route) not in served] == []


def test_no_token_is_put_on_a_command_line() -> None:
    """Where any user of the machine sees it."""
    lines = [(document.name, line) for document, text in DOCUMENTS.items() for line in text.splitlines() if "curl" in line]
    assert [line for line in lines if re.search(r"""(-H|--header)[ =]?["']?Authorization""", line[1])] == []
    assert any("Authorization: Bearer" in line for _, line in lines)


def _spans() -> Iterator[tuple[str, str]]:
    """What stands between backticks, with the document's name."""
    for document, text in DOCUMENTS.items():
        for span in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            yield document.name, re.sub(r"\s+", " ", span)


def _expanded(path: str) -> Iterator[str]:
    """As a shell expands braces: `a/{b,c}` is `a/b` and `a/c`."""
    if (found := re.search(r"\{([^}]*)\}", path)) is None:
        yield path
        return
    for word in found[1].split(","):
        yield from _expanded(path.replace(found[0], word, 1))


def _endings(path: Path) -> Iterator[str]:
    """A file may be named by the end of its path alone."""
    for start in range(len(path.parts)):
        yield "/".join(path.parts[start:])


def _any_id(route: str) -> str:
    return re.sub(r"\{[^}]*\}|\.\.\.", "*", route.partition("?")[0])
