"""A person at the console: a browser of their own, in which nothing may go wrong unseen."""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, expect

from reserve.client import Client
from services.identity.clients import passwords
from shared.proofs.signed_note import parse_verifier_key
from tests.e2e.running import Running
from tests.waiting import HANGS_AFTER_S

type Theme = Literal["light", "dark"]

THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (390, 768, 1280)

# Of a session that has ended, of a page that is not there, of an act that is refused (the page says why); of a refreshing that a click
# broke off.
EXPECTED = re.compile(r"the server responded with a status of 4(01|03|04|09|22)|htmx:(sendAbort|timeout)")


class Sandbox:
    def __init__(self, running: Running) -> None:
        self.running = running
        [self.url] = re.findall(r"The console is at (\S+)/;", running.printed())

        self.log_key = parse_verifier_key((running.folder / "keys" / "ledger.vkey").read_text().strip())

    def client(self, name: str) -> Client:
        return Client.of(self.running.endpoints, name)


class Person:
    """`faults`: what the browser complained of, and each request to somewhere else than the console and the issuer."""

    def __init__(self, sandbox: Sandbox, page: Page, login: str) -> None:
        self.sandbox = sandbox
        self.page = page
        self.login = login
        self.faults: list[str] = []
        self._allowed = {urlsplit(sandbox.url).netloc, urlsplit(sandbox.running.endpoints.base_url).netloc}
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.search(message.text):
            self.faults.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc not in self._allowed:
            self.faults.append(f"{self.page.url} asks {request.url}")

    async def open(self, path: str) -> None:
        """`path`: of the console. Whoever is not signed in does so on the way."""
        await self.page.goto(f"{self.sandbox.url}{path}")
        if await self.page.get_by_role("heading", name="Log in to Reserve").count():
            await self.log_in(self.page)

    async def log_in(self, page: Page) -> None:
        """At the issuer, where `page` is, or goes."""
        await page.get_by_label("Name").fill(self.login)
        await page.get_by_label("Password").fill(passwords(self.sandbox.running.folder)[self.login])
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()

    async def signs(self, folder: Path, key: str, out: str, button: str) -> None:
        """What the page in front asks to be signed, on the person's own machine, by the command that it shows. `key`: the name of their key
        file; `out`: of what is pasted."""
        page = self.page
        command = await page.get_by_role("listitem").filter(has_text="shown, and signed").get_by_text("reserve approve").text_content()
        assert command is not None
        arguments = shlex.split(command.replace("\\\n", " "))[1:]
        arguments[arguments.index("YOUR-KEY.pem")] = str(self.sandbox.running.folder / "people" / f"{key}.pem")
        async with page.expect_download() as download:
            await page.get_by_role("link", name=arguments[1]).click()
        await (await download.value).save_as(folder / arguments[1])
        signing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reserve", *arguments, "--data", str(self.sandbox.running.folder)),
            cwd=folder,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await signing.communicate()
        assert signing.returncode == 0, said.decode()
        [hash_shown] = [line.split()[1] for line in said.decode().splitlines() if line.startswith("sha256")]
        await expect(page.get_by_role("listitem").filter(has_text="It must show this").get_by_text(hash_shown)).to_be_visible()
        await page.get_by_label(f"The whole of {out}").fill((folder / out).read_text())
        await page.get_by_role("button", name=button).click()

    async def inaccessible(self) -> list[str]:
        """What axe finds on this page (WCAG 2.2 AA and its own advice), as it looks now."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [f"{each['id']}: {each['help']} ({node['html']})" for each in found["violations"] for node in each["nodes"]]

    async def faults_of_look(self, pictures: Path, name: str) -> dict[str, list[str]]:
        """What is wrong with this page in either theme, at each width. The pictures are there to be looked at."""
        found = {}
        for theme in THEMES:
            await self.page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                await self.page.set_viewport_size({"width": width, "height": 900})
                await self.page.screenshot(path=pictures / f"{name}-{theme}-{width}.png", full_page=True)
                found[f"{name}, {theme}, {width}"] = ["it is wider than its window"] if await self.overflows() else []
            found[f"{name}, {theme}, axe"] = await self.inaccessible()
        return {place: faults for place, faults in found.items() if faults}

    async def overflows(self) -> bool:
        """Whether the page as a whole is wider than its window."""
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@asynccontextmanager
async def at_the_console(
    browser: Browser, sandbox: Sandbox, login: str, theme: Theme = "light", width: int = 1280
) -> AsyncIterator[Person]:
    """Fails at its end if anything went wrong in the browser."""
    context = await browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    context.set_default_timeout(HANGS_AFTER_S * 1000)
    expect.set_options(timeout=HANGS_AFTER_S * 1000)
    try:
        person = Person(sandbox, await context.new_page(), login)
        yield person
        assert person.faults == []
    finally:
        await context.close()
