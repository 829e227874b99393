"""OpenAPI: what the document of a service says beyond what FastAPI reads from its routes. It is made when it is first asked for."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.http.handlers import KEY_HEADER, KEY_PATTERN


def operation_id(route: APIRoute) -> str:
    """For `FastAPI(generate_unique_id_function=operation_id)`: the handler's name, which generated clients give their functions, too."""
    return route.name


def install(app: FastAPI) -> None:
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = described()
            _require_keys(document)
        assert app.openapi_schema is not None, "FastAPI keeps what it has described"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for path in document["paths"].values() for operation in path.values())


def _require_keys(document: dict[str, Any]) -> None:
    """Handlers take a key that may be missing, to say so by a code of its own (`idempotency_key_missing`); callers may not leave it out."""
    for parameter in (each for operation in _operations(document) for each in operation.get("parameters", ())):
        if (parameter["in"], parameter["name"]) == ("header", KEY_HEADER):
            parameter |= {"required": True, "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "title": "Idempotency-Key"}}
