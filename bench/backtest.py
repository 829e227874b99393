"""Policies tried on the library of scenarios, as `reserve backtest` does it."""

import time
from collections.abc import AsyncGenerator

import msgspec

from bench.figures import Figure, Options, figure
from services.allocation import scenarios
from services.allocation.domain.policies.backtest import cases_of, try_out
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events.rounds import RoundMethod

METHODS = {
    "in proportion": RoundMethod(rule="pro_rata"),
    "equally, capped": RoundMethod(rule="equal_awards", cap="2/5"),
    "by class": RoundMethod(rule="priority", inside={"0": "talmud", "": "pro_rata"}),
}


async def backtest(_options: Options) -> AsyncGenerator[Figure]:
    policies = {name: msgspec.structs.replace(STANDARD_TERMS, method=method) for name, method in METHODS.items()}
    scenarios.names.cache_clear()
    scenarios.scenario.cache_clear()
    began = time.perf_counter()
    library = [scenarios.scenario(name) for name in scenarios.names()]
    try_out([case for scenario in library for case in cases_of(scenario)], policies)
    yield figure(f"backtest_{len(library)}_scenarios_{len(policies)}_policies", time.perf_counter() - began, "s", at_most=5)
