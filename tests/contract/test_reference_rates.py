"""Reference rates as they are served: two people enter what is published, and the loans that follow bear it, on the real engines."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from shared.engines.engines import Engines
from tests.contract.loans_stage import LIMITS, TERMS, TODAY, Lender, a_lender
from tests.kernel.stage import until

FIRST = TODAY - timedelta(days=100)
AONIA = {"rate": "AONIA", "name": "overnight cash rate", "administrator": "Reserve Bank of Australia", "calendar": "weekends"}


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("rates")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


def business_day(days_ago: int) -> date:
    day = TODAY - timedelta(days=days_ago)
    return day - timedelta(days=max(0, day.weekday() - 4))


def publication(day: date, pct: str) -> dict[str, Any]:
    return {"day": str(day), "pct": pct, "source": "RBA table F1"}


async def publish(lender: Lender, rate: str, day: date, pct: str) -> None:
    await lender.by_two("operator-1", f"/v1/reference-rates/{rate}/publications", publication(day, pct))


async def base_rates(lender: Lender, loan: str) -> list[str]:
    entries = (await lender.get("operator-1", f"/v1/loans/{loan}/entries"))["data"]
    return [each["text"] for each in entries if each["kind"] == "rate_reset"]


async def test_a_loan_bears_what_was_published_before_and_what_is_published_later(lender: Lender):
    await lender.by_two("admin-1", "/v1/reference-rates", AONIA)
    await publish(lender, "AONIA", business_day(1), "4.35")
    follows = {"rate": "AONIA", "lookback_days": 1, "compounded": True, "floor_pct": "1"}
    loan = await lender.committed(TERMS | {"precedents": [], "reference_rate": follows})
    terms = (await lender.get("operator-1", f"/v1/loans/{loan}"))["terms"]
    assert (terms["base_rate"], terms["reference_rate"]["floor_pct"]) == ("AONIA", "1")
    await publish(lender, "AONIA", business_day(0), "4.1")

    async def borne() -> bool:
        return len(await base_rates(lender, loan)) == 2

    await until(borne)
    assert await lender.refused("operator-1", f"/v1/loans/{loan}/rates", {"base_pct": "1", "source": "x", "from_on": str(TODAY)}) == (
        409,
        "loan_rate_follows",
    )


async def test_one_person_publishes_nothing_and_a_rate_that_nobody_registered_is_followed_by_no_loan(lender: Lender):
    rate = AONIA | {"rate": "SOFR"}
    await lender.by_two("admin-1", "/v1/reference-rates", rate)
    await lender.post("operator-1", "/v1/reference-rates/SOFR/publications", publication(business_day(7), "4"))
    assert (await lender.get("borrower-hillgrove", "/v1/reference-rates/SOFR/publications"))["data"] == []
    unknown = TERMS | {"reference_rate": {"rate": "LIBOR"}}
    assert await lender.refused("operator-1", "/v1/loans", unknown) == (404, "reference_rate_not_found")


async def test_a_borrower_checks_what_it_comes_to(lender: Lender):
    await lender.by_two("admin-1", "/v1/reference-rates", AONIA | {"rate": "TONA"})
    monday = FIRST - timedelta(days=FIRST.weekday())
    for days, pct in ((0, "3.65"), (1, "3.65"), (2, "3.65")):
        await publish(lender, "TONA", monday + timedelta(days=days), pct)

    async def compounded(days: int) -> Any:
        query = {"since": str(monday), "until": str(monday + timedelta(days=days))}
        return (await lender.clients["borrower-hillgrove"].get("/v1/reference-rates/TONA/compounded", params=query)).json()

    assert (await compounded(3))["pct"] == "3.650365"  # (1.0001 ** 3 - 1) x 365 / 3
    assert (await compounded(4))["code"] == "reference_rate_not_published"
    assert (await compounded(0))["code"] == "reference_rate_period_invalid"
