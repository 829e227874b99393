"""What one operator cannot do alone, however they go about it: stop a partner for ever, take goods away, keep a little of each draw."""

import secrets

import pytest

from reserve.client import Client, ProblemAnswer
from tests.e2e.world import DISPATCH, UNIT_G, World
from tests.waiting import until

HOLDS = "/inventory/v1/holds"
SKIMMED_G = UNIT_G * 49 // 10_000


async def test_no_other_scope_renews_a_hold_and_a_wider_one_ends_with_it(world: World) -> None:
    other, product = await world.registered_product(), await world.registered_product()
    depot = f"Depot {secrets.token_hex(4)}"
    lot = await world.taken_in(product, 3, depot=depot)
    release = await world.released_to("JP", product, 2 * UNIT_G)
    first = await world.held("lot", lot)
    wider = await world.held("product", product)

    async def standing() -> list[str]:
        rows = await world.rows(world.operator, HOLDS, product=product, active=True)
        return sorted(row["hold"] for row in rows if row["hold"] in (first, wider))

    assert len({row["lapses_at"] for row in await world.rows(world.operator, HOLDS, product=product) if row["hold"] in (first, wider)}) == 1
    with pytest.raises(ProblemAnswer, match="on_hold"):
        await world.drawn("JP", release, UNIT_G)
    await world.days_pass(3)

    async def off() -> bool:
        return await standing() == []

    await until(off)
    for scope, target in (("lot", lot), ("product", product)):
        with pytest.raises(ProblemAnswer, match="hold_renewed_by_same_person"):
            await world.held(scope, target)
    why = {"reason": "a tip", "authority": "duty officer"}
    everywhere = await world.post(world.operator, HOLDS, {"scope": "depot", "target": depot, **why})
    try:
        assert other in everywhere["products"] and product not in everywhere["products"]  # where it would be a renewal
        assert await world.drawn("JP", release, UNIT_G)
        another = await world.post(world.payer, HOLDS, {"scope": "product", "target": product, **why})
        await world.lifted(another["hold"])
    finally:
        await world.lifted(everywhere["hold"])
    assert await world.drawn("JP", release, UNIT_G)


async def test_one_operator_takes_nothing_from_the_scale_to_the_carrier(world: World) -> None:
    _, _, release = await world.stocked_release("JP", 1)
    thief = world.operator
    draw = (await world.drawn("JP", release, UNIT_G))["draw"]
    await world.post(thief, f"/inventory/v1/draws/{draw}/weighing", {"weighed_g": UNIT_G})

    async def refused() -> ProblemAnswer | None:
        with pytest.raises(ProblemAnswer) as raised:
            await world.post(thief, f"/inventory/v1/draws/{draw}/dispatch", DISPATCH)
        return None if raised.value.code == "receipt_missing" else raised.value

    problem = await until(refused)
    assert problem is not None and (problem.status, problem.code) == (403, "dispatched_by_weigher")
    assert "another person" in problem.document["accepted"]
    assert await world.post(world.weigher, f"/inventory/v1/draws/{draw}/dispatch", DISPATCH)


async def test_one_operator_keeps_a_little_of_each_of_many_draws_until_another_must_sign(world: World) -> None:
    _, _, release = await world.stocked_release("JP", 18)

    async def skimmed(by: Client) -> tuple[str, dict[str, object]]:
        draw = (await world.drawn("JP", release, UNIT_G))["draw"]
        body = {"weighed_g": UNIT_G - SKIMMED_G}
        return draw, (await world.post(by, f"/inventory/v1/draws/{draw}/weighing", body)).body

    for number in range(16):  # by whomever: it is summed by product
        _, answer = await skimmed(world.operator if number % 2 else world.weigher)
        assert "difference_g" in answer
    draw, waits = await skimmed(world.operator)
    assert (waits["act"], waits["status"]) == ("accept_weight", "proposed")
    assert (await world.operator.get(f"/inventory/v1/draws/{draw}"))["weighed_g"] is None
    signed = await world.approval(str(waits["document"]), purpose="command")
    await world.post(world.clients["approver-1"], f"/inventory/v1/proposals/{waits['proposal']}/approvals", signed)
    assert (await world.operator.get(f"/inventory/v1/draws/{draw}"))["weighed_g"] == UNIT_G - SKIMMED_G
    assert "difference_g" in (await skimmed(world.operator))[1]  # what was signed for is summed no more


async def test_one_operator_who_always_says_no_keeps_a_request_out_for_three_days(world: World) -> None:
    product = await world.registered_product()
    await world.taken_in(product, 2)
    await world.agreed_with("JP", product)
    request = await world.requested("JP", product, UNIT_G)
    path, no = f"/allocation/v1/requests/{request}", {"reasons": ["no stock for them"]}
    await world.post(world.operator, f"{path}/decline", no)
    with pytest.raises(ProblemAnswer, match="decline_confirmed_by_same_person"):
        await world.post(world.operator, f"{path}/decline/confirm")
    assert (await world.partner("JP").get(path))["lapses_at"] is not None
    await world.days_pass(3)

    async def back() -> bool:
        return bool((await world.partner("JP").get(path))["status"] == "submitted")

    await until(back)
    with pytest.raises(ProblemAnswer, match="decline_renewed_by_same_person"):
        await world.post(world.operator, f"{path}/decline", no)
    await world.accepted(request, UNIT_G)
    _, certified = await world.decided(product, [request], UNIT_G)
    assert certified
