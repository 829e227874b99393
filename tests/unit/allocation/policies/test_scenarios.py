"""The library of scenarios: what is in it, and what its loader takes no part of."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.allocation import scenarios
from services.allocation.domain.policies.scenario import ScenarioUnreadable, figures_of, read_scenario

type Change = Callable[[Any], None]


def test_the_library_has_the_four_disruptions_by_their_days():
    assert scenarios.names() == ("rare-earths-2010", "gallium-germanium-2023", "antimony-2024", "japan-2026")


@pytest.mark.parametrize("name", scenarios.names())
def test_every_figure_of_the_library_has_a_source_or_is_an_assumption_with_a_reason(name: str):
    scenario = scenarios.scenario(name)
    figures = [figure for _, figure in figures_of(scenario)]
    assert any(figure.source for figure in figures)
    assert all((figure.source in scenario.sources) != figure.assumption for figure in figures)
    assert all(figure.note for figure in figures if figure.assumption)


def first_request(found: Any) -> Any:
    return found["rounds"][0]["requests"][0]


def unsourced(found: Any) -> None:
    del first_request(found)["daily_consumption_g"]["source"]


def twofold(found: Any) -> None:
    first_request(found)["daily_consumption_g"]["assumption"] = True


def unexplained(found: Any) -> None:
    del found["rounds"][0]["unit_g"]["note"]


def of_nobody(found: Any) -> None:
    first_request(found)["daily_consumption_g"]["source"] = "hearsay"


def idle(found: Any) -> None:
    found["sources"]["unread"] = {"publisher": "P", "title": "T", "date": "2020"}


def renamed(found: Any) -> None:
    found["name"] = "another"


def twice(found: Any) -> None:
    found["rounds"][0]["requests"][1]["request"] = first_request(found)["request"]


def too_large_a_minimum(found: Any) -> None:
    first_request(found)["minimum_g"]["value"] = first_request(found)["mass_g"]["value"] + 1


def without_a_position(found: Any) -> None:
    del found["rounds"][0]["requests"][1]["position"]


def misspelt(found: Any) -> None:
    found["dya"] = "2026-01-06"


def below_zero(found: Any) -> None:
    first_request(found)["mass_g"]["value"] = -1


def a_fraction(found: Any) -> None:
    first_request(found)["mass_g"]["value"] = 1.5


def without_units(found: Any) -> None:
    found["rounds"][0]["unit_g"]["value"] = 0


FAULTS: dict[str, tuple[Change, ...]] = {
    "rounds/0/requests/0/daily_consumption_g": (unsourced, twofold, of_nobody),
    "rounds/0/unit_g": (unexplained, without_units),
    "sources/unread": (idle,),
    "name": (renamed,),
    "rounds/0/requests": (twice, without_a_position),
    "rounds/0/requests/0/minimum_g": (too_large_a_minimum,),
    "file": (misspelt, below_zero, a_fraction),
}


@pytest.mark.parametrize(("where", "change"), [(where, change) for where, changes in FAULTS.items() for change in changes])
def test_what_is_wrong_with_a_scenario_is_said_with_its_place(where: str, change: Change):
    found = msgspec.json.decode(msgspec.json.encode(scenarios.scenario("japan-2026")))
    del found["rounds"][1:]
    read_scenario(msgspec.json.encode(found), "japan-2026")
    change(found)
    with pytest.raises(ScenarioUnreadable) as caught:
        read_scenario(msgspec.json.encode(found), "japan-2026")
    assert caught.value.where == where
    assert caught.value.accepted


def test_what_is_no_json_is_no_scenario():
    with pytest.raises(ScenarioUnreadable):
        read_scenario(b"\xff{", "japan-2026")
