"""What the alert rules and the dashboards ask of the metrics: names, labels, and the values that they must have."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"

_METRIC = r"\b(?:reserve[_:][\w:]+|process_\w+|envoy_\w+|up|ALERTS)\b"
_SELECTOR = re.compile(rf"({_METRIC})(?:\{{((?:[^{{}}\"]|\"[^\"]*\")*)\}})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_MADE = re.compile(r'label_replace\((?:[^"]|"[^"]*"(?!,))*?,\s*"(\w+)"')  # the label that label_replace makes
_TOLD = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")  # in annotations and legends


class Query(NamedTuple):
    """`told`: labels that its annotation or legend speaks of."""

    place: str
    expression: str
    told: frozenset[str]

    @property
    def selectors(self) -> list[tuple[str, list[tuple[str, str, str]]]]:
        """[(metric, [(label, operator, value)])]"""
        return [(name, _MATCHER.findall(matchers)) for name, matchers in _SELECTOR.findall(self.expression)]

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.selectors)

    @property
    def grouped(self) -> frozenset[str]:
        """Labels that it groups or joins by, without those that it makes itself."""
        found = {label.strip() for labels in _GROUPED.findall(self.expression) for label in labels.split(",")}
        return frozenset(found - {""} - set(_MADE.findall(self.expression)))


def groups() -> list[Any]:
    found: list[Any] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return found


def alerts() -> dict[str, Any]:
    return {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}


def recorded() -> dict[str, Query]:
    """Figures that the rules make themselves: {name: what of}."""
    rules = (rule for group in groups() for rule in group["rules"] if "record" in rule)
    return {rule["record"]: Query(rule["record"], rule["expr"], frozenset()) for rule in rules}


def queries() -> Iterator[Query]:
    yield from recorded().values()
    for name, rule in alerts().items():
        yield Query(name, rule["expr"], frozenset(_TOLD.findall(rule["annotations"]["summary"])))
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield Query(f"{file.name}: {panel['title']}", target["expr"], frozenset(_TOLD.findall(target["legendFormat"])))


def dashboards_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", FOLDER / "dashboards.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
