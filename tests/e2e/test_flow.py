"""The life of a request, with every way back, on real PostgreSQL and Kafka and through the edge."""

from typing import Any

import msgspec
import pytest

from reserve.client import ProblemAnswer
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.contradictions import contradictions
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.sealed import decision_hash, read_view
from services.ledger.receipt import verify_receipt
from shared.proofs.signed_note import VerifierKey, parse_verifier_key
from tests.e2e.world import DISPATCH, UNIT_G, World
from tests.waiting import until


def pinned_key(world: World) -> VerifierKey:
    """As the deployment gave it out, not as the ledger says now."""
    return parse_verifier_key((world.running.folder / "keys" / "ledger.vkey").read_text().strip())


async def test_a_request_becomes_a_dispatch_that_the_ledger_proves(world: World) -> None:
    product = await world.registered_product()
    await world.taken_in(product, 4)
    await world.agreed_with("JP", product)
    await world.agreed_with("US", product)

    asked = [await world.requested("JP", product, 4 * UNIT_G), await world.requested("US", product, 2 * UNIT_G)]
    await world.accepted(asked[0], 3 * UNIT_G)
    await world.accepted(asked[1], UNIT_G)
    round = await world.opened(product, asked)
    decision = await world.proposed(round, 4 * UNIT_G)

    file = (await world.operator.request("GET", f"/allocation/v1/rounds/{round}/decision")).content
    assert decision_hash(read_file(file)) == decision
    assert (recompute(read_file(file)), contradictions(read_file(file))) == ([], [])

    await world.approved(round, decision, "approver-2")
    certified = await world.certified(round)
    assert {award["partner"]: award["mass_g"] for award in certified["awards"]} == {"JP": 3 * UNIT_G, "US": UNIT_G}

    own = read_view((await world.partner("JP").request("GET", f"/allocation/v1/rounds/{round}/decision")).content)
    checked = recompute_own(own)
    assert checked.failed == ()
    assert f"lines/{asked[0]}/bounds" in checked.passed
    assert {line.content.claimant.partner for line in own.lines} == {"JP"}
    certificate = await world.partner("JP").get(f"/allocation/v1/rounds/{round}/certificate")
    assert certificate["certified_in"] == certified["certified_in"]
    assert [approval["subject"] for approval in certificate["approvals"]] == [await world.subject("approver-2")]

    releases = {row["partner"]: row for row in await world.releases_of(round, certified)}
    assert {row["decision"] for row in releases.values()} == {decision}
    drawn = await world.drawn("JP", releases["JP"]["release"], 2 * UNIT_G)
    assert (drawn["mass_g"], drawn["remaining_g"]) == (2 * UNIT_G, UNIT_G)

    receipt = verify_receipt(await world.receipt(world.partner("JP"), drawn["place"]), [pinned_key(world)])
    assert receipt.opening.place == drawn["place"]
    assert receipt.opening.event is not None
    assert msgspec.json.decode(receipt.opening.event)["data"]["draw"] == drawn["draw"]

    weighed = await world.weighed(drawn["draw"], 2 * UNIT_G - 1_500)
    assert weighed["difference_g"] == -1_500
    dispatched = await world.dispatched(drawn["draw"])
    met = {gate["gate"] for gate in dispatched["gates"]}
    assert met - {"witnessed_receipt"} == {"ledger_receipt", "consignee_named", "consignee_cleared"}  # that one is there or not yet

    books = await world.balances(product, at_least=dispatched.position)
    assert books["title/reserve/available"] == 2 * UNIT_G
    assert books["custody/depot/Kwinana"] == 2 * UNIT_G
    assert books["custody/carrier/Linfox"] == books["title/partner/JP"] == 2 * UNIT_G - 1_500
    for side in ("title", "custody"):
        assert sum(grams for account, grams in books.items() if account.startswith(side)) == 0
    stock = (await world.operator.get(f"/inventory/v1/products/{product}"))["balances"]
    assert (stock["available_g"], stock["released_g"], stock["drawn_g"], stock["dispatched_g"]) == (0, 2 * UNIT_G, 0, 2 * UNIT_G)


