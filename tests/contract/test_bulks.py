"""Draws, requests and payments in bulk: each command is what it would be alone, for whoever may give it."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.engines.engines import Engines
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.contract.loans_stage import LIMITS, TERMS, Lender, a_lender
from tests.kernel.stage import until
from tests.stories.stockpile import UNIT_G

BODY = {
    "product": PRODUCT,
    "mass_g": UNIT_G,
    "daily_consumption_g": UNIT_G,
    "needed_by": str(TODAY + timedelta(days=60)),
    "nominee": "Sojitz",
    "consignee": "Toyo Logistics",
    "end_user": "Kyushu Smelting",
    "end_use": "flame retardants",
}


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("bulks")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def lent(lender: Lender) -> str:
    loan = await lender.committed(TERMS | {"precedents": []})
    advance = await lender.post("operator-1", f"/v1/loans/{loan}/advances", {"amount_minor": 50_000, "purpose": "a furnace"})
    await lender.pay(loan, advance)
    return loan


async def send(http: httpx.AsyncClient, path: str, items: list[dict[str, Any]], key: str | None = None, **members: Any) -> httpx.Response:
    named = [{"idempotency_key": secrets.token_hex(6), **item} for item in items]
    return await http.post(path, json={"items": named, **members}, headers={"Idempotency-Key": key or secrets.token_hex(6)})


async def alone(http: httpx.AsyncClient, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    return await http.post(path, json=body, headers={"Idempotency-Key": key})


def codes(answer: httpx.Response) -> list[tuple[int, str | None]]:
    assert answer.status_code == 200, answer.text
    return [(each["status"], each["problem"] and each["problem"]["code"]) for each in answer.json()["items"]]


async def test_a_partner_draws_its_own_in_bulk_and_nothing_of_anothers(reserve: Reserve):
    round = await reserve.certified_round(4, 2, supply=6)
    url = reserve.stage.urls[reserve.inventory.kernel.service.name]

    async def released() -> dict[str, str] | None:
        rows = (await reserve.inventory.http.get("/v1/releases?limit=200")).json()["data"]
        found = {row["partner"]: row["release"] for row in rows if row["round"] == round}
        return found if len(found) == 2 else None

    releases = await until(released)
    assert releases is not None
    draws = [{"release": releases["JP"], "mass_g": UNIT_G}, {"release": releases["US"], "mass_g": UNIT_G}]
    async with reserve.stage.client(url, "partner-jp") as partner:
        too_much, repeated = {**draws[0], "mass_g": 9 * UNIT_G}, {**draws[0], "idempotency_key": "d"}
        answer = await send(partner, "/v1/draws/bulk", [*draws, too_much, repeated])
        assert codes(answer) == [(201, None), (404, "release_not_found"), (409, "release_exceeded"), (201, None)]
        items = answer.json()["items"]
        assert items[1]["problem"]["field"] == "/items/1/release" and items[2]["problem"]["field"] == "/items/2/mass_g"
        assert [item["body"]["remaining_g"] for item in items if item["body"]] == [3 * UNIT_G, 2 * UNIT_G]
        assert items[0]["body"]["place"] == items[0]["position"]
        same = await alone(partner, f"/v1/releases/{releases['JP']}/draws", {"mass_g": UNIT_G}, "d")
        assert same.json() == items[3]["body"]

        whole = await send(partner, "/v1/draws/bulk", [draws[0]] * 3, atomic=True)
        assert (whole.status_code, whole.json()["code"], whole.json()["field"]) == (409, "release_exceeded", "/items/2/mass_g")
        assert codes(await send(partner, "/v1/draws/bulk", [draws[0]] * 2, atomic=True)) == [(201, None)] * 2
        assert codes(await send(partner, "/v1/draws/bulk", [draws[0]])) == [(409, "release_exceeded")], "it says why nothing is left"
    async with reserve.stage.client(url, "auditor-1") as auditor:
        refused = await send(auditor, "/v1/draws/bulk", draws)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), "who may see all does not move all"
    drawn = (await reserve.inventory.http.get("/v1/draws?limit=200")).json()["data"]
    assert sum(row["mass_g"] for row in drawn if row["release"] in releases.values()) == 4 * UNIT_G


async def test_requests_in_bulk_are_the_partners_own(reserve: Reserve):
    partner = reserve.clients["partner-jp"]
    said = {**BODY, "statement": {"event": "a mine was flooded"}}
    answer = await send(partner, "/v1/requests/bulk", [BODY, {**said, "idempotency_key": "r"}, {**BODY, "kind": "loan"}])
    assert codes(answer) == [(201, None), (201, None), (422, "return_day_invalid")]
    asked = answer.json()["items"]
    assert asked[2]["problem"]["field"] == "/items/2/return_on"
    assert (asked[1]["body"]["partner"], asked[1]["body"]["statement"]["event"]) == ("JP", "a mine was flooded")
    same = await alone(partner, "/v1/requests", said, "r")
    assert same.json() == asked[1]["body"]

    commitment = f"text:{'0' * 64}"
    forged = await send(partner, "/v1/requests/bulk", [BODY, {**BODY, "statement": {"event": commitment}}])
    assert (forged.status_code, forged.json()["code"], forged.json()["field"]) == (422, "commitment_typed", "/items/1")
    mixed = await send(partner, "/v1/requests/bulk", [BODY, {**BODY, "product": "another-product"}], atomic=True)
    assert (mixed.status_code, mixed.json()["code"], mixed.json()["field"]) == (422, "bulk_of_several", "/items/1")
    refused = await send(reserve.clients["operator-1"], "/v1/requests/bulk", [BODY])
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_payments_in_bulk_are_a_statement_of_the_bank(lender: Lender):
    loan, other = await lent(lender), await lent(lender)
    operator = lender.clients["operator-1"]
    paid = {"amount_minor": 1_000, "received_on": str(TODAY)}
    items = [{"loan": to, "reference": f"{to}-{number}", **paid} for to in (loan, other) for number in range(3)]
    items[4]["reference"] = items[3]["reference"]
    answer = await send(operator, "/v1/payments/bulk", items, key="statement-7")
    assert codes(answer) == [(201, None)] * 4 + [(409, "payment_reference_used"), (201, None)]
    assert [item["body"]["loan"] for item in answer.json()["items"] if item["body"]] == [loan] * 3 + [other] * 2
    again = {**items[0], "idempotency_key": "p", "reference": "bank-9"}
    first = await send(operator, "/v1/payments/bulk", [again])
    single = await alone(operator, f"/v1/loans/{loan}/payments", {"reference": "bank-9", **paid}, "p")
    assert single.json() == first.json()["items"][0]["body"]
    listed = (await operator.get(f"/v1/loans/{loan}/payments")).json()["data"]
    assert len(listed) == 4 and all(row["unreconciled"] for row in listed)
    refused = await send(lender.clients["borrower-hillgrove"], "/v1/payments/bulk", items)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
