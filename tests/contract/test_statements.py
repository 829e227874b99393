"""Statements as they are served: by both times, to its own borrower, as JSON and as a page, on the real PostgreSQL and Kafka."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.engines.engines import Engines
from tests.contract.loans_stage import LIMITS, TERMS, TODAY, Lender, a_lender

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("statements")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def serviced(lender: Lender) -> str:
    """A$1,200.00 advanced, of which A$50.00 came back and A$10.00 never had."""
    loan = await lender.committed(TERMS | {"precedents": []})
    path = f"/v1/loans/{loan}"
    advance = await lender.post("operator-1", f"{path}/advances", {"amount_minor": 120_000, "purpose": "a furnace"})
    await lender.pay(loan, advance)
    paid = {"received_on": str(TODAY), "prepays": "instalment"}
    await lender.post("operator-1", f"{path}/payments", paid | {"reference": "bank-1", "amount_minor": 5_000})
    never = await lender.post("operator-1", f"{path}/payments", paid | {"reference": "bank-2", "amount_minor": 1_000})
    await lender.by_two("operator-1", f"{path}/payments/{never['payment']}/reverse", {"reason": "<b>bounced</b>"})
    return loan


async def statement(lender: Lender, loan: str, who: str = "borrower-hillgrove", **query: Any) -> Any:
    wanted = {"from": str(TODAY), "until": str(TODAY)} | query
    return await lender.clients[who].get(f"/v1/loans/{loan}/statements", params=wanted)


async def test_a_statement_ties_out_line_by_line(lender: Lender):
    loan = await serviced(lender)
    found = (await statement(lender, loan)).json()
    assert [(line["kind"], line["amount_minor"], line["owed_minor"]) for line in found["lines"]] == [
        ("advance", 120_000, 120_000),
        ("payment", 5_000, 115_000),
    ]
    assert (found["opening"]["principal_minor"], found["closing"]["principal_minor"]) == (0, 115_000)
    assert found["sums"] == {"cash_minor": -115_000, "principal_minor": 115_000}
    payment = found["lines"][1]
    assert (payment["recorded_on"], payment["told_late"], payment["text"]) == (str(TODAY), False, "bank-1")
    place = payment["place"].split("/")
    assert place[0] == lender.inventory.kernel.service.name
    assert [(each["kind"], each["amount_minor"]) for each in found["corrections"]] == [("payment_reversed", 1_000)]


async def test_a_statement_is_answerable_as_it_was_known(lender: Lender):
    loan = await serviced(lender)
    entries = (await lender.get("operator-1", f"/v1/loans/{loan}/entries"))["data"]
    known_at = next(each["recorded_at"] for each in entries if each["kind"] == "advance_paid")
    then = (await statement(lender, loan, known_at=known_at)).json()
    assert [line["kind"] for line in then["lines"]] == ["advance"]
    assert then["corrections"] == []
    before = await statement(lender, loan, known_at="2020-01-01T00:00:00Z")
    assert (before.status_code, before.json()["code"]) == (409, "loan_status")


async def test_a_browser_gets_a_page_and_a_client_gets_json(lender: Lender):
    loan = await serviced(lender)
    path, wanted = f"/v1/loans/{loan}/statements", {"from": str(TODAY), "until": str(TODAY)}
    for asked, accept, kind in (
        ({}, "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ({}, "application/json, text/html;q=0.5", "application/json"),
        ({}, "*/*", "application/json"),
        ({"format": "html"}, "application/json", "text/html; charset=utf-8"),
        ({"format": "json"}, "text/html", "application/json"),
    ):
        answer = await lender.clients["borrower-hillgrove"].get(path, params=wanted | asked, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, kind, "Accept")
    page = (await statement(lender, loan, format="html")).text
    assert "1,150.00" in page
    assert "&lt;b&gt;bounced&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"until": str(TOMORROW)}, 422, "date_in_future"),
        ({"from": str(TOMORROW)}, 422, "statement_dates_reversed"),
        ({"from": "yesterday"}, 422, "invalid_request"),
        ({"format": "pdf"}, 422, "invalid_request"),
        ({"known_at": "2026-01-06"}, 422, "invalid_request"),
    ],
)
async def test_a_period_that_makes_no_sense_is_refused(lender: Lender, query: dict[str, str], status: int, code: str):
    loan = (await lender.post("operator-1", "/v1/loans", TERMS))["loan"]
    answer = await statement(lender, loan, **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_another_borrower_sees_nothing_of_it(lender: Lender):
    loan = (await lender.post("operator-1", "/v1/loans", TERMS))["loan"]
    assert (await statement(lender, loan, "borrower-nolans")).status_code == 404
    assert (await statement(lender, loan, "partner-jp")).status_code == 403
    assert (await statement(lender, loan, "auditor-1")).json()["code"] == "loan_status"
