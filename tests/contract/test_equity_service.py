"""Equity and exposure as loans serve them, beside the real allocation, whose approvers sign, on the real PostgreSQL and Kafka."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from stage import Stage, a_stage, free_port, until
from test_allocation_service import Reserve, renamed

from services.allocation.main import SERVICE as ALLOCATION
from services.loans.main import SERVICE as LOANS
from shared.approval import approve, public_key_hex
from shared.clock import SystemClock, day_of
from shared.engines import Engines
from shared.settings import Settings

TODAY = day_of(SystemClock().now(), Settings().zone)
LIMITS = [
    {"key": "total", "limit_minor": 1_000_000},
    {"key": "instrument/equity", "parent": "total", "limit_minor": 900_000, "warn_at": "1/2"},
]
HOLDING = {
    "account": "national_interest",
    "instrument": "Ministerial direction 4/2026",
    "company": "larvotto",
    "project": "hillgrove",
    "elements": ["Sb"],
    "share_class": "ordinary",
    "commitment_minor": 500_000,
    "units": 1_000,
    "unit_price_minor": "500",
    "kyc": "kyc-17",
    "category": "B",
}


class Equity(Reserve):
    """Loans beside allocation. `clients` call loans."""

    async def approve_holding(self, proposed: Any) -> None:
        signed = approve(proposed["document"], self.key, approver=self.subject("approver-1"), purpose="equity_proposal")
        await self.post("approver-1", f"/v1/holdings/{proposed['holding']}/approvals", msgspec.to_builtins(signed))

    async def committed(self, **changed: Any) -> str:
        proposed = await self.post("operator-1", "/v1/holdings", HOLDING | changed)
        await self.approve_holding(proposed)
        return (await self.holding(proposed["holding"], "committed"))["holding"]

    async def holding(self, holding: str, status: str) -> Any:
        """The holding, once it has that status."""

        async def reached() -> Any:
            found = await self.get("operator-1", f"/v1/holdings/{holding}")
            return found if found["status"] == status else None

        return await until(reached)

    async def all_free(self) -> None:
        async def free() -> bool:
            return await self.charged() == 0

        await until(free)

    async def charged(self) -> int:
        return (await self.get("auditor-1", "/v1/facilities/cmf"))["committed_minor"]


@pytest.fixture(scope="module")
async def equity(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Equity]:
    async with AsyncExitStack() as stack:
        stage: Stage = await stack.enter_async_context(a_stage(servers, tmp_path_factory.mktemp("equity")))
        names = {name: stage.name(name) for name in ("allocation", "loans")}
        stage.urls |= {name: f"http://127.0.0.1:{free_port()}" for name in names.values()}
        allocation, loans = [await stack.enter_async_context(stage.serving(renamed(each, names))) for each in (ALLOCATION, LOANS)]
        parties = ("operator-1", "approver-1", "admin-1", "auditor-1", "partner-jp")
        url = stage.urls[names["loans"]]
        clients = {party: await stack.enter_async_context(stage.client(url, party)) for party in parties}
        equity = Equity(stage, loans, allocation, clients)
        enrolled = {"subject": equity.subject("approver-1"), "public_key": public_key_hex(equity.key)}
        async with stage.client(stage.urls[names["allocation"]], "admin-1") as admin:
            answer = await admin.post("/v1/approver-keys", json=enrolled, headers={"Idempotency-Key": "enrol"})
            assert answer.is_success, answer.text
        await equity.post("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})

        async def known() -> Any:
            async with stage.sql(names["loans"]) as sql:
                return await sql.fetchval("SELECT count(*) FROM approver_keys")

        await until(known)
        yield equity


async def test_a_holding_from_its_proposal_to_its_last_share(equity: Equity):
    proposed = await equity.post("operator-1", "/v1/holdings", HOLDING)
    holding = proposed["holding"]
    content = (await equity.clients["approver-1"].get(f"/v1/holdings/{holding}/proposal")).content
    assert hashlib.sha256(content).hexdigest() == proposed["document"]
    await equity.approve_holding(proposed)
    committed = await equity.holding(holding, "committed")
    assert committed["figures"]["uncalled_minor"] == 500_000
    assert await equity.charged() == 500_000

    year_ago = str(TODAY - timedelta(days=365))
    tranche = {"reference": "bank-1", "units": 400, "amount_minor": 200_000}
    assert await equity.refused("operator-1", f"/v1/holdings/{holding}/subscriptions", tranche | {"paid_on": year_ago}) == (
        422,
        "date_before_holding",
    )
    booked = await equity.post("operator-1", f"/v1/holdings/{holding}/subscriptions", tranche | {"paid_on": str(TODAY)})
    assert (booked["cash_minor"], booked["figures"]["units"]) == (-200_000, 400)
    valued = {"value_minor": 240_000, "on": str(TODAY), "source": "independent valuer"}
    await equity.post("operator-1", f"/v1/holdings/{holding}/valuations", valued)
    dividend = {"reference": "bank-2", "amount_minor": 5_000, "received_on": str(TODAY)}
    await equity.post("operator-1", f"/v1/holdings/{holding}/dividends", dividend)
    assert await equity.refused("operator-1", f"/v1/holdings/{holding}/dividends", dividend) == (409, "payment_reference_used")

    cancelled = await equity.post("operator-1", f"/v1/holdings/{holding}/cancel-uncalled", {"reason": "enough"})
    assert cancelled["status"] == "committed"

    async def released() -> bool:
        return await equity.charged() == 200_000

    await until(released)
    returns = (await equity.get("auditor-1", "/v1/equity/returns?by=holding&project=hillgrove"))["returns"]
    [own] = [each for each in returns if each["key"] == holding]
    assert (own["paid_minor"], own["received_minor"], own["value_minor"], own["rate"], own["reason"]) == (
        200_000,
        5_000,
        240_000,
        None,
        "all_on_one_day",
    )

    sale = {"reference": "bank-3", "units": 400, "amount_minor": 260_000, "received_on": str(TODAY)}
    sold = await equity.post("operator-1", f"/v1/holdings/{holding}/divestments", sale)
    assert (sold["gain_minor"], sold["closed"], sold["figures"]["cost_minor"]) == (60_000, True, 0)
    await equity.holding(holding, "closed")
    await equity.all_free()
    flows = (await equity.get("operator-1", f"/v1/holdings/{holding}/flows"))["data"]
    assert sum(flow["units"] for flow in flows) == 0
    assert {flow["kind"] for flow in flows} == {"subscription", "dividend", "divestment"}


async def test_what_the_facility_cannot_take_is_refused_at_once_and_again_when_it_was_taken_meanwhile(equity: Equity):
    assert await equity.refused("operator-1", "/v1/holdings", HOLDING | {"commitment_minor": 900_001}) == (409, "limit_exceeded")
    assert await equity.refused("operator-1", "/v1/holdings", HOLDING | {"currency": "USD"}) == (409, "rate_missing")
    assert await equity.refused("operator-1", "/v1/holdings", HOLDING | {"facility": "none"}) == (404, "facility_not_found")
    first, second = [await equity.post("operator-1", "/v1/holdings", HOLDING) for _ in range(2)]
    await equity.approve_holding(first)
    await equity.holding(first["holding"], "committed")
    await equity.approve_holding(second)

    async def refused() -> Any:
        found = await equity.get("operator-1", f"/v1/holdings/{second['holding']}")
        return found if found["reason"] else None

    found = await until(refused)
    assert (found["status"], found["approval"]) == ("proposed", None)
    await equity.post("operator-1", f"/v1/holdings/{second['holding']}/withdraw", {"reason": "no headroom"})
    await equity.post("operator-1", f"/v1/holdings/{first['holding']}/cancel-uncalled", {"reason": "not needed"})
    await equity.holding(first["holding"], "closed")
    await equity.all_free()


async def test_the_same_proposal_sent_again_is_the_same_holding_whatever_became_of_it(equity: Equity):
    await equity.all_free()
    first = await equity.post("operator-1", "/v1/holdings", HOLDING, key="once")
    await equity.approve_holding(first)
    await equity.holding(first["holding"], "committed")
    assert await equity.post("operator-1", "/v1/holdings", HOLDING, key="once") == first
    await equity.post("operator-1", f"/v1/holdings/{first['holding']}/cancel-uncalled", {"reason": "a test"})
    await equity.all_free()


async def test_a_partner_sees_nothing_of_it(equity: Equity):
    for path in ("/v1/holdings", "/v1/equity/returns", "/v1/exposure"):
        assert (await equity.clients["partner-jp"].get(path)).status_code == 403


async def test_exposure_is_what_is_committed_with_the_limits_on_it(equity: Equity):
    await equity.all_free()
    holding = await equity.committed()
    tranche = {"reference": "bank-1", "units": 400, "amount_minor": 200_000, "paid_on": str(TODAY)}
    await equity.post("operator-1", f"/v1/holdings/{holding}/subscriptions", tranche)
    seen = await equity.get("auditor-1", "/v1/exposure?by=instrument")
    [row] = [row for row in seen["rows"] if row["key"] == "equity"]
    assert row["sums"] == {
        "positions": 1,
        "committed_minor": 500_000,
        "undrawn_minor": 300_000,
        "outstanding_minor": 200_000,
        "overdue_minor": 0,
        "value_minor": 200_000,
        "security_minor": 0,
    }
    assert seen["totals"] == {"AUD": row["sums"]}
    assert row["limits"] == [
        {
            "facility": "cmf",
            "key": "instrument/equity",
            "limit_minor": 900_000,
            "committed_minor": 500_000,
            "headroom_minor": 400_000,
            "warned": True,
        }
    ]
    by_element = await equity.get("auditor-1", "/v1/exposure?by=element")
    assert [(row["key"], row["sums"]["committed_minor"]) for row in by_element["rows"]] == [("Sb", 500_000)]
    assert not by_element["adds_up"]


SCENARIOS = [
    {"kind": "default", "borrower": "larvotto", "recovery": "0.4"},
    {"kind": "price", "asset": "contained/Sb", "change": "-0.3"},
    {"kind": "delay", "project": "hillgrove", "months": 6},
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["kind"]))
async def test_a_what_if_needs_no_key_and_changes_nothing(equity: Equity, scenario: dict[str, Any]):
    before = await equity.get("auditor-1", "/v1/journal/heads"), await equity.get("auditor-1", "/v1/exposure?by=borrower")
    answer = await equity.clients["operator-1"].post("/v1/exposure/what-if", json={"by": "borrower", "scenarios": [scenario]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["before"] == before[1]
    assert answer.json()["assumptions"]
    assert (await equity.get("auditor-1", "/v1/journal/heads"), await equity.get("auditor-1", "/v1/exposure?by=borrower")) == before


async def test_a_what_if_says_what_would_be_lost_and_what_would_be_free_again(equity: Equity):
    answer = await equity.clients["operator-1"].post("/v1/exposure/what-if", json={"by": "facility", "scenarios": SCENARIOS[:1]})
    said = answer.json()
    assert said["lost_minor"] == {"AUD": 200_000}
    assert (said["after"]["totals"]["AUD"]["value_minor"], said["after"]["totals"]["AUD"]["committed_minor"]) == (0, 200_000)


@pytest.mark.parametrize(
    "scenario",
    [
        {"kind": "flood"},
        {"kind": "default"},
        {"kind": "default", "borrower": "larvotto", "partner": "JP"},
        {"kind": "default", "borrower": "larvotto", "recovery": "1.1"},
        {"kind": "price", "asset": "contained/Sb", "change": "-1.1"},
        {"kind": "price", "asset": "Sb", "change": "0.1"},
        {"kind": "delay", "project": "hillgrove", "months": 0},
        {"kind": "delay", "project": "hillgrove", "months": 121},
    ],
)
async def test_a_what_if_of_what_cannot_be_is_refused(equity: Equity, scenario: dict[str, Any]):
    answer = await equity.clients["operator-1"].post("/v1/exposure/what-if", json={"scenarios": [scenario]})
    assert answer.status_code == 422, answer.text
