"""Visit: one request of a signed-in person, and the page that it gets."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import ImmutableMultiDict
from starlette.responses import HTMLResponse, RedirectResponse, Response
from typeid import TypeID

from services.console import shown
from services.console.asking import Answer, Reader, Services, Wanted
from services.console.session import Ending, Seal, Session, SignIn, key_of
from services.console.sign_in import Provider
from shared.settings import Settings

HERE = Path(__file__).parent
SESSION_COOKIE, SIGN_IN_COOKIE = "reserve-console", "reserve-console-sign-in"
SIGNED_OUT_COOKIE = "reserve-console-signed-out"  # there from a sign-out to the next sign-in, which asks anew
OF_THE_RESERVE = frozenset({"operator", "approver", "auditor", "administrator"})  # see every partner's things
ASKS_BY_ITSELF = "console-refresh"  # a header of the requests that a page makes by itself: they are no sign of a person
SEEN_EVERY_S = 60
RIGHT_AFTER_S = 60  # after a sign-in: a token that is refused then would be so after another, too
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


TypedForm = ImmutableMultiDict[str, str]  # a form's fields


class MustSignIn(Exception):
    """Nobody is signed in. `back`: the path to go to afterwards. `ended`: by what a session is over. `refused`: the answer of a service
    that does not take a token which has just come."""

    def __init__(self, back: str, *, ended: Ending | None = None, refused: Answer | None = None) -> None:
        self.back = back
        self.ended = ended
        self.refused = refused


class Console:
    """What lives as long as the process. Raises ValueError for settings that it cannot serve with."""

    def __init__(self, settings: Settings, to_issuer: httpx.AsyncClient | None = None, now: Callable[[], float] = time.time) -> None:
        if not settings.console_url or settings.console_url.endswith("/"):
            raise ValueError("RESERVE_CONSOLE_URL must be the public address of the console, without a slash at its end")
        key = key_of(settings)
        self.now = now
        self.url = settings.console_url
        self.root = urlsplit(self.url).path
        self.origin = self.url.removesuffix(self.root)
        self.secure = self.url.startswith("https://")
        self.sessions, self.sign_ins = Seal(key, Session), Seal(key, SignIn)
        self.provider = Provider(settings, to_issuer)
        self.services = Services(settings.service_urls)
        self.files = {path.name: path.read_bytes() for path in sorted((HERE / "static").iterdir()) if path.suffix in _TYPES}
        self._pages = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._pages.globals |= {"root": self.root, "static": self._static, "new_key": lambda: str(TypeID("key"))}
        self._pages.filters |= {name: getattr(shown, name) for name in ("mass", "day", "instant", "words", "days")}

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        return HTMLResponse(self._pages.get_template(template).render(**context), status)

    def file(self, name: str) -> Response | None:
        """Its address changes with it, so that a browser may keep it."""
        if (content := self.files.get(name)) is None:
            return None
        kind = _TYPES[Path(name).suffix]
        return Response(content, media_type=kind, headers={"cache-control": "private, max-age=31536000, immutable"})

    def keep(self, response: Response, name: str, value: str) -> None:
        """Until the browser is closed; what is in it ends sooner."""
        response.set_cookie(name, value, path=f"{self.root}/", secure=self.secure, httponly=True, samesite="lax")

    def forget(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path=f"{self.root}/", secure=self.secure, httponly=True, samesite="lax")

    def to(self, path: str) -> RedirectResponse:
        """`path`: of the console, from its root on."""
        return RedirectResponse(f"{self.url}{path}", 303)

    def last_session(self, request: Request) -> Session | None:
        """Of this browser, ended or not. None: there was none, or it was signed out of."""
        return self.sessions.open(request.cookies.get(SESSION_COOKIE))

    def _static(self, name: str) -> str:
        return f"{self.root}/static/{name}?v={hashlib.sha256(self.files[name]).hexdigest()[:12]}"

    async def close(self) -> None:
        await self.provider.close()
        await self.services.close()


class Visit:
    """`reader` asks the services as the person who is here."""

    def __init__(self, request: Request, console: Console, session: Session) -> None:
        self.request = request
        self.console = console
        self.session = session
        self.reader: Reader = console.services.reader(session.token)

    @property
    def is_of_the_reserve(self) -> bool:
        return self.session.acts_for is None and bool(OF_THE_RESERVE & set(self.session.roles))

    def may(self, role: str) -> bool:
        return self.session.acts_for is None and role in self.session.roles

    @property
    def moves_goods(self) -> bool:
        """Draws, and reports what has arrived: a partner's people for what is its own."""
        return self.may("operator") or self.session.acts_for is not None

    async def document(self, wanted: Wanted, name: str | None = None) -> Response:
        """Of a service, as it is. `name`: of a file to keep."""
        found = await self.reader.send(wanted)
        if found.problem is not None:
            return self.page("failed.html", found)
        kept = {name: found.headers[name] for name in ("content-security-policy",) if name in found.headers}
        if name is not None:
            kept["content-disposition"] = f'attachment; filename="{name}"'
        return Response(found.data, media_type=found.headers["content-type"], headers=kept)

    async def typed(self) -> TypedForm:
        """What a form has sent."""
        form = await self.request.form(max_files=0)
        return TypedForm([(name, value) for name, value in form.multi_items() if isinstance(value, str)])

    def page(self, template: str, *needed: Answer, status: int | None = None, **context: Any) -> Response:
        """`needed`: what there is no page without. A token that a service does not take any more ends the session."""
        now = self.console.now()
        failed = next((answer for answer in needed if answer.problem is not None), None)
        if failed is not None and failed.status == 401:
            raise MustSignIn(_back(self.request), refused=failed if now < self.session.renewed + RIGHT_AFTER_S else None)
        if failed is not None:
            template, context = "failed.html", {"answer": failed}
            status = failed.status if 400 <= failed.status < 500 else 503
        shared = {"visit": self, "now": datetime.fromtimestamp(now, UTC)}
        answer = self.console.page(template, status or 200, **shared, **context)
        if ASKS_BY_ITSELF not in self.request.headers and now >= self.session.seen + SEEN_EVERY_S:
            seen = msgspec.structs.replace(self.session, seen=int(now))
            self.console.keep(answer, SESSION_COOKIE, self.console.sessions.seal(seen))
        return answer


def console_of(request: Request) -> Console:
    console = request.app.state.console
    assert isinstance(console, Console)
    return console


def signed_in(request: Request) -> Visit:
    """Raises MustSignIn."""
    console = console_of(request)
    last = console.last_session(request)
    ended = None if last is None else last.ended(console.now())
    if last is None or ended is not None:
        raise MustSignIn(_back(request), ended=ended)
    return Visit(request, console, last)


def _back(request: Request) -> str:
    """The page that was asked for; after a post, the page that it came from, which has the post's path but for its last part."""
    path = request.url.path if request.method == "GET" else request.url.path.rpartition("/")[0]
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{quote(path or '/')}{query}"


Visiting = Annotated[Visit, Depends(signed_in)]


def path_of_ours(back: str) -> str:
    """A path of the console to go back to; anything else is its first page. Nobody is sent elsewhere by a link to the sign-in."""
    fits = back.startswith("/") and not back.startswith("//") and "\\" not in back and back.isascii() and back.isprintable()
    return back if fits and len(back) < 1000 else "/"
