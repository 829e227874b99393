"""Application: what each service's has, whatever its routes: an answer where the database is away, and a document of all it takes."""

from typing import Any

from fastapi import FastAPI, Request, Response

from shared.http.crowd import Crowd
from shared.http.direct import DirectRoutes
from shared.http.handlers import KEY_HEADER, KEY_PATTERN
from shared.http.problems import ProblemResponse
from shared.http.writing import AWAY, away


def install(app: FastAPI) -> None:
    """A database that does not answer is a 503 with Retry-After, whichever handler met it. Routes are served directly where they can be,
    and to one party only so many at once.

    To be called before any middleware is added.
    """
    assert not app.user_middleware, "direct routes are the innermost"
    app.add_middleware(DirectRoutes)
    app.add_middleware(Crowd)
    for kind in AWAY:
        app.add_exception_handler(kind, _unavailable)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_required_keys(described())

    app.openapi = openapi  # type: ignore[method-assign]


async def _unavailable(request: Request, error: Exception) -> Response:
    return ProblemResponse(away(error, request))


def _with_required_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Handlers take a key that may be missing, to say so by a code of its own (`idempotency_key_missing`); callers may not leave it out."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    for parameter in (each for operation in operations for each in operation.get("parameters", ())):
        if (parameter["in"], parameter["name"]) == ("header", KEY_HEADER):
            parameter |= {"required": True, "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "title": "Idempotency-Key"}}
    return document
