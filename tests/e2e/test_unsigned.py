"""What is done at once and signed later: underweight goods that leave as weighed, and a lot that is moved away from a fire."""

import pytest

from reserve.client import ProblemAnswer
from tests.e2e.world import UNIT_G, World
from tests.waiting import until

MISSING_G = 100_000


async def in_suspense(world: World, draw: str) -> bool:
    return any(row["draw"] == draw for row in await world.rows(world.operator, "/inventory/v1/differences", open=True))


async def test_underweight_goods_leave_as_two_have_weighed_them_and_a_third_signs_for_what_they_lack(world: World):
    product, _, release = await world.stocked_release("JP", 2)
    draw = (await world.drawn("JP", release, 2 * UNIT_G))["draw"]
    weighing, light = f"/inventory/v1/draws/{draw}/second-weighing", {"weighed_g": 2 * UNIT_G - MISSING_G}
    async with world.on_duty("operator-1") as first, world.on_duty("operator-2") as second:
        with pytest.raises(ProblemAnswer, match="first_weighing_missing"):
            await world.post(second, weighing, light)
        waits = await world.post(world.operator, f"/inventory/v1/draws/{draw}/weighing", light)
        with pytest.raises(ProblemAnswer, match="weighed_by_same_person"):
            await world.post(first, weighing, light)
        with pytest.raises(ProblemAnswer, match="not_on_call"):
            await world.post(world.payer, weighing, light)
        again = await world.post(second, weighing, light)
    assert (again["missing_g"], again["weighed_g"]) == (MISSING_G, light["weighed_g"])
    assert (await world.operator.get(f"/inventory/v1/proposals/{waits['proposal']}"))["status"] == "withdrawn"
    sent = await world.dispatched(draw)
    assert sent["weighed_g"] == light["weighed_g"]
    assert await in_suspense(world, draw)
    [own] = [row for row in await world.rows(world.partner("JP"), "/inventory/v1/differences") if row["draw"] == draw]
    assert (own["mass_g"], own["weighed_by"]) == (MISSING_G, None)
    assert not await world.rows(world.partner("US"), "/inventory/v1/differences")

    async def posted() -> bool:
        balances = await world.balances(product)
        return balances.get(f"title/suspense/{draw}") == balances.get(f"custody/suspense/{draw}") == MISSING_G

    await until(posted)
    signed = await world.countersigned(f"draws/{draw}/difference/settle", {"cause": "loss"})
    assert signed["act"] == "accept_weight" and not await in_suspense(world, draw)

    async def lost() -> bool:
        balances = await world.balances(product)
        return balances.get("title/loss") == MISSING_G and f"title/suspense/{draw}" not in balances

    await until(lost)
    assert (await world.operator.get(f"/inventory/v1/draws/{draw}"))["weighed_g"] == light["weighed_g"]


async def test_a_lot_is_moved_from_a_fire_by_one_and_is_on_hold_until_another_ratifies(world: World):
    product = await world.registered_product()
    lot, _ = await world.taken_in(product, 3), await world.taken_in(product, 1, depot="Fremantle")
    release = await world.released_to("JP", product, 2 * UNIT_G)
    draw = (await world.drawn("JP", release, UNIT_G, lots=[lot]))["draw"]
    moves = "/inventory/v1/moves"
    async with world.on_duty("operator-1") as mover:
        with pytest.raises(ProblemAnswer, match="depot_not_of_reserve"):
            await world.post(mover, moves, {"lot": lot, "to_depot": "My Shed", "cause": "fire"})
        moved = await world.post(mover, moves, {"lot": lot, "to_depot": "Fremantle", "cause": "fire"})
        with pytest.raises(ProblemAnswer, match="move_ratified_by_same_person"):
            await world.post(mover, f"{moves}/{moved['move']}/ratify")
    assert (moved["mass_g"], moved["draws"]) == (2 * UNIT_G, [draw])
    assert (await world.operator.get(f"/inventory/v1/lots/{lot}"))["depot"] == "Fremantle"
    assert {each["depot"] for each in (await world.operator.get(f"/inventory/v1/draws/{draw}"))["parcels"]} == {"Fremantle"}

    async def carried() -> bool:
        balances = await world.balances(product)
        return balances.get("custody/depot/Fremantle") == 4 * UNIT_G and "custody/depot/Kwinana" not in balances

    await until(carried)
    await world.days_pass(2)

    async def held() -> bool:
        return any(row["target"] == lot for row in await world.rows(world.operator, "/inventory/v1/holds", product=product, active=True))

    await until(held)
    [row] = [row for row in await world.rows(world.operator, moves, status="held") if row["move"] == moved["move"]]
    assert row["ratified_by"] is None
    with pytest.raises(ProblemAnswer, match="on_hold"):
        await world.drawn("JP", release, UNIT_G, lots=[lot])
    ratified = await world.post(world.payer, f"{moves}/{moved['move']}/ratify")
    assert ratified["late"] is True and not await held()
    await world.drawn("JP", release, UNIT_G, lots=[lot])
