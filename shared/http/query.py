"""Queries: a parameter that a route does not declare is refused by its name, since who sends one counts on what it does not do."""

from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from starlette.types import Scope

from shared.http.problems import Problem


def known_to_query(dependant: Dependant) -> frozenset[str]:
    """What a route and its dependencies declare. To be worked out once a route."""
    return frozenset(field.alias for field in dependant.query_params).union(*map(known_to_query, dependant.dependencies))


def unknown_in_query(scope: Scope, known: frozenset[str] | None) -> Problem | None:
    """`known`: what the route takes; None: it is not ours to say."""
    if known is None:
        return None
    for name, _value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name not in known:
            shown = name[:60]
            return Problem(
                "query_parameter_unknown",
                f"this route takes no parameter {shown} in its query",
                field=f"query:{shown}",
                accepted=", ".join(sorted(known)) or "no query",
            )
    return None
