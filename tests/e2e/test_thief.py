"""One administrator takes from everybody what they act by: no conflict of interest, key or instrument is gone for longer than 72 hours. Nor
does one operator take for longer, or for good, what others have approved, released or lifted."""

from typing import Any

import pytest

from reserve.client import ProblemAnswer
from tests.e2e.world import UNIT_G, World
from tests.waiting import until

KEYS, INSTRUMENTS = "/allocation/v1/approver-keys", "/allocation/v1/instruments"
WHY = {"reason": "a thief's"}
INTEREST = {"about": "partner", "name": "JP"}
OFFICIALS = ("operator-1", "operator-2", "approver-1", "approver-2")


async def refused(call: Any) -> str:
    with pytest.raises(ProblemAnswer) as raised:
        await call
    return raised.value.code


async def standing(world: World) -> tuple[set[str], set[str]]:
    """(keys, instruments) that are neither revoked nor ended."""
    keys = {row["key"] for row in await world.rows(world.auditor, KEYS) if row["revoked_on"] is None}
    return keys, {row["instrument"] for row in await world.rows(world.auditor, INSTRUMENTS) if row["ended_on"] is None}


async def test_whoever_takes_all_keys_instruments_and_persons_has_them_for_72_hours_and_not_again(world: World) -> None:
    product = await world.registered_product()
    await world.taken_in(product, 2)
    await world.agreed_with("JP", product)
    request = await world.requested("JP", product, UNIT_G)
    await world.accepted(request, UNIT_G)
    round = await world.opened(product, [request])
    decision = await world.proposed(round, UNIT_G)
    await world.approved(round, decision)
    await world.operators_key()  # who certifies has one
    keys, instruments = before = await standing(world)

    for official in OFFICIALS:
        conflicts = f"/allocation/v1/officials/{await world.subject(official)}/conflicts"
        await world.post(world.admin, conflicts, INTEREST | WHY)
        assert await refused(world.post(world.admin, f"{conflicts}/confirm", INTEREST)) == "forbidden"
    for key in sorted(keys):
        await world.post(world.admin, f"{KEYS}/{key}/revoke", WHY)
        assert await refused(world.post(world.admin, f"{KEYS}/{key}/revocation/confirm")) == "forbidden"
    for instrument in sorted(instruments):
        await world.post(world.admin, f"{INSTRUMENTS}/{instrument}/end", WHY)
        approver = world.clients["approver-1"]
        assert await refused(world.post(approver, f"{INSTRUMENTS}/{instrument}/end/confirm")) == "bar_confirmed_without_key"
    assert await standing(world) == (set(), set())
    assert await refused(world.certified(round)) == "conflict_of_interest"
    withdrawing = f"/allocation/v1/officials/{await world.subject('operator-1')}/conflicts/withdraw"
    assert await refused(world.by_two(world.admin, withdrawing, INTEREST | WHY)) == "approver_key_revoked"

    await world.days_pass(4)

    async def back() -> bool:
        return await standing(world) == before

    await until(back)

    async def without_interests() -> bool:
        people = [await world.subject(official) for official in OFFICIALS]
        return not any([await world.rows(world.auditor, f"/allocation/v1/officials/{person}/conflicts") for person in people])

    await until(without_interests)
    assert await refused(world.certified(round)) == "approvals_missing", "what had lapsed stays lapsed"
    await world.approved(round, decision)
    [release] = await world.releases_of(round, await world.certified(round))
    assert release["mass_g"] == UNIT_G
    await world.stocked_release("JP", 1)  # in inventory, too, somebody signs

    again = [
        (f"/allocation/v1/officials/{await world.subject('approver-1')}/conflicts", {"about": "product", "name": product, **WHY}),
        (f"{KEYS}/{min(keys)}/revoke", WHY),
        (f"{INSTRUMENTS}/{min(instruments)}/end", WHY),
    ]
    for path, body in again:
        assert await refused(world.post(world.admin, path, body)) == "bar_renewed_by_same_person"


async def of_both(world: World, *, release_days: int = 90) -> tuple[str, str, list[str], str]:
    """(product, round, the requests of JP and US, JP's agreement): what the round's decision gives each is approved."""
    product = await world.registered_product()
    await world.taken_in(product, 2)
    agreement, _ = [await world.agreed_with(partner, product) for partner in ("JP", "US")]
    requests = [await world.requested(partner, product, UNIT_G) for partner in ("JP", "US")]
    for request in requests:
        await world.accepted(request, UNIT_G)
    round = await world.opened(product, requests, release_days=release_days)

    async def approved() -> bool:
        try:
            await world.approved(round, await world.proposed(round, 2 * UNIT_G))
        except ProblemAnswer as problem:
            assert problem.code == "round_not_proposed", problem  # an agreement came to the book meanwhile
            return False
        return True

    await until(approved)
    return product, round, requests, agreement


async def test_whoever_makes_an_approved_decision_fall_throws_away_nothing_of_it_meanwhile(world: World) -> None:
    _, round, (_, request), agreement = await of_both(world)
    path, thief = f"/allocation/v1/rounds/{round}", world.operator
    await world.post(thief, f"/allocation/v1/agreements/{agreement}/suspend", WHY)

    async def fell() -> bool:
        return (await thief.get(path))["status"] == "open"

    await until(fell)
    declined = world.post(thief, f"/allocation/v1/requests/{request}/decline", {"reasons": ["no need"]})
    assert await refused(declined) == "decision_already_approved"
    assert await refused(world.accepted(request, UNIT_G // 2)) == "decision_already_approved"
    cancelled = await world.post(thief, f"{path}/cancel", WHY)
    assert cancelled["status"] == "proposed", "another signs it, though the thief has opened the round"
    await world.countersigned(f"agreements/{agreement}/resume", WHY, service="allocation")

    async def certified() -> bool:
        try:
            await world.approved(round, await world.proposed(round, 2 * UNIT_G))
            await world.certified(round)
        except ProblemAnswer as problem:
            assert problem.code in ("agreement_missing", "round_not_proposed", "approvals_missing"), problem
            return False
        return True

    await until(certified)


async def test_a_suspension_over_the_last_day_of_a_release_takes_it_from_nobody(world: World) -> None:
    product, round, _, agreement = await of_both(world, release_days=1)
    [release, _] = sorted(await world.releases_of(round, await world.certified(round)), key=lambda each: each["partner"])
    thief = world.operator
    await world.post(thief, f"/allocation/v1/agreements/{agreement}/suspend", WHY)

    async def stopped() -> bool:
        return (await thief.get(f"/inventory/v1/releases/{release['release']}"))["held_since"] is not None

    await until(stopped)
    assert await refused(world.drawn("JP", release["release"], UNIT_G)) == "on_hold"
    await world.days_pass(4)

    async def drawn() -> bool:
        try:
            return bool(await world.drawn("JP", release["release"], UNIT_G))
        except ProblemAnswer as problem:
            assert problem.code == "on_hold", problem
            return False

    await until(drawn)

    async def lapsed() -> bool:
        [of_us] = [row for row in await world.rows(thief, "/inventory/v1/releases", product=product) if row["partner"] == "US"]
        return bool(of_us["status"] == "lapsed")

    await until(lapsed)  # nobody had stopped it


async def test_what_two_have_lifted_nobody_holds_again_at_once(world: World) -> None:
    product = await world.registered_product()
    lot = await world.taken_in(product, 1)
    hold = await world.held("product", product)
    await world.lifted(hold)
    for scope, target in (("product", product), ("lot", lot)):
        assert await refused(world.held(scope, target)) == "hold_renewed_by_same_person"
