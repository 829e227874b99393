"""Alert rules, dashboards and the guides belong together: each speaks of what the others have. What the metrics have: tests/e2e."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from reserve.__main__ import app
from services.registry import PROCESSES
from tests.contract.observability import FOLDER, ROOT, Query, alerts, dashboards_writer, groups, queries, recorded

ONCALL = ROOT / "docs" / "oncall.md"
GUIDES = sorted((ROOT / "docs").glob("*.md"))


def test_a_guide_is_there() -> None:
    assert {ONCALL.name, "restore.md", "threats.md"} <= {guide.name for guide in GUIDES}


def anchors(guide: Path) -> set[str]:
    """As a reader's browser makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", guide.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_urgent_it_is_and_where_to_read_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    guide, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (ROOT / guide, anchor) == (ONCALL, name.lower())
    assert anchor in anchors(ONCALL)


def test_the_guide_has_no_alert_that_there_is_not() -> None:
    assert set(re.findall(r"^### (.+)$", ONCALL.read_text(), re.MULTILINE)) == alerts().keys()


def test_an_alert_fires_in_one_history_and_is_silent_in_another() -> None:
    histories = yaml.safe_load((ROOT / "tests" / "interop" / "promtool" / "alerts.test.yml").read_text())["tests"]
    looked_at = [(look["alertname"], bool(look.get("exp_alerts"))) for history in histories for look in history["alert_rule_test"]]
    for fires in (True, False):
        assert {name for name, fired in looked_at if fired is fires} == alerts().keys()


def test_the_dashboards_are_what_their_writer_makes() -> None:
    assert {file.name: file.read_text() for file in (FOLDER / "dashboards").glob("*.json")} == dashboards_writer().dashboards()


def test_every_process_is_scraped() -> None:
    [job] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {target["labels"]["service"] for target in job["static_configs"]} == set(PROCESSES)
    ports = {target["labels"]["service"]: target["targets"] for target in job["static_configs"]}
    assert ports == {name: [f"{name}:{8001 if name == 'edge' else 8000}"] for name in PROCESSES}  # the edge's first port is the world's


def test_a_figure_that_is_used_is_recorded_and_no_other() -> None:
    used = {name for query in queries() for name in query.metrics if name.startswith("reserve:")}
    assert used == recorded().keys()


@pytest.mark.parametrize("query", list(queries()), ids=lambda query: query.place)
def test_what_is_told_is_what_was_asked_for(query: Query) -> None:
    kept = query.grouped.union(*(recorded()[name].grouped for name in query.metrics if name.startswith("reserve:")))
    kept |= {"value"} | (set() if re.search(r"\bby\b", query.expression) else {"instance", "service"})
    assert query.told <= kept


def test_a_group_has_its_name_once() -> None:
    names = [group["name"] for group in groups()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guide_names_files_tests_and_sections_that_there_are(guide: Path) -> None:
    text = guide.read_text()
    for path, test in re.findall(r"`((?:tests|services|shared|deploy|docs)/[\w./-]+)(?:::(\w+))?`", text):
        assert (ROOT / path).exists(), path
        assert not test or re.search(rf"^(async )?def {test}\b", (ROOT / path).read_text(), re.MULTILINE), test
    for link in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        target = guide.parent / file if file else guide
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guide_names_commands_and_options_that_there_are(guide: Path) -> None:
    text = guide.read_text()
    said = re.findall(r"(?:(?<!`)`|\$\()reserve ([^`)]+)", text) + re.findall(r"^reserve ([^=].*)$", text, re.MULTILINE)
    for words in map(str.split, said):
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            assert words and words[0] in command.commands, f"reserve {' '.join(words)}: no {words[:1]}"
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words
