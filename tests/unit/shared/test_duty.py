"""What a token for a shift may do: what docs/oncall.md says, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from reserve.operate.migrate import ROOT
from services.registry import JOURNALED, service
from shared.process.kernel_api import router as kernel_routes


def checks_of(dependant: Dependant) -> Iterator[Any]:
    """What `allow` made of a route, to the last dependency."""
    if hasattr(dependant.call, "on_duty"):
        yield dependant.call
    for each in dependant.dependencies:
        yield from checks_of(each)


def all_of(router: Any) -> Iterator[APIRoute]:
    """Those of routers that it includes, too."""
    for route in router.routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from all_of(included)
        elif isinstance(route, APIRoute):
            yield route


def routes() -> Iterator[tuple[str, APIRoute]]:
    for name in JOURNALED:
        for route in (*all_of(service(name).router()), *all_of(kernel_routes)):
            if route.methods != {"GET"}:
                yield f"POST /{name}{route.path}", route


def test_the_guide_lists_what_may_be_done_on_duty() -> None:
    listed = re.findall(r"^\| `(POST [^`]+)` \|$", (ROOT / "docs" / "oncall.md").read_text(), flags=re.MULTILINE)
    allowed = {name for name, route in routes() if all(check.on_duty for check in checks_of(route.dependant))}
    assert set(listed) == allowed and len(listed) == len(allowed)


def test_every_route_that_changes_something_asks_who_calls() -> None:
    assert [name for name, route in routes() if not list(checks_of(route.dependant))] == []
