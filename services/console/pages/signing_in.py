"""Signing in and out."""

from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.console.sign_in import NotSignedIn
from services.console.visit import SESSION_COOKIE, SIGN_IN_COOKIE, SIGNED_OUT_COOKIE, console_of, path_of_ours

router = APIRouter()


def address(back: str) -> str:
    """Of the console: where a person is sent, or goes by a link, to sign in."""
    return f"/sign-in?{urlencode({'back': back})}"


@router.get("/sign-in")
async def sign_in(request: Request, back: str = "/") -> Response:
    """Who has signed out, or was signed out by a limit, is asked anew; whose token alone is over may be silently in again."""
    console = console_of(request)
    now, last = console.now(), console.last_session(request)
    anew = SIGNED_OUT_COOKIE in request.cookies or (last is not None and last.ended(now) in ("idle", "longest"))
    begun, at_the_provider = console.provider.begin(path_of_ours(back), now, anew=anew)
    answer = RedirectResponse(at_the_provider, 303)
    console.keep(answer, SIGN_IN_COOKIE, console.sign_ins.seal(begun))
    return answer


@router.get("/callback")
async def callback(request: Request) -> Response:
    """Where the issuer sends people back to."""
    console = console_of(request)
    begun = console.sign_ins.open(request.cookies.get(SIGN_IN_COOKIE))
    session = await console.provider.finish(begun, dict(request.query_params), console.now())
    assert begun is not None
    last = console.last_session(request)
    if not begun.anew and last is not None and last.subject == session.subject:  # nobody may have been asked: the longest limit goes on
        session = msgspec.structs.replace(session, began=last.began)
    try:
        sealed = console.sessions.seal(session)
    except ValueError as error:
        raise NotSignedIn(str(error)) from error
    answer = console.to(begun.back)
    console.keep(answer, SESSION_COOKIE, sealed)
    console.forget(answer, SIGN_IN_COOKIE)
    console.forget(answer, SIGNED_OUT_COOKIE)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    console = console_of(request)
    answer = console.to("/signed-out")
    console.forget(answer, SESSION_COOKIE)
    console.keep(answer, SIGNED_OUT_COOKIE, "1")
    return answer


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    text = "This browser has forgotten who you are."
    return console_of(request).page("message.html", title="Signed out", text=text, to="/", link="Sign in")