async def test_goods_leave_neither_unweighed_nor_without_the_ledgers_receipt(world: World) -> None:
    _, _, release = await world.stocked_release("EU", 1)
    with world.stopped("ledger"):
        drawn = await world.drawn("EU", release, UNIT_G)
        path = f"/inventory/v1/draws/{drawn['draw']}/dispatch"
        await world.weighed(drawn["draw"], UNIT_G)
        before = await world.auditor.get("/inventory/v1/journal/heads")
        assert await refusal(world.post(world.operator, path, DISPATCH)) == "receipt_missing"
        assert await world.auditor.get("/inventory/v1/journal/heads") == before
    await world.dispatched(drawn["draw"])

    _, _, release = await world.stocked_release("EU", 1)
    drawn = await world.drawn("EU", release, UNIT_G)
    await world.receipt(world.operator, drawn["place"])

    async def why_not() -> bool:
        return await refusal(world.post(world.operator, f"/inventory/v1/draws/{drawn['draw']}/dispatch", DISPATCH)) == "not_weighed"

    await until(why_not)


async def test_what_is_drawn_and_not_taken_away_is_stock_again(world: World) -> None:
    product, _, release = await world.stocked_release("US", 2)
    drawn = await world.drawn("US", release, UNIT_G)
    assert (await world.balances(product, at_least=drawn.position))["title/partner/US"] == UNIT_G
    back = await world.countersigned(f"draws/{drawn['draw']}/return", {"reason": "vessel cancelled"})
    assert (await world.operator.get(f"/inventory/v1/draws/{drawn['draw']}", at_least=back.position))["status"] == "returned"
    books = await world.balances(product, at_least=back.position)
    assert "title/partner/US" not in books
    assert books["title/reserve/available"] == 2 * UNIT_G
    assert (await world.operator.get(f"/inventory/v1/releases/{release}"))["remaining_g"] == UNIT_G


async def test_a_cancelled_release_is_available_to_others(world: World) -> None:
    product, _, release = await world.stocked_release("US", 2)
    cancelled = await world.countersigned(f"releases/{release}/cancel", {"reason": "the nominee withdrew"})
    await world.operator.get("/allocation/v1/stock", at_least=cancelled.position)
    assert await world.released_to("JP", product, 2 * UNIT_G)


async def test_a_round_that_inventory_refuses_comes_back_and_can_be_decided_again(world: World) -> None:
    product = await world.registered_product()
    await world.taken_in(product, 2)
    await world.agreed_with("JP", product)
    request = await world.requested("JP", product, 2 * UNIT_G)
    await world.accepted(request, 2 * UNIT_G)
    round = await world.opened(product, [request])
    await world.approved(round, await world.proposed(round, 2 * UNIT_G))
    hold = await world.held("product", product)
    refused = await world.certified(round)

    async def reopened() -> Any:
        found = await world.operator.get(f"/allocation/v1/rounds/{round}")
        return found if found["status"] == "open" else None

    found = await until(reopened)
    assert "on_hold" in found["reason"]
    assert (found["awards"], found["requests"]) == ([], [request])
    assert await world.releases_of(round, refused) == []

    await world.lifted(hold)
    decision = await world.proposed(round, 2 * UNIT_G)
    await world.approved(round, decision)
    [release] = await world.releases_of(round, await world.certified(round))
    assert release["mass_g"] == 2 * UNIT_G


async def test_a_right_is_assigned_where_there_are_no_goods(world: World) -> None:
    product = await world.registered_product()
    right = await world.right_to(product, 3 * UNIT_G)
    release = await world.released_to("AU", product, 2 * UNIT_G)
    drawn = await world.drawn("AU", release, 2 * UNIT_G, assign_rights=True)
    assert (drawn["mass_g"], drawn["assigned_g"], drawn["parcels"]) == (0, 2 * UNIT_G, [])
    assert [each["right"] for each in drawn["assignments"]] == [right]
    books = await world.balances(product, at_least=drawn.position)
    assert books["title/partner/AU/rights"] == 2 * UNIT_G
    assert books[f"title/right/{right}"] == UNIT_G
    assert not [account for account in books if account.startswith("custody")]


