"""`reserve backtest`: policies tried on the library of scenarios, with no server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reserve.commands.failure import fail
from services.allocation import scenarios
from services.allocation.domain.policies.backtest import Tried, cases_of, try_out
from services.allocation.domain.policies.terms import STANDARD_TERMS, fault_of
from services.allocation.events.policies import PolicyTerms


def backtest(files: Sequence[Path], names: Sequence[str]) -> list[Tried]:
    """Every scenario of these names (none: all) under the policy in each file. Ends the command for what cannot be read."""
    policies: dict[str, PolicyTerms] = {}
    for file in files:
        name, terms = read_policy(file)
        if name in policies:
            fail(f"--policy: {file}: {name} is given twice (accepted: each policy once)")
        policies[name] = terms
    if unknown := sorted(set(names) - set(scenarios.names())):
        fail(f"--scenario: there is no {unknown[0]!r} (accepted: {', '.join(scenarios.names())})")
    chosen = [name for name in scenarios.names() if name in names or not names]
    return try_out((case for name in chosen for case in cases_of(scenarios.scenario(name))), policies)


def read_policy(file: Path) -> tuple[str, PolicyTerms]:
    """A version's document or the body of a draft, or its terms alone; what terms do not say is as standard."""
    try:
        found = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        fail(f"--policy: {file}: {error.strerror}")
    except msgspec.DecodeError as error:
        fail(f"--policy: {file} is no JSON: {error}")
    if not isinstance(found, dict):
        fail(f'--policy: {file} is no policy (accepted: an object, such as {{"method": {{"rule": "pro_rata"}}}})')
    name = f"{found['policy']} v{found['version']}" if {"policy", "version"} <= found.keys() else file.stem
    terms = _terms(file, found.get("terms", found))
    if (fault := fault_of(terms)) is not None:
        fail(f"--policy: {file}: {fault.field}: {fault.detail} (accepted: {fault.accepted})")
    return name, terms


def _terms(file: Path, found: Any) -> PolicyTerms:
    standard: dict[str, Any] = msgspec.to_builtins(STANDARD_TERMS)
    if not isinstance(found, Mapping):
        fail(f"--policy: {file}: terms are an object")
    _require_known(file, "terms", found, standard)
    if isinstance(method := found.get("method"), Mapping):
        _require_known(file, "method", method, standard["method"])
    try:
        return msgspec.convert(standard | dict(found), PolicyTerms)
    except msgspec.ValidationError as error:
        fail(f"--policy: {file}: {error}")


def _require_known(file: Path, where: str, found: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """What is misspelt would else be as standard."""
    if strange := sorted(found.keys() - known.keys()):
        fail(f"--policy: {file}: {where} have no {strange[0]!r} (accepted: {', '.join(known)})")
