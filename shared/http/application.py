"""Application: what each service's has, whatever its routes: an answer where the database is away, direct routes, and a whole document."""

from fastapi import FastAPI, Request, Response

from shared.http import openapi
from shared.http.crowd import Crowd
from shared.http.direct import DirectRoutes
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
    openapi.install(app)


async def _unavailable(request: Request, error: Exception) -> Response:
    return ProblemResponse(away(error, request))
