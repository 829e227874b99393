"""Queries: a parameter that a route does not declare is refused by its name, since who sends one counts on what it does not do; and one
that is there twice, of which only one value would count."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from starlette.types import Scope

from shared.http.problems import Problem


def known_to_query(dependant: Dependant) -> Mapping[str, bool]:
    """What a route and its dependencies declare, and whether it may stand there more than once. To be worked out once a route."""
    known = {field.alias: field_annotation_is_sequence(field.field_info.annotation) for field in dependant.query_params}
    for each in dependant.dependencies:
        known |= known_to_query(each)
    return known


def unfit_in_query(scope: Scope, known: Mapping[str, bool] | None) -> Problem | None:
    """`known`: what the route takes; None: it is not ours to say."""
    if known is None:
        return None
    seen: set[str] = set()
    for name, _value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        shown = name[:60]
        if name in seen and not known.get(name):
            return Problem(
                "query_parameter_repeated", "this is there more than once", field=f"query:{shown}", accepted="one value of the parameter"
            )
        seen.add(name)
        if name not in known:
            return Problem(
                "query_parameter_unknown",
                f"this route takes no parameter {shown} in its query",
                field=f"query:{shown}",
                accepted=", ".join(sorted(known)) or "no query",
            )
    return None
