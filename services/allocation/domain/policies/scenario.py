"""Scenarios: disruptions of the past and of today as rounds that any policy can be tried on, dated, each figure with where it comes from.

A figure either names one of the file's sources or says that it is an assumption: nothing in between is read.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from shared.journal.record import MAX_INTEGER

MAX_PRIORITY_CLASS = 9
_PARTNER = re.compile(r"[A-Z]{2,3}")


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is misspelt is refused, and not left out."""


class Publication(_Part, frozen=True, kw_only=True):
    publisher: str
    title: str
    date: str  # as far as it is known: "2010-11-16", "2020", "undated"


class Figure(_Part, frozen=True, kw_only=True):
    """A whole number, of grams or units. `note`: how it follows from its source, or why it is assumed."""

    value: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    source: str | None = None
    assumption: bool = False
    note: str = ""


class SupplyFigures(_Part, frozen=True, kw_only=True):
    """A partner's supply over the scenario's days, which the rule `iep` goes by."""

    base_g: Figure  # consumption before the disruption
    commitment_g: Figure  # of its own reserve
    production_g: Figure
    imports_g: Figure  # that still come, net of exports


class AskedFor(_Part, frozen=True, kw_only=True):
    """What a partner would ask for, and be accepted with."""

    request: str  # names it in this round: "JP", "JP magnets"
    partner: str
    priority_class: int  # 0 is served first
    mass_g: Figure
    minimum_g: Figure
    daily_consumption_g: Figure
    position: SupplyFigures | None = None


class ScenarioRound(_Part, frozen=True, kw_only=True):
    product: str
    unit_g: Figure
    units: Figure  # on offer
    requests: tuple[AskedFor, ...]


class Scenario(_Part, frozen=True, kw_only=True):
    format: Literal["reserve.scenario.v1"]
    name: str  # the file's, without its ending
    title: str
    day: date
    days: int  # that positions are for
    told: str  # what happened, in a few sentences
    sources: dict[str, Publication]
    rounds: tuple[ScenarioRound, ...]


class ScenarioUnreadable(ValueError):
    """`where` names the place in the file, `accepted` says what would do."""

    def __init__(self, where: str, detail: str, accepted: str) -> None:
        super().__init__(f"{where}: {detail} (accepted: {accepted})")
        self.where = where
        self.detail = detail
        self.accepted = accepted


def read_scenario(content: bytes, name: str) -> Scenario:
    """The scenario in a file of that name. Raises `ScenarioUnreadable` with the first thing that is wrong."""
    try:
        scenario = msgspec.json.decode(content, type=Scenario)
    except msgspec.DecodeError as error:
        raise ScenarioUnreadable("file", str(error), "a reserve.scenario.v1 document") from error
    _require_sound(scenario, name)
    return scenario


def figures_of(scenario: Scenario) -> Iterator[tuple[str, Figure]]:
    """Every figure, with its place."""
    for number, round in enumerate(scenario.rounds):
        at = f"rounds/{number}"
        yield f"{at}/unit_g", round.unit_g
        yield f"{at}/units", round.units
        for place, asked in enumerate(round.requests):
            own = f"{at}/requests/{place}"
            yield f"{own}/mass_g", asked.mass_g
            yield f"{own}/minimum_g", asked.minimum_g
            yield f"{own}/daily_consumption_g", asked.daily_consumption_g
            if (position := asked.position) is not None:
                for part in position.__struct_fields__:
                    yield f"{own}/position/{part}", getattr(position, part)


def _require_sound(scenario: Scenario, name: str) -> None:
    if scenario.name != name:
        raise ScenarioUnreadable("name", f"{scenario.name!r} is not the file's", name)
    if scenario.days < 1:
        raise ScenarioUnreadable("days", f"{scenario.days} is no span", "1 or more")
    if not scenario.rounds:
        raise ScenarioUnreadable("rounds", "there is none", "at least one")
    for where, figure in figures_of(scenario):
        _require_provenance(where, figure, scenario)
    named = {figure.source for _, figure in figures_of(scenario)}
    if idle := sorted(scenario.sources.keys() - named):
        raise ScenarioUnreadable(f"sources/{idle[0]}", "no figure is from it", "sources that figures name")
    for number, round in enumerate(scenario.rounds):
        _require_round(f"rounds/{number}", round)


def _require_provenance(where: str, figure: Figure, scenario: Scenario) -> None:
    if (figure.source is None) != figure.assumption:
        raise ScenarioUnreadable(where, "a figure has a source or is an assumption", "one of the two")
    if figure.source is not None and figure.source not in scenario.sources:
        raise ScenarioUnreadable(where, f"there is no source {figure.source!r}", ", ".join(sorted(scenario.sources)) or "no source yet")
    if figure.assumption and not figure.note:
        raise ScenarioUnreadable(where, "an assumption says why it is one", "a note")


def _require_round(where: str, round: ScenarioRound) -> None:
    if round.unit_g.value < 1:
        raise ScenarioUnreadable(f"{where}/unit_g", "no unit", "1 g or more")
    if not round.requests:
        raise ScenarioUnreadable(f"{where}/requests", "nobody asks", "at least one request")
    names = sorted(asked.request for asked in round.requests)
    if twice := [one for one, other in pairwise(names) if one == other]:
        raise ScenarioUnreadable(f"{where}/requests", f"{twice[0]!r} comes twice", "each name once")
    for place, asked in enumerate(round.requests):
        _require_request(f"{where}/requests/{place}", asked)
    positions = {asked.partner: asked.position for asked in round.requests}
    if None in positions.values() and any(positions.values()):
        raise ScenarioUnreadable(f"{where}/requests", "some partners have a position, and some have none", "all or none")
    if any(positions[asked.partner] != asked.position for asked in round.requests):
        raise ScenarioUnreadable(f"{where}/requests", "a partner has two positions", "the same with each of its requests")


def _require_request(where: str, asked: AskedFor) -> None:
    if not _PARTNER.fullmatch(asked.partner):
        raise ScenarioUnreadable(f"{where}/partner", f"{asked.partner!r} is no partner", "two or three capitals")
    if not 0 <= asked.priority_class <= MAX_PRIORITY_CLASS:
        raise ScenarioUnreadable(f"{where}/priority_class", f"{asked.priority_class} is no class", f"0 to {MAX_PRIORITY_CLASS}")
    if asked.mass_g.value < 1:
        raise ScenarioUnreadable(f"{where}/mass_g", "nothing is asked for", "1 g or more")
    if asked.minimum_g.value > asked.mass_g.value:
        raise ScenarioUnreadable(f"{where}/minimum_g", "more than is asked for", f"at most {asked.mass_g.value}")
    if asked.daily_consumption_g.value < 1:
        raise ScenarioUnreadable(f"{where}/daily_consumption_g", "no consumption", "1 g a day or more")
