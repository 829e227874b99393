"""The console as an ASGI application: sign-in, its pages, its files. A page has nothing from elsewhere, and no script within."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console import kept
from services.console.pages import draws, finding, holds, now, opening, proposals, releases, requests, rounds, signing_in, stock
from services.console.session import Ending
from services.console.sign_in import NotSignedIn
from services.console.visit import ASKS_BY_ITSELF, SIGN_IN_COOKIE, Console, MustSignIn, console_of
from shared.http import problems
from shared.observe import telemetry
from shared.settings import Settings

log = structlog.get_logger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none at all, a browser would not say where a post comes from
    "cache-control": "no-store",
}
SIGNED_OUT: dict[Ending | None, str] = {
    "idle": "Nobody has opened a page here for 30 minutes.",
    "longest": "It is 8 hours since you signed in.",
}
IN_PLACE_OF_THE_PAGE = {"hx-retarget": "body", "hx-reselect": "unset", "hx-reswap": "innerHTML"}  # htmx's: not of the panel that asked


def create_app(settings: Settings) -> FastAPI:
    """Raises ValueError for settings that it cannot serve with."""
    telemetry.configure("console", settings)
    app = serve_console(Console(settings))
    telemetry.instrument(app, "console", settings)
    return app


def serve_console(console: Console) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await console.close()

    app = FastAPI(title="Reserve console", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.console = console
    for pages in (signing_in, now, requests, opening, rounds, releases, draws, stock, holds, proposals, finding):
        app.include_router(pages.router)
    problems.install(app)
    for kind, handler in ((MustSignIn, _sign_in), (NotSignedIn, _not_signed_in), (HTTPException, _error)):
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_middleware(problems.BodyGuard)
    app.add_middleware(Guarded, origin=console.origin)

    @app.get("/livez", include_in_schema=False)
    @app.get("/readyz", include_in_schema=False)
    async def ready() -> dict[str, str]:
        """What it needs was read before it could answer. With other services down it serves, and its pages say so."""
        return {"status": "ready"}

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if (file := console.file(name)) is None:
            raise HTTPException(404)
        return file

    return app


class Guarded:
    """ASGI middleware: the headers of each answer; and a post is taken from the console's own pages alone (besides SameSite cookies)."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._origin = origin.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if scope["method"] not in ("GET", "HEAD") and dict(scope["headers"]).get(b"origin") != self._origin:
            return await Response("This was not sent from a page of the console.\n", 403, media_type="text/plain")(scope, receive, guarded)
        return await self._app(scope, receive, guarded)


async def _sign_in(request: Request, error: Exception) -> Response:
    """Where the provider still knows people (single sign-on), who is sent there is silently in again. So that the limits of a session hold,
    nobody is sent there by a page that asks by itself, or after a limit: they get a page that says so, and go there by its link. Nor is a
    form: it is kept on such a page."""
    assert isinstance(error, MustSignIn)
    console, address = console_of(request), signing_in.address(error.back)
    if request.method == "POST":
        return await kept.signed_out(console, request, address, error.refused)
    by_itself = "hx-request" in request.headers or ASKS_BY_ITSELF in request.headers
    if error.refused is not None:
        answer = console.page("failed.html", 401, answer=error.refused, sign_in=address)
    elif by_itself or error.ended in SIGNED_OUT:
        text = SIGNED_OUT.get(error.ended, "Your sign-in has expired.")
        answer = console.page("message.html", 401, title="Signed out", text=text, to=address, link="Sign in")
    else:
        return console.to(address)
    answer.headers.update(IN_PLACE_OF_THE_PAGE if by_itself else {})
    return answer


async def _not_signed_in(request: Request, error: Exception) -> Response:
    """What the browser keeps of a sign-in is good for one answer, whatever comes of it."""
    console = console_of(request)
    answer = console.page("message.html", 403, title="Not signed in", text=f"{error}.", to="/", link="Sign in")
    console.forget(answer, SIGN_IN_COOKIE)
    return answer


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _not_found(request, error)
    return _message(request, error.status_code, "It does not go like this", error.detail)


async def _not_found(request: Request, _error: Exception) -> Response:
    return _message(request, 404, "There is no such page", "Its address may be misspelt.")


def _message(request: Request, status: int, title: str, text: str) -> Response:
    return console_of(request).page("message.html", status, title=title, text=text, to="/", link="To the first page")
