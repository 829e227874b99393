"""Me: who the caller is to the Reserve, what they may do, and how much of it is left."""

from typing import Any

from tests.contract.allocation_stage import PRODUCT, Reserve
from tests.stories.stockpile import UNIT_G


async def entitled(reserve: Reserve, who: str) -> Any:
    [found] = (await reserve.get(who, "/v1/me"))["entitlements"]
    return found


async def test_a_partner_is_told_how_much_of_its_quota_is_left(reserve: Reserve):
    before = await entitled(reserve, "partner-jp")
    assert before["product"] == PRODUCT and before["left_g"] == before["yearly_quota_g"] - before["used_g"]
    others = await entitled(reserve, "partner-us")
    await reserve.status(await reserve.certified_round(4, supply=4), "certified")
    after = await entitled(reserve, "partner-jp")
    assert (after["used_g"], after["left_g"]) == (before["used_g"] + 4 * UNIT_G, before["left_g"] - 4 * UNIT_G)
    assert await entitled(reserve, "partner-us") == others, "what one is awarded is no part of another's quota"


async def test_who_decides_is_told_by_which_keys_and_powers(reserve: Reserve):
    me = await reserve.get("approver-1", "/v1/me")
    subject = reserve.subject("approver-1")
    assert (me["subject"], me["client"], me["partner"], me["entitlements"]) == (subject, "approver-1", None, [])
    assert "approver" in me["roles"] and [key["key"] for key in me["keys"]]
    assert reserve.registrar.instruments[subject] in [power["instrument"] for power in me["powers"]]
    nominee = await reserve.get("nominee-sojitz", "/v1/me")
    assert nominee["nominee"] is not None and (nominee["keys"], nominee["powers"], nominee["entitlements"]) == ([], [], [])


async def test_a_power_that_is_named_for_other_days_or_was_ended_is_none(reserve: Reserve):
    holder = reserve.subject("operator-2")
    act = {"kind": "act", "title": "An Act", "office": "an office", "holder": holder, "acts": ["lift_hold"]}
    later = await reserve.register(act | {"valid_from": "2090-01-01", "valid_until": "2099-12-31"})
    now = await reserve.register(act | {"valid_from": "2020-01-01", "valid_until": "2099-12-31"})
    officer = reserve.subject("operator-1")
    await reserve.registrar.name_acting(
        now["instrument"], holder, {"officer": officer, "valid_from": "2090-01-01", "valid_until": "2090-12-31"}
    )
    powers = [power["instrument"] for power in (await reserve.get("operator-2", "/v1/me"))["powers"]]
    assert now["instrument"] in powers and later["instrument"] not in powers
    assert now["instrument"] not in [power["instrument"] for power in (await reserve.get("operator-1", "/v1/me"))["powers"]]
    await reserve.post("admin-1", f"/v1/instruments/{now['instrument']}/end", {"reason": "reorganised"})
    assert now["instrument"] not in [power["instrument"] for power in (await reserve.get("operator-2", "/v1/me"))["powers"]]
