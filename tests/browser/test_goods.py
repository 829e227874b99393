"""From a release to a checked receipt, by the pages: one person weighs, another dispatches, and the arrival is reported."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, Download, Page, expect

from services.ledger.receipt import verify_receipt
from tests.browser.asking import GALLIUM, HOSTILE, released
from tests.browser.person import Sandbox, at_the_console
from tests.waiting import until

MASS_G = 100_000


async def saved(page: Page, link: str, to: Path) -> str:
    async with page.expect_download() as download:
        await page.get_by_role("link", name=link).click()
    file: Download = await download.value
    await file.save_as(to)
    return await asyncio.to_thread(to.read_text)


async def test_a_release_is_drawn_weighed_dispatched_and_arrives(browser: Browser, sandbox: Sandbox, tmp_path: Path):
    release = await released(sandbox, tmp_path, "JP", GALLIUM, MASS_G)
    wrong: dict[str, list[str]] = {}
    async with at_the_console(browser, sandbox, "operator-1") as first, at_the_console(browser, sandbox, "operator-2") as second:
        page = first.page
        for listed, of in (("requests", "JP"), ("rounds", GALLIUM)):
            await first.open(f"/{listed}")
            head, *rows = (await saved(page, "All of them as CSV", tmp_path / f"{listed}.csv")).splitlines()
            assert head.startswith(f"{listed[:-1]},") and any(of in row for row in rows)
        await first.open("/releases")
        wrong |= await first.faults_of_look(tmp_path, "releases")
        assert release in await saved(page, "All of them as CSV", tmp_path / "releases.csv")
        await page.get_by_role("row").filter(has_text=release).get_by_role("link").click()

        mass = page.get_by_label("To draw, in kg")
        await mass.fill("0.5")
        await page.get_by_role("button", name="See what will be recorded: draw").click()
        await page.get_by_role("button", name="Draw 0.5 kg").click()
        await expect(page.get_by_role("alert")).to_contain_text("whole units")  # the service's own words, at the field
        await expect(mass).to_have_value("0.5")
        wrong |= await first.faults_of_look(tmp_path, "release")
        await mass.fill("100")
        await page.get_by_role("button", name="See what will be recorded: draw").click()
        wrong |= await first.faults_of_look(tmp_path, "to-draw")
        await page.get_by_role("button", name="Draw 100 kg").dblclick()  # the second of them is nothing
        gates = page.get_by_role("region", name="Gates of dispatch")
        await expect(gates.get_by_role("listitem").filter(has_text="Weighed")).to_contain_text("shut")
        wrong |= await first.faults_of_look(tmp_path, "drawn")
        draw = page.url.removeprefix(f"{sandbox.url}")

        await page.get_by_label("What they weigh, in kg").fill("99.9")
        await page.get_by_role("button", name="See what will be recorded: weighing").click()
        await page.get_by_role("button", name="Record 99.9 kg").click()
        await expect(page.get_by_role("region", name="The goods")).to_contain_text("0.1 kg less than was drawn")
        await expect(gates.get_by_role("listitem").filter(has_text="Another person")).to_contain_text("shut")

        async def receipt_is_known() -> bool:
            await second.open(draw)
            return await second.page.get_by_text("6 of 6 open").count() == 1

        await until(receipt_is_known)
        await page.get_by_label("Carrier").fill("Linfox")
        await page.get_by_role("button", name="See what will be recorded: dispatch").click()
        await page.get_by_role("button", name="Dispatch the goods").click()
        await expect(page.get_by_role("alert")).to_contain_text("nobody else")  # who alone has weighed goods does not dispatch them
        await expect(page.get_by_label("Carrier")).to_have_value("Linfox")

        await second.page.get_by_label("Carrier").fill("Linfox")
        await expect(second.page.get_by_label("Consignee")).to_have_value("a trading house")
        await second.page.get_by_role("button", name="See what will be recorded: dispatch").click()
        await second.page.get_by_role("button", name="Dispatch the goods").dblclick()
        await expect(second.page.get_by_role("region", name="On its way")).to_contain_text("Linfox")
        wrong |= await second.faults_of_look(tmp_path, "dispatched")

        await first.open(draw)
        await page.get_by_label("The office that signed for it").fill("Customs at Kobe")
        await page.get_by_label("What shows it").fill("CMR 4711")
        await page.get_by_label("Delivered on").fill("2999-01-01")
        await page.get_by_role("button", name="See what will be recorded: arrival").click()
        await page.get_by_role("button", name="Record the delivery").click()
        await expect(page.get_by_role("alert")).to_contain_text("not been delivered yet")
        await expect(page.get_by_label("What shows it")).to_have_value("CMR 4711")
        await first.open(draw)
        await page.get_by_label("The office that signed for it").fill("Customs at Kobe")
        await page.get_by_label("What shows it").fill(HOSTILE)
        await page.get_by_role("button", name="See what will be recorded: arrival").click()
        wrong |= await first.faults_of_look(tmp_path, "to-deliver")
        await page.get_by_role("button", name="Record the delivery").click()
        await expect(page.get_by_role("region", name="On its way").get_by_text(HOSTILE, exact=True)).to_be_visible()
        wrong |= await first.faults_of_look(tmp_path, "delivered")

        receipt = await saved(page, "The ledger's receipt of the draw", tmp_path / "draw.receipt")
        event = verify_receipt(receipt, [sandbox.log_key]).opening.event
        assert event is not None and draw.rpartition("/")[2].encode() in event
    assert wrong == {}


async def test_one_press_holds_a_second_person_confirms_and_two_lift_it(browser: Browser, sandbox: Sandbox, tmp_path: Path):
    release = await released(sandbox, tmp_path, "EU", GALLIUM, MASS_G)
    wrong: dict[str, list[str]] = {}
    async with at_the_console(browser, sandbox, "operator-1") as operator, at_the_console(browser, sandbox, "approver-1") as approver:
        page = operator.page
        await operator.open("/stock")
        await page.get_by_role("link", name=GALLIUM).click()
        await page.get_by_role("region", name="Lots").get_by_role("rowheader").get_by_role("link").first.click()
        await expect(page.get_by_role("button", name="Hold this lot")).to_be_visible()
        wrong |= await operator.faults_of_look(tmp_path, "lot")

        await operator.open(f"/releases/{release}")
        await page.get_by_role("button", name="Hold all of EU's").dblclick()  # the second of them is nothing
        stops = page.get_by_role("region", name="What it stops")
        await expect(stops.get_by_role("link", name=f"100 kg of {GALLIUM} for EU").first).to_be_visible()
        await expect(page.get_by_role("region", name="The hold")).to_contain_text("lapses")
        wrong |= await operator.faults_of_look(tmp_path, "hold")
        hold = page.url.removeprefix(sandbox.url)
        await operator.open(f"/releases/{release}")
        await expect(page.get_by_text("On hold since")).to_be_visible()
        await page.get_by_role("button", name="Hold all of EU's").click()
        await expect(page.get_by_role("alert")).to_contain_text("another person's")  # the service's own words, at the form
        await expect(page.get_by_label("Which: the product")).to_have_value("EU")

        await approver.open(hold)
        await approver.page.get_by_role("button", name="Confirm the hold").click()
        await expect(approver.page.get_by_role("region", name="The hold")).to_contain_text("until it is lifted")

        await operator.open(hold)
        await page.get_by_label("Why it is lifted").fill(HOSTILE)
        await page.get_by_role("button", name="See what will move").click()
        await expect(page.get_by_role("link", name=f"100 kg of {GALLIUM} for EU").first).to_be_visible()
        wrong |= await operator.faults_of_look(tmp_path, "to-lift")
        await page.get_by_role("button", name="Propose to lift it").click()
        await expect(page.get_by_role("heading", name="What will be recorded")).to_be_visible()  # the box is asked for
        await page.get_by_label("I have read what will move").check()
        await page.get_by_role("button", name="Propose to lift it").click()
        await expect(page.get_by_role("region", name="What is proposed")).to_contain_text("<script>")

        await approver.open("/proposals")
        await approver.page.get_by_role("region", name="Inventory").get_by_role("link", name="lift hold").first.click()
        await expect(approver.page).to_have_url(page.url)
        wrong |= await approver.faults_of_look(tmp_path, "proposal-to-sign")
        await approver.signs(tmp_path, "approver-1", "approval.json", "Send the approval")
        await expect(approver.page.get_by_role("region", name="Who and when")).to_contain_text("Signed by")
        await operator.open(hold)
        await expect(page.get_by_role("heading", name="A hold that is off")).to_be_visible()
    assert wrong == {}
