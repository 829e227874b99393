"""Every state that a service can be in comes back from its snapshot, while the rules that made it are the same."""

import importlib
from pathlib import Path

import pytest
from book_story import a_certified_round, a_proposal
from hypothesis import given
from test_inventory_properties import histories, stories

from services.allocation.domain.book_state import Book
from services.inventory.domain.state import Stockpile
from services.registry import JOURNALED, service
from shared.decider import Decider
from shared.snapshots import decoded, encoded, rules_of

DECIDERS = [decider for name in JOURNALED for decider in service(name).deciders]


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.kind)
def test_a_stream_without_events(decider: Decider) -> None:
    assert decoded(encoded(decider.initial), type(decider.initial)) == decider.initial


@given(stories)
def test_a_stockpile(story) -> None:
    for _, _, _, state in histories(story)[-5:]:
        assert decoded(encoded(state), Stockpile) == state


@pytest.mark.parametrize("story", [a_proposal(7, 4), a_certified_round(7, 4)])
def test_a_book(story) -> None:
    assert decoded(encoded(story.book), Book) == story.book


def test_a_line_changed_in_any_file_that_makes_states_makes_other_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "rules_of_a_test"
    package.mkdir()
    files = [package / "__init__.py", package / "evolve.py", package / "helped.py", tmp_path / "events_of_a_test.py"]
    for file in files:
        file.write_text("def evolve(state, event):\n    return state\n\n\nclass Event:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    evolve = importlib.import_module("rules_of_a_test.evolve").evolve
    event = importlib.import_module("events_of_a_test").Event
    decider = Decider(kind="test", initial=None, commands=None, decide=lambda *_: [], evolve=evolve)
    seen = {rules_of([decider], event)}
    assert rules_of([decider], event) in seen
    for file in files:
        file.write_text(file.read_text() + "# changed\n")
        seen.add(rules_of([decider], event))
    assert len(seen) == 1 + len(files)