async def test_what_is_not_drawn_in_time_goes_back_by_itself(world: World) -> None:
    product, _, release = await world.stocked_release("EU", 2, release_days=5)
    drawn = await world.drawn("EU", release, UNIT_G)
    before = world.in_days(0)
    await world.days_pass(6)

    async def lapsed() -> bool:
        return bool((await world.operator.get(f"/inventory/v1/releases/{release}"))["status"] == "lapsed")

    await until(lapsed)
    assert await refusal(world.drawn("EU", release, UNIT_G)) == "release_lapsed"
    stock = (await world.operator.get(f"/inventory/v1/products/{product}"))["balances"]
    assert (stock["available_g"], stock["released_g"], stock["drawn_g"]) == (UNIT_G, 0, UNIT_G)

    late = await world.countersigned(f"draws/{drawn['draw']}/return", {"reason": "never collected"})
    now = await world.balances(product, at_least=late.position)
    assert now["title/reserve/available"] == 2 * UNIT_G
    then = await world.balances(product, as_of=before)
    assert (then["title/reserve/available"], then["title/partner/EU"]) == (UNIT_G, UNIT_G)
    assert await world.balances(product, as_known_on=before) == then
    day_before = (world.today.fromisoformat(before)).replace(year=world.today.year - 1).isoformat()
    assert await world.balances(product, as_of=before, as_known_on=day_before) == {}


async def test_an_open_request_ends_with_its_day(world: World) -> None:
    product = await world.registered_product()
    await world.agreed_with("JP", product)
    request = await world.requested("JP", product, UNIT_G, needed_by=world.in_days(1))
    await world.days_pass(2)

    async def expired() -> bool:
        return bool((await world.partner("JP").get(f"/allocation/v1/requests/{request}"))["status"] == "expired")

    await until(expired)


async def test_a_partner_on_hold_is_told_and_until_when_and_nothing_of_anothers(world: World) -> None:
    product, _, release = await world.stocked_release("US", 2)
    until_day = world.in_days(20)
    hold = await world.held("partner", "US", expires_on=until_day)
    others = await world.held("partner", "EU")
    everything = await world.held("product", product)
    try:
        with pytest.raises(ProblemAnswer) as raised:
            await world.drawn("US", release, UNIT_G)
        assert raised.value.code == "on_hold"
        assert "until it is lifted" in raised.value.document["detail"]
        rows = await world.rows(world.partner("US"), "/inventory/v1/holds", product=product, active="true")
        seen = {row["hold"]: row for row in rows}
        assert seen.keys() == {hold, everything}
        assert (seen[hold]["expires_on"], seen[hold]["reason"]) == (until_day, "under inquiry")
        assert (seen[everything]["reason"], seen[everything]["authority"]) == (None, None)
        assert others not in {row["hold"] for row in await world.rows(world.partner("US"), "/inventory/v1/holds")}
    finally:
        for each in (hold, others, everything):
            await world.countersigned(f"holds/{each}/lift", {"reason": "cleared"})
    await world.drawn("US", release, UNIT_G)


async def test_a_hold_on_a_depot_is_proposed_to_be_lifted_once_and_lifted_from_every_product_by_one_signature(world: World) -> None:
    products = [await world.registered_product() for _ in range(2)]
    await world.taken_in(products[0], 1, depot="Kwinana")
    hold = await world.held("depot", "Kwinana")
    proposed = await world.post(world.operator, f"/inventory/v1/holds/{hold}/lift", {"reason": "cleared"})
    rows = await world.rows(world.operator, "/inventory/v1/proposals", status="proposed")
    [listed] = [row for row in rows if row["proposal"] == proposed["proposal"]]
    assert listed["streams"] == proposed["streams"] and {f"stockpile/{product}" for product in products} <= {*listed["streams"]}
    signed = await world.approval(proposed["document"], purpose="command")
    await world.post(world.clients["approver-1"], f"/inventory/v1/proposals/{proposed['proposal']}/approvals", signed)
    active = await world.rows(world.operator, "/inventory/v1/holds", active="true")
    assert hold not in {row["hold"] for row in active}


async def refusal(call: Any) -> str:
    """The code of the problem that a call is answered with."""
    with pytest.raises(ProblemAnswer) as raised:
        await call
    return raised.value.code
