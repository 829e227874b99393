"""A POST that is sent again gets its first answer, though what it had looked up has changed since."""

from datetime import timedelta

import msgspec

from services.inventory.events import ProductId
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve
from tests.contract.policy_stage import an_active_policy
from tests.kernel.stage import until
from tests.stories.stockpile import UNIT_G, register


async def no_longer_active(reserve: Reserve, policy: str, version: int) -> None:
    await reserve.by_two(f"/v1/policies/{policy}/versions/{version}/withdraw", {"reason": "a mistake"})


async def test_a_round_is_opened_once_though_its_policy_is_gone(reserve: Reserve):
    version = await an_active_policy(reserve, "fleeting")
    body = {"product": PRODUCT, "requests": [await reserve.accepted_request("partner-jp", 2)], "policy": "fleeting"}
    opened = await reserve.post("operator-1", "/v1/rounds", body, key="fleeting")
    await no_longer_active(reserve, "fleeting", version)
    assert await reserve.post("operator-1", "/v1/rounds", body, key="fleeting") == opened
    assert await reserve.refused("operator-1", "/v1/rounds", body) == (409, "policy_not_active")
    await reserve.post("operator-1", f"/v1/rounds/{opened['round']}/cancel", {"reason": "not needed"})


async def test_a_request_is_accepted_once_though_the_policy_of_its_clock_is_gone(reserve: Reserve):
    version = await an_active_policy(reserve, "brief")
    request = await reserve.accepted_request("partner-us", 2)
    path, body = f"/v1/requests/{request}/accept", {"accepted_g": UNIT_G, "reasons": ["half"], "policy": "brief"}
    accepted = await reserve.post("operator-1", path, body, key="brief")
    await no_longer_active(reserve, "brief", version)
    assert await reserve.post("operator-1", path, body, key="brief") == accepted
    assert await reserve.refused("operator-1", path, body) == (409, "policy_not_active")


async def test_an_item_is_cleared_once_though_its_agreement_is_about_another_product_now(reserve: Reserve):
    await another_product(reserve, "tin-metal")
    [agreement] = [each["agreement"] for each in (await reserve.get("partner-eu", "/v1/agreements"))["data"]]
    item = {"agreement": agreement, "product": PRODUCT, "kind": "route", "name": "Darwin to Rotterdam", "evidence": "file 12"}
    cleared = await reserve.post("operator-1", "/v1/readiness/items", item, key="route")
    terms = {"product": "tin-metal", "yearly_quota_g": 1000 * UNIT_G, "share": "1/4"}
    amendment = {"priority_class": 0, "valid_until": str(TODAY + timedelta(days=300)), "reason": "tin from now on"}
    await reserve.by_two(f"/v1/agreements/{agreement}/amend", {"products": [terms]} | amendment)
    assert await reserve.post("operator-1", "/v1/readiness/items", item, key="route") == cleared
    assert await reserve.refused("operator-1", "/v1/readiness/items", item | {"kind": "carrier"}) == (404, "product_not_found")


async def another_product(reserve: Reserve, product: str) -> None:
    registering = msgspec.structs.replace(register(), product=ProductId(product))
    await reserve.happen(registering, product=product)

    async def known() -> bool:
        return any(row["product"] == product for row in await reserve.get("operator-1", "/v1/stock"))

    await until(known)
