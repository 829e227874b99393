"""The library of scenarios: a file each, beside this one. `docs/policies.md` says what in them is known and what is assumed."""

from functools import cache
from importlib.resources import files

from services.allocation.domain.policies.scenario import Scenario, read_scenario


@cache
def names() -> tuple[str, ...]:
    """By the day on which they begin."""
    found = [entry.name.removesuffix(".json") for entry in files(__name__).iterdir() if entry.name.endswith(".json")]
    return tuple(sorted(found, key=lambda name: scenario(name).day))


@cache
def scenario(name: str) -> Scenario:
    """Raises `FileNotFoundError`, `ScenarioUnreadable`."""
    return read_scenario(files(__name__).joinpath(f"{name}.json").read_bytes(), name)
