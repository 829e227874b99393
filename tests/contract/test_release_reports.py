"""The report that a release owes, as it is served, on the real PostgreSQL and Kafka."""

import re
from datetime import timedelta

from services.allocation.domain.decisions.certificate import read_certificate
from tests.contract.allocation_stage import TODAY, Reserve
from tests.contract.any_order import assert_no_order_matters
from tests.stories.stockpile import UNIT_G


async def open_tasks(reserve: Reserve) -> list[str]:
    return [task["task"] for task in (await reserve.get("operator-1", "/v1/tasks?limit=200"))["data"] if task["done_on"] is None]


async def test_a_release_owes_the_minister_a_report_until_it_is_sent(reserve: Reserve):
    round = await reserve.certified_round(10, 30, supply=20)
    path = f"/v1/rounds/{round}/report"
    report = await reserve.get("auditor-1", path)
    assert [(each["partner"], each["awarded_g"] // UNIT_G, each["days_bought"]) for each in report["partners"]] == [
        ("JP", 5, "10.0"),
        ("US", 15, "30.0"),
    ]
    assert (report["stock"]["offered_g"], report["stock"]["left_of_offer_g"]) == (20 * UNIT_G, 0)
    assert [approval["subject"] for approval in report["approvals"]] == [reserve.subject("approver-1")]
    [authority] = [approval["authority"] for approval in report["approvals"]]
    assert (authority["act"], authority["mass_g"]) == ("approve_decision", 20 * UNIT_G)
    assert [link["kind"] for link in authority["chain"]] == ["delegation", "direction", "act"]
    assert (report["emergency"], report["objections"], report["reviews"]) == (None, [], [])
    assert report["proof"]["decision"] == (await reserve.get("operator-1", f"/v1/rounds/{round}"))["decision"]
    due = [each["round"] for each in (await reserve.get("operator-1", "/v1/reports?status=due&limit=200"))["data"]]
    assert round in due
    assert f"report/{round}" in await open_tasks(reserve)
    letter = {"addressee": "Minister for Resources", "sent_on": str(TODAY)}
    sent = await reserve.post("operator-1", f"{path}/sent", letter)
    assert await reserve.get("auditor-1", f"/v1/reports/{sent['report']}") == report
    [owed] = [each for each in (await reserve.get("operator-1", "/v1/reports?limit=200"))["data"] if each["round"] == round]
    assert (owed["status"], owed["report"], owed["sent_on"]) == ("sent", sent["report"], str(TODAY))
    assert f"report/{round}" not in await open_tasks(reserve)
    assert await reserve.refused("operator-1", f"{path}/sent", letter) == (409, "report_already_sent")
    await reserve.status(round, "released")


async def test_a_report_is_a_page_for_print_and_no_partners_business(reserve: Reserve):
    round = await reserve.certified_round(3, 3, supply=4)
    path = f"/v1/rounds/{round}/report"
    page = await reserve.clients["operator-1"].get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["etag"].strip('"') in page.text
    assert "<script" not in page.text
    assert "By what authority" in page.text
    for who in ("partner-jp", "admin-1"):
        assert (await reserve.clients[who].get(path)).status_code == 403
        assert (await reserve.clients[who].get("/v1/reports")).status_code == 403
    late = {"addressee": "Minister for Resources", "sent_on": str(TODAY + timedelta(days=1))}
    assert await reserve.refused("operator-1", f"{path}/sent", late) == (422, "report_day_invalid")
    await reserve.status(round, "released")


async def test_what_a_report_says_of_how_to_check_it_can_be_done(reserve: Reserve):
    round = await reserve.certified_round(2, 2, supply=2)
    check = (await reserve.get("auditor-1", f"/v1/rounds/{round}/report"))["proof"]["check"]
    [path] = re.findall(r"GET /allocation(/v1/certificates/\S+)\.", check[0])
    certificate = read_certificate((await reserve.clients["auditor-1"].get(path)).content)
    assert certificate.round == round
    assert check[1].startswith("reserve certificate verify")
    await reserve.status(round, "released")


async def test_a_round_that_is_not_certified_has_no_report(reserve: Reserve):
    round = await reserve.a_round(2, 2)
    await reserve.propose(round, 2)
    answer = await reserve.clients["operator-1"].get(f"/v1/rounds/{round}/report")
    assert (answer.status_code, answer.json()["code"]) == (404, "report_not_found")
    await reserve.post("operator-1", f"/v1/rounds/{round}/cancel", {"reason": "not needed"})


async def test_whichever_shard_is_read_first_the_tables_are_the_same(reserve: Reserve):
    await assert_no_order_matters(reserve.stage, reserve.inventory, reserve.allocation)
