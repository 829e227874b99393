"""OpenAPI: what the document of a service says beyond what FastAPI reads from its routes. It is made when it is first asked for."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from shared.http.handlers import KEY_HEADER, KEY_PATTERN
from shared.http.problems import PROBLEM_SCHEMAS

_BRINGS = "x-brings"  # the components that a schema refers to, until a document is made
_NAMED = "x-named"  # stands in schemas until a document is made: pydantic knows no reference to what is not its own


def operation_id(route: APIRoute) -> str:
    """For `FastAPI(generate_unique_id_function=operation_id)`: the handler's name, which generated clients give their functions, too."""
    return route.name


def named(component: str) -> dict[str, Any]:
    """The schema of one of the components that every document has: `Problem`."""
    return {_NAMED: component}


def answers(*kinds: Any) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: that it answers with JSON of one of these types (msgspec's), which it writes itself."""
    schemas, brings = msgspec.json.schema_components(kinds, schema_hook=_written, ref_template="#/components/schemas/{name}")
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": [*schemas]}
    return {200: {"content": {"application/json": {"schema": {**schema, _BRINGS: _in_ecma(brings)}}}}}


def _written(kind: type) -> dict[str, Any]:
    assert kind is Fraction, f"nobody says how a {kind} is written"
    return {"type": "string", "pattern": "^-?[0-9]+(/[0-9]+)?$"}


def _in_ecma(found: Any) -> Any:
    """With patterns as JSON Schema has them, which knows no \\Z."""
    if isinstance(found, dict):
        same = {name: _in_ecma(each) for name, each in found.items()}
        return same | ({"pattern": re.sub(r"\\Z$", "$", found["pattern"])} if isinstance(found.get("pattern"), str) else {})
    return [*map(_in_ecma, found)] if isinstance(found, list) else found


def dependants(app: FastAPI) -> dict[str, Dependant]:
    """What each operation of the document asks for, by its id."""
    routes = (route for route in iter_route_contexts(app.routes) if isinstance(route.original_route, APIRoute))
    return {route.operation_id or route.unique_id: route.dependant for route in routes}


def install(app: FastAPI) -> None:
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = described()
            _require_keys(document)
            _say_who_may(document, app)
            _add_components(document)
        assert app.openapi_schema is not None, "FastAPI keeps what it has described"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def operations_in(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for path in document["paths"].values() for operation in path.values())


def _require_keys(document: dict[str, Any]) -> None:
    """Handlers take a key that may be missing, to say so by a code of its own (`idempotency_key_missing`); callers may not leave it out."""
    for parameter in (each for operation in operations_in(document) for each in operation.get("parameters", ())):
        if (parameter["in"], parameter["name"]) == ("header", KEY_HEADER):
            parameter |= {"required": True, "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "title": "Idempotency-Key"}}


def _say_who_may(document: dict[str, Any], app: FastAPI) -> None:
    """At the end of each description, as the dependencies say that check it (`auth.allow`)."""
    asked = dependants(app)
    for operation in operations_in(document):
        said = [operation["description"]] if "description" in operation else []
        operation["description"] = "\n\n".join([*said, _who_may(list(_checks(asked[operation["operationId"]])))])


def _checks(dependant: Dependant) -> Iterator[Any]:
    if hasattr(dependant.call, "on_duty"):
        yield dependant.call
    for each in dependant.dependencies:
        yield from _checks(each)


def _who_may(checks: list[Any]) -> str:
    if not checks:
        return "Needs no token."
    named = [check.roles for check in checks if check.roles]
    said = [f"Roles: {', '.join(sorted(frozenset.intersection(*named))) if named else 'any'}."]
    said += [f"Scope: `{check.scope}`." for check in checks if check.scope is not None]
    if all(check.on_duty for check in checks):
        said.append("Also on duty.")
    return " ".join(said)


def _add_components(document: dict[str, Any]) -> None:
    """Puts those in that schemas name. A name has one meaning in a document."""
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in PROBLEM_SCHEMAS.items():
        assert components.setdefault(name, schema) == schema, f"there are two schemas {name}"
    for schema in list(_schemas_with(document, _BRINGS)):
        _bring(schema, components)
    for schema in list(_schemas_with(document, _NAMED)):
        schema["$ref"] = f"#/components/schemas/{schema.pop(_NAMED)}"


def _bring(schema: dict[str, Any], components: dict[str, Any]) -> None:
    """Adds what the schema refers to. What has the name of a view that says it otherwise is named `Written...`, as it is in documents."""
    brought = schema.pop(_BRINGS)
    others = {name for name, each in brought.items() if components.get(name, each) != each}
    for found in (schema, brought):
        for each in list(_schemas_with(found, "$ref")):
            path, _, name = each["$ref"].rpartition("/")
            each["$ref"] = f"{path}/Written{name}" if name in others else each["$ref"]
    for name, each in brought.items():
        name = f"Written{name}" if name in others else name
        assert components.setdefault(name, each) == each, f"there are two schemas {name}"


def _schemas_with(found: Any, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        if key in found:
            yield found
        for each in found.values():
            yield from _schemas_with(each, key)
    elif isinstance(found, list):
        for each in found:
            yield from _schemas_with(each, key)
