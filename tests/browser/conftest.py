"""One sandbox for all of them, as `make up SEED=demo` makes it, and one Chromium; both end with the last of them, before others begin."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from reserve.report.chromium import HOW, found

pytest.register_assert_rewrite("tests.e2e.running", "tests.browser.person")

from tests.browser.person import Sandbox  # noqa: E402
from tests.e2e.running import start  # noqa: E402
from tests.waiting import until  # noqa: E402


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    program = found()
    assert program is not None, f"there is no Chromium; {HOW}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    folder: Path = tmp_path_factory.mktemp("console") / "reserve"
    running = await start(folder, options=("--seed", "demo"))
    try:
        await until(lambda: "Next, in another shell:" in running.printed() or "--seed:" in running.printed() or running.ended)
        yield Sandbox(running)
    finally:
        await running.stop()
