"""Equity as it is served, beside the real allocation, whose approvers sign, on the real PostgreSQL and Kafka."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from reserve.commands.signable import read_signable
from shared.engines.engines import Engines
from tests.contract.any_order import assert_no_order_matters
from tests.contract.loans_stage import HOLDING, TODAY, Lender, a_lender, followed, sign_holding
from tests.kernel.stage import until

LIMITS = [
    {"key": "total", "limit_minor": 1_000_000},
    {"key": "instrument/equity", "parent": "total", "limit_minor": 900_000, "warn_at": "1/2"},
]


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("equity")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def reached(lender: Lender, holding: str, status: str) -> Any:
    """The holding, once it has that status."""

    async def there() -> Any:
        found = await lender.get("operator-1", f"/v1/holdings/{holding}")
        return found if found["status"] == status else None

    return await until(there)


async def charged(lender: Lender, committed_minor: int) -> None:
    """Waits until this is what the facility has committed."""

    async def there() -> bool:
        return bool((await lender.get("auditor-1", "/v1/facilities/cmf"))["committed_minor"] == committed_minor)

    await until(there)


async def test_a_holding_from_its_proposal_to_its_last_share(lender: Lender):
    proposed = await lender.post("operator-1", "/v1/holdings", HOLDING)
    holding = proposed["holding"]
    content = (await lender.clients["approver-1"].get(f"/v1/holdings/{holding}/proposal")).content
    assert hashlib.sha256(content).hexdigest() == proposed["document"]
    await sign_holding(lender, proposed)
    committed = await reached(lender, holding, "committed")
    assert committed["figures"]["uncalled_minor"] == 500_000
    await charged(lender, 500_000)

    year_ago = str(TODAY - timedelta(days=365))
    tranche = {"reference": "bank-1", "units": 400, "amount_minor": 200_000}
    assert await lender.refused("operator-1", f"/v1/holdings/{holding}/subscriptions", tranche | {"paid_on": year_ago}) == (
        422,
        "date_before_holding",
    )
    signed = await lender.by_two("operator-1", f"/v1/holdings/{holding}/subscriptions", tranche | {"paid_on": str(TODAY)})
    booked = followed(signed, "shares_subscribed")
    assert (booked["change"]["cash_minor"], booked["after"]["units"]) == (-200_000, 400)
    valued = {"value_minor": 240_000, "on": str(TODAY), "source": "independent valuer"}
    await lender.by_two("operator-1", f"/v1/holdings/{holding}/valuations", valued)
    dividend = {"reference": "bank-2", "amount_minor": 5_000, "received_on": str(TODAY)}
    await lender.post("operator-1", f"/v1/holdings/{holding}/dividends", dividend)
    assert await lender.refused("operator-1", f"/v1/holdings/{holding}/dividends", dividend) == (409, "payment_reference_used")

    cancelled = await lender.by_two("operator-1", f"/v1/holdings/{holding}/cancel-uncalled", {"reason": "enough"})
    assert followed(cancelled, "uncalled_cancelled")["amount_minor"] == 300_000

    await charged(lender, 200_000)
    returns = (await lender.get("auditor-1", "/v1/equity/returns", by="holding", project="hillgrove"))["returns"]
    [own] = [each for each in returns if each["key"] == holding]
    assert (own["paid_minor"], own["received_minor"], own["value_minor"], own["rate"], own["reason"]) == (
        200_000,
        5_000,
        240_000,
        None,
        "all_on_one_day",
    )

    lost = {"amount_minor": 20_000, "on": str(TODAY), "authority": "Board", "reason": "impaired"}
    write_down = await lender.post("operator-1", f"/v1/holdings/{holding}/write-downs", lost)
    path = f"/v1/holdings/{holding}/write-downs/{write_down['flow']}"
    document = (await lender.clients["approver-1"].get(f"{path}/document")).content
    assert hashlib.sha256(document).hexdigest() == read_signable(document).document == write_down["document"]
    written_down = await lender.approve(f"{path}/approvals", write_down["document"], "equity_write_down")
    assert (written_down["figures"]["cost_minor"], written_down["cash_minor"]) == (180_000, 0)
    [listed] = (await lender.get("auditor-1", f"/v1/holdings/{holding}/write-downs"))["data"]
    assert (listed["status"], listed["approval"]["subject"]) == ("approved", lender.subject("approver-1"))

    sale = {"reference": "bank-3", "units": 400, "amount_minor": 260_000, "received_on": str(TODAY)}
    sold = followed(await lender.by_two("operator-1", f"/v1/holdings/{holding}/divestments", sale), "shares_divested")
    assert (sold["gain_minor"], sold["after"]["cost_minor"]) == (80_000, 0)
    await reached(lender, holding, "closed")
    await charged(lender, 0)
    flows = (await lender.get("operator-1", f"/v1/holdings/{holding}/flows"))["data"]
    assert sum(flow["units"] for flow in flows) == 0
    assert {flow["kind"] for flow in flows} == {"subscription", "dividend", "write_down", "divestment"}


async def test_what_the_facility_cannot_take_is_refused_at_once_and_again_when_it_was_taken_meanwhile(lender: Lender):
    assert await lender.refused("operator-1", "/v1/holdings", HOLDING | {"commitment_minor": 900_001}) == (409, "limit_exceeded")
    assert await lender.refused("operator-1", "/v1/holdings", HOLDING | {"currency": "USD"}) == (409, "rate_missing")
    assert await lender.refused("operator-1", "/v1/holdings", HOLDING | {"facility": "none"}) == (404, "facility_not_found")
    first, second = [await lender.post("operator-1", "/v1/holdings", HOLDING) for _ in range(2)]
    await sign_holding(lender, first)
    await reached(lender, first["holding"], "committed")
    await sign_holding(lender, second)

    async def refused() -> Any:
        found = await lender.get("operator-1", f"/v1/holdings/{second['holding']}")
        return found if found["reason"] else None

    found = await until(refused)
    assert (found["status"], found["approval"]) == ("proposed", None)
    await lender.post("operator-1", f"/v1/holdings/{second['holding']}/withdraw", {"reason": "no headroom"})
    await lender.by_two("operator-1", f"/v1/holdings/{first['holding']}/cancel-uncalled", {"reason": "not needed"})
    await reached(lender, first["holding"], "closed")
    await charged(lender, 0)


async def test_the_same_proposal_sent_again_is_the_same_holding_whatever_became_of_it(lender: Lender):
    await charged(lender, 0)
    first = await lender.post("operator-1", "/v1/holdings", HOLDING, key="once")
    await sign_holding(lender, first)
    await reached(lender, first["holding"], "committed")
    assert await lender.post("operator-1", "/v1/holdings", HOLDING, key="once") == first
    await lender.by_two("operator-1", f"/v1/holdings/{first['holding']}/cancel-uncalled", {"reason": "a test"})
    await charged(lender, 0)


async def test_a_partner_sees_nothing_of_it(lender: Lender):
    for path in ("/v1/holdings", "/v1/equity/returns"):
        assert (await lender.clients["partner-jp"].get(path)).status_code == 403


async def test_whichever_shard_is_read_first_the_tables_are_the_same(lender: Lender):
    await assert_no_order_matters(lender.stage, lender.loans, lender.allocation)
