"""The console before the real issuer, both in this process. The other services are down."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from services.console.main import serve_console
from services.console.session import Session
from services.console.visit import SESSION_COOKIE, Console
from services.identity.clients import passwords, seed
from services.identity.main import create_app as issuer
from shared.settings import Settings

ISSUER = "http://127.0.0.1:8000"
URL = "http://localhost:8000/console"
ORIGIN = "http://localhost:8000"
NOBODY = "http://127.0.0.1:9"  # a port at which nothing listens


class Setting:
    """`browser` keeps cookies, and follows no redirect by itself. `now` is the console's clock, in seconds since 1970."""

    def __init__(self, folder: Path, browser: httpx.AsyncClient, to_issuer: httpx.AsyncClient, console: Console) -> None:
        self.folder = folder
        self.browser = browser
        self._to_issuer = to_issuer
        self._console = console
        self.now = time.time()

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """`path`: of the console, as the edge hands it on."""
        return await self.browser.get(f"/console{path}", **more)

    async def post(self, path: str, origin: str | None = ORIGIN, **form: str) -> httpx.Response:
        return await self.browser.post(f"/console{path}", data=form, headers={} if origin is None else {"origin": origin})

    async def at_the_issuer(self, address: str, login: str) -> str:
        """The person logs in there, and is sent back: gives the path and query of the callback."""
        query = urlsplit(address).query
        form = {"login": login, "password": passwords(self.folder)[login]}
        answer = await self._to_issuer.post(f"/oauth/authorize?{query}", data=form)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith(f"{URL}/callback?")
        return "/callback?" + urlsplit(answer.headers["location"]).query

    @property
    def session(self) -> Session:
        """What the browser's cookie says."""
        session = self._console.sessions.open(self.browser.cookies[SESSION_COOKIE])
        assert session is not None
        return session

    def carry(self, **changed: int) -> None:
        """The browser has the session of before, with something else in it."""
        sealed = self._console.sessions.seal(msgspec.structs.replace(self.session, **changed))
        self.browser.cookies.set(SESSION_COOKIE, sealed, domain="localhost.local", path="/console/")  # as the jar names this machine

    async def sign_in(self, login: str, back: str = "/") -> httpx.Response:
        begun = await self.get("/sign-in", params={"back": back})
        return await self.get(await self.at_the_issuer(begun.headers["location"], login))


def seeded(folder: Path) -> Path:
    """With people who can log in: some 30 secrets are hashed, so once a module."""
    seed(folder, redirect_uris=[f"{URL}/callback"])
    return folder


@asynccontextmanager
async def a_setting(folder: Path, service: str = NOBODY) -> AsyncIterator[Setting]:
    """`folder`: one that is `seeded`. `service`: where each of them answers."""
    urls = dict.fromkeys(("allocation", "inventory", "ledger"), service)
    settings = Settings(issuer=ISSUER, token_url=f"{ISSUER}/oauth/token", console_url=URL, data_dir=folder, service_urls=urls)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(issuer(settings)), base_url=ISSUER) as to_issuer:
        setting: Setting
        console = Console(settings, to_issuer, lambda: setting.now)
        transport = httpx.ASGITransport(serve_console(console))
        async with httpx.AsyncClient(transport=Mounted(transport), base_url=ORIGIN) as browser:
            setting = Setting(folder, browser, to_issuer, console)
            yield setting
        await console.close()


class Mounted(httpx.AsyncBaseTransport):
    """Cookies are kept for /console/, below which the edge has the console: a browser's path there, the console's own here."""

    def __init__(self, below: httpx.AsyncBaseTransport) -> None:
        self._below = below

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(raw_path=request.url.raw_path.removeprefix(b"/console"))
        return await self._below.handle_async_request(request)


def text_of(answer: httpx.Response) -> str:
    """Without tags, a blank between words."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)).strip()


class Sent(HTMLParser):
    """What a page's last form sends, as a browser reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.address = ""
        self.fields: dict[str, str] = {}
        self._typed_in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.address, self.fields = given["action"], {}
        elif tag in ("input", "textarea"):
            self.fields[given["name"]] = given.get("value", "")
            self._typed_in = given["name"] if tag == "textarea" else ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.fields[self._typed_in] = self.fields[self._typed_in].removeprefix("\n")  # the first one is none (HTML 13.2.6.4.7)
            self._typed_in = ""

    def handle_data(self, data: str) -> None:
        if self._typed_in:
            self.fields[self._typed_in] += data


def sent_by(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where, and what."""
    parser = Sent()
    parser.feed(page.text.replace("\r\n", "\n"))
    parser.close()
    return parser.address, parser.fields


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
