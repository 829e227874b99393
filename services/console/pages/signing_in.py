"""Signing in and out."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.console.sign_in import NotSignedIn
from services.console.visit import SESSION_COOKIE, SIGN_IN_COOKIE, Console, console_of, path_of_ours

router = APIRouter()


def to_sign_in(console: Console, back: str) -> RedirectResponse:
    """At the console's own address, whichever name of this machine a browser came by: cookies belong to one."""
    return console.to(f"/sign-in?{urlencode({'back': back})}")


@router.get("/sign-in")
async def sign_in(request: Request, back: str = "/") -> Response:
    console = console_of(request)
    begun, address = console.provider.begin(path_of_ours(back), console.now())
    answer = RedirectResponse(address, 303)
    console.keep(answer, SIGN_IN_COOKIE, console.sign_ins.seal(begun))
    return answer


@router.get("/callback")
async def callback(request: Request) -> Response:
    """Where the issuer sends people back to."""
    console = console_of(request)
    begun = console.sign_ins.open(request.cookies.get(SIGN_IN_COOKIE))
    session = await console.provider.finish(begun, dict(request.query_params), console.now())
    assert begun is not None
    try:
        sealed = console.sessions.seal(session)
    except ValueError as error:
        raise NotSignedIn(str(error)) from error
    answer = console.to(begun.back)
    console.keep(answer, SESSION_COOKIE, sealed)
    console.forget(answer, SIGN_IN_COOKIE)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    console = console_of(request)
    answer = console.to("/signed-out")
    console.forget(answer, SESSION_COOKIE)
    return answer


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    return console_of(request).page("message.html", title="Signed out", text="This browser has forgotten who you are.", again=True)
