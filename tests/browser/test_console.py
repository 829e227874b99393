"""The console as its people use it: from a request to a certified round, by the pages and the key files of those who sign."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from reserve.demo.scenario import ANTIMONY
from services.console.visit import SESSION_COOKIE
from tests.browser.asking import GALLIUM, HOSTILE, asked, opened
from tests.browser.person import THEMES, WIDTHS, Person, Sandbox, Theme, at_the_console


async def test_who_signs_in_sees_what_waits_and_opens_a_request(browser: Browser, sandbox: Sandbox):
    request = await asked(sandbox, "JP", GALLIUM, 1_234_000, 20_000)
    async with at_the_console(browser, sandbox, "operator-1") as operator:
        page = operator.page
        await operator.open("/")
        waiting = page.get_by_role("region", name="Requests to screen")
        await waiting.get_by_role("link", name=f"JP asks for 1,234 kg of {GALLIUM}").click()
        await expect(page.get_by_role("heading", name=f"JP asks for 1,234 kg of {GALLIUM}")).to_be_visible()
        await expect(page.get_by_text("61.7 days at 20 kg a day")).to_be_visible()
        await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Requests").click()
        await page.get_by_role("navigation", name="By status").get_by_role("link", name="submitted").click()
        await expect(page.get_by_role("cell", name=request)).to_be_visible()
        await page.go_back()
        await expect(page).to_have_url(f"{sandbox.url}/requests")


async def test_a_page_that_is_left_open_after_its_session_says_so_in_its_own_place(browser: Browser, sandbox: Sandbox):
    async with at_the_console(browser, sandbox, "operator-1") as operator:
        page = operator.page
        await operator.open("/")
        await page.context.clear_cookies(name=SESSION_COOKIE)
        await expect(page.get_by_role("heading", name="Signed out")).to_be_visible()  # by its next renewal, within 20 seconds
        await expect(page).to_have_url(f"{sandbox.url}/")
        await expect(page.get_by_role("region", name="Requests to screen")).to_have_count(0)
        await page.get_by_role("link", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Log in to Reserve")).to_be_visible()


async def test_hostile_text_is_text(browser: Browser, sandbox: Sandbox):
    requested = await asked(sandbox, "US", GALLIUM, 100_000, 20_000)
    async with at_the_console(browser, sandbox, "operator-1") as operator:
        page = operator.page
        await operator.open(f"/requests/{requested}")
        for region, times in (("Parties", 2), ("What is asked", 1), ("Why, in the partner's words", 4)):
            assert await page.get_by_role("region", name=region).get_by_text(HOSTILE, exact=True).count() >= times
        assert await page.get_by_role("img").count() == 0


async def test_a_request_is_accepted_and_another_declined(browser: Browser, sandbox: Sandbox):
    one, other = await asked(sandbox, "JP", GALLIUM, 1_100_000, 20_000), await asked(sandbox, "US", GALLIUM, 1_200_000, 20_000)
    async with at_the_console(browser, sandbox, "operator-2") as operator:
        page = operator.page
        await operator.open(f"/requests/{one}")
        accept = page.get_by_role("region", name="Accept")
        await accept.get_by_label("Accepted, in kg").fill("2,000")
        await accept.get_by_label("Reasons, each on a line").fill(f"the rest is in stock\n{HOSTILE}")
        await page.get_by_text("Findings, by the questions").click()
        await accept.get_by_label("What happened: met or not").select_option("met")
        await accept.get_by_label("What happened: the finding").fill("an export ban")
        await page.get_by_role("button", name="See what will be recorded: accept").click()
        await expect(page.get_by_role("listitem").filter(has_text="What happened: met. an export ban")).to_be_visible()
        assert await operator.inaccessible() == []
        await page.get_by_role("button", name="Accept 2 t").click()
        await expect(page.get_by_role("alert")).to_contain_text("with less to give, decline it")  # the service's own words
        await expect(accept.get_by_label("Accepted, in kg")).to_have_value("2,000")
        await accept.get_by_label("Accepted, in kg").fill("1,000")
        await page.get_by_role("button", name="See what will be recorded: accept").click()
        await page.get_by_role("button", name="Accept 1 t").dblclick()  # the second of them is nothing
        await expect(page.get_by_role("region", name="History").get_by_text("1 t accepted")).to_have_count(1)
        await operator.open(f"/requests/{other}")
        await page.get_by_role("region", name="Decline").get_by_label("Reasons, each on a line").fill("it has stock")
        await page.get_by_role("button", name="See what will be recorded: decline").click()
        await page.get_by_role("button", name="Decline the request").click()
        await expect(page.get_by_role("region", name="Decline")).to_have_count(0)
        await expect(page.get_by_text("it has stock")).to_be_visible()


async def test_a_round_is_opened_over_what_is_chosen(browser: Browser, sandbox: Sandbox):
    taken, left = await asked(sandbox, "JP", GALLIUM, 1_300_000, 20_000), await asked(sandbox, "US", GALLIUM, 1_400_000, 20_000)
    async with sandbox.client("operator-2") as screener:
        for request in (taken, left):
            await screener.post(f"/allocation/v1/requests/{request}/accept", {"accepted_g": 1_300_000, "reasons": ["as asked"]})
    async with at_the_console(browser, sandbox, "operator-1") as operator:
        page = operator.page
        await operator.open("/rounds")
        await page.get_by_role("link", name="Open a round").click()
        form = page.get_by_role("region", name=GALLIUM)
        for box in await form.get_by_role("checkbox").all():
            if await box.get_attribute("value") != taken:
                await box.uncheck()
        await form.get_by_label("Policy", exact=True).select_option(GALLIUM)
        assert await operator.inaccessible() == []
        await form.get_by_role("button", name="See what will be recorded").click()
        await expect(page.get_by_role("link", name=taken)).to_be_visible()
        await page.get_by_role("button", name="Change it").click()
        await expect(form.get_by_role("checkbox", checked=True)).to_have_count(1)
        await form.get_by_role("button", name="See what will be recorded").click()
        assert await operator.inaccessible() == []
        await page.get_by_role("button", name="Open the round").dblclick()  # the second of them is nothing
        await expect(page.get_by_role("heading", name=f"Round for {GALLIUM}")).to_be_visible()
        await expect(page.get_by_role("link", name=taken)).to_be_visible()
        await expect(page.get_by_role("link", name=left)).to_have_count(0)


async def test_by_keyboard_the_content_is_one_key_away(browser: Browser, sandbox: Sandbox):
    async with at_the_console(browser, sandbox, "operator-1") as operator:
        await operator.open("/requests")
        await operator.page.keyboard.press("Tab")
        skip = operator.page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await operator.page.keyboard.press("Enter")
        await expect(operator.page.get_by_role("main")).to_be_focused()


async def test_what_is_looked_for_is_a_key_away_and_an_id_goes_to_its_page(browser: Browser, sandbox: Sandbox, tmp_path: Path):
    requested, _ = await asked(sandbox, "US", GALLIUM, 100_000, 20_000), await asked(sandbox, "JP", GALLIUM, 100_000, 20_000)
    async with at_the_console(browser, sandbox, "operator-1") as operator, at_the_console(browser, sandbox, "partner-jp") as partner:
        page = operator.page
        await operator.open("/requests")
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox", name="Find")).to_be_focused()
        await page.keyboard.type(requested)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name=f"US asks for 100 kg of {GALLIUM}")).to_be_visible()
        await page.get_by_role("searchbox", name="Find").fill("ga-k0001")  # a serial
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("region", name="Lots").get_by_role("link", name=GALLIUM)).to_be_visible()
        assert await operator.faults_of_look(tmp_path, "found") == {}
        await partner.open(f"/find?q={GALLIUM}")
        await expect(partner.page.get_by_role("region", name="Requests")).to_be_visible()
        await expect(partner.page.get_by_text("US, ")).to_have_count(0)
        await expect(partner.page.get_by_role("region", name="Lots")).to_have_count(0)


async def test_a_round_from_its_proposal_to_its_certificate(browser: Browser, sandbox: Sandbox, tmp_path: Path):
    request = await asked(sandbox, "JP", GALLIUM, 1_600_000, 20_000)
    round = await opened(sandbox, GALLIUM, {request: 1_450_000})
    async with at_the_console(browser, sandbox, "operator-1") as operator, at_the_console(browser, sandbox, "approver-1") as approver:
        await _proposed(operator, round)
        await approver.open("/")
        await approver.page.get_by_role("region", name="Rounds to approve or certify").get_by_role("link", name=GALLIUM).first.click()
        await approver.signs(tmp_path, "approver-1", "approval.json", "Send the approval")
        await expect(approver.page.get_by_role("region", name="Approvals").get_by_role("listitem")).to_have_count(1)
        await operator.page.reload()
        await operator.signs(tmp_path, "operator", "attestation.json", "Certify the round")
        certificate = operator.page.get_by_role("link", name="The certificate of the decision")
        await expect(certificate).to_be_visible()


async def test_a_session_that_ends_in_mid_form_loses_nothing_typed(browser: Browser, sandbox: Sandbox, pages: dict[str, str]):
    async with at_the_console(browser, sandbox, "approver-1") as approver:
        page = approver.page
        await approver.open(pages["round"])
        await page.get_by_label("The whole of approval.json").fill(f"typed for long {HOSTILE}")
        await page.context.clear_cookies(name=SESSION_COOKIE)
        await page.get_by_role("button", name="Send the approval").click()
        await expect(page.get_by_role("heading", name="Signed out: this was not sent")).to_be_visible()
        await expect(page.get_by_label("The whole of what you have signed")).to_have_value(f"typed for long {HOSTILE}")
        assert await approver.inaccessible() == [] and not await approver.overflows()
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in in another tab").click()
        await approver.log_in(await opened.value)
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_role("alert")).to_contain_text("This cannot be read")
        await expect(page.get_by_label("The whole of approval.json")).to_have_value(f"typed for long {HOSTILE}")


async def _proposed(operator: Person, round: str) -> None:
    page = operator.page
    await operator.open(f"/rounds/{round}")
    await page.get_by_label("Supply to offer, in kg").fill("a lot")
    await page.get_by_role("button", name="See what will be recorded").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is no mass")
    supply = page.get_by_label("Supply to offer, in kg")
    await expect(supply).to_have_value("a lot")
    await supply.fill("900000000")
    await page.get_by_role("button", name="See what will be recorded").click()
    await page.get_by_role("button", name="Propose 900,000 t").click()
    await expect(page.get_by_role("alert")).to_be_visible()  # the service's own words: there is not so much
    await expect(supply).to_have_value("900000000")
    await supply.fill("1,200")
    await page.get_by_role("button", name="See what will be recorded").click()
    await expect(page.get_by_role("heading", name="What will be recorded")).to_be_visible()
    await page.get_by_role("button", name="Propose 1,200 kg").dblclick()  # the second of them is nothing
    row = page.get_by_role("row").filter(has_text="JP")
    await expect(row).to_contain_text("1,200 kg")
    await expect(row).to_contain_text("60.0")
    await expect(row).to_contain_text("the supply")


@pytest.fixture(scope="module")
async def pages(sandbox: Sandbox) -> dict[str, str]:
    """Their paths. The round is over what four partners ask for, and proposed."""
    accepted_g = {await asked(sandbox, ask.partner, ANTIMONY.product, ask.asked_g, ask.daily_g): ask.accepted_g for ask in ANTIMONY.asks}
    round = await opened(sandbox, ANTIMONY.product, accepted_g)
    waiting = await asked(sandbox, "JP", ANTIMONY.product, 20_000_000, 8_000_000)
    before = await opened(sandbox, ANTIMONY.product, {waiting: 20_000_000})
    async with sandbox.client("operator-1") as operator:
        await operator.post(f"/allocation/v1/rounds/{round}/propose", {"supply_g": 240_000_000})
    paths = {
        "now": "/",
        "open-a-round": "/rounds/open",
        "requests": "/requests",
        "request": f"/requests/{next(iter(accepted_g))}",
        "rounds": "/rounds",
        "stock": "/stock",
        "product": f"/stock/{GALLIUM}",
        "holds": "/holds?status=all",
        "proposals": "/proposals",
    }
    paths |= {"round": f"/rounds/{round}", "round-open": f"/rounds/{before}"}
    return paths | {"nowhere": "/nowhere", "refused": "/requests/req_01kb0000000000000000000000"}


@pytest.mark.parametrize("theme", THEMES)
async def test_no_page_is_wrong_at_any_width(browser: Browser, sandbox: Sandbox, pages: dict[str, str], theme: Theme, tmp_path: Path):
    """To an operator; to an approver the round, where it has other forms. The pictures are there to be looked at."""
    looked_at = [("operator-1", *page) for page in pages.items()] + [("approver-1", "round-to-approve", pages["round"])]
    wrong = {}
    async with (
        at_the_console(browser, sandbox, "operator-1", theme) as operator,
        at_the_console(browser, sandbox, "approver-1", theme) as approver,
    ):
        for login, name, path in looked_at:
            person = operator if login == "operator-1" else approver
            await person.open(path)
            for width in WIDTHS:
                await person.page.set_viewport_size({"width": width, "height": 900})
                await person.page.screenshot(path=tmp_path / f"{name}-{theme}-{width}.png", full_page=True)
                wrong[name, width] = ["it is wider than its window"] if await person.overflows() else []
            wrong[name, "axe"] = await person.inaccessible()
    assert {place: found for place, found in wrong.items() if found} == {}
