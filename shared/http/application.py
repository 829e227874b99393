"""Application: what each service's has, whatever its routes: an answer where the database is away, and a document of all it takes."""

from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError

from shared.http.auth import caller_of
from shared.http.direct import DirectRoutes
from shared.http.handlers import KEY_HEADER, KEY_PATTERN
from shared.http.problems import Problem, ProblemResponse
from shared.journal.connection import UNREACHABLE
from shared.writer.commands import Unavailable

log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """A database that does not answer is a 503 with Retry-After, whichever handler met it. Routes are served directly where they can be.

    To be called before any middleware is added.
    """
    assert not app.user_middleware, "direct routes are the innermost"
    app.add_middleware(DirectRoutes)
    for kind in (Unavailable, asyncpg.InterfaceError, InterfaceError, OperationalError, *UNREACHABLE):
        app.add_exception_handler(kind, _unavailable)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        return _with_required_keys(described())

    app.openapi = openapi  # type: ignore[method-assign]


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("unavailable", path=request.url.path, error=repr(error))
    detail = str(error) if isinstance(error, Unavailable) else "the database does not answer"
    if (caller := caller_of(request.scope)) is None or caller.outside:  # who operates it reads what to do about it
        detail = "send the same request again; under the same Idempotency-Key it counts once"
    return ProblemResponse(Problem("unavailable", detail, headers={"Retry-After": "2"}))


def _with_required_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Handlers take a key that may be missing, to say so by a code of its own (`idempotency_key_missing`); callers may not leave it out."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    for parameter in (each for operation in operations for each in operation.get("parameters", ())):
        if (parameter["in"], parameter["name"]) == ("header", KEY_HEADER):
            parameter |= {"required": True, "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "title": "Idempotency-Key"}}
    return document
