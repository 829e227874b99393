"""Consignees: goods go where the request or an approved change says, to nobody that a list in force has, and not before they were drawn."""

import secrets
from typing import Any

from reserve.client import ProblemAnswer
from tests.e2e.consigning import asked_for_consignee
from tests.e2e.world import UNIT_G, Answer, World
from tests.waiting import until

CHANGES = "/allocation/v1/consignee-changes"


def a_name() -> str:
    """One that no other test has on a list, and that is like no other."""
    return f"{secrets.token_hex(5).translate(str.maketrans('0123456789', 'ghijklmnop'))} Shipping"


async def drawn_for(world: World, consignee: str) -> tuple[str, str]:
    """(award, draw) of a request that names the consignee; its receipt is there, and it is weighed."""
    product = await world.registered_product()
    await world.taken_in(product, 1)
    await world.agreed_with("EU", product)
    request = await world.requested("EU", product, UNIT_G, consignee=consignee)
    await world.accepted(request, UNIT_G)
    [release] = await world.releases_of(*await world.decided(product, [request], UNIT_G))
    draw: str = (await world.drawn("EU", release["release"], UNIT_G))["draw"]
    await world.weighed(draw, UNIT_G)
    return release["award"], draw


async def refused(world: World, draw: str, consignee: str, **changed: Any) -> ProblemAnswer:
    """Why it is not dispatched there, once its receipt is known."""

    async def tried() -> ProblemAnswer | None:
        try:
            await world.post(
                world.operator, f"/inventory/v1/draws/{draw}/dispatch", {"carrier": "Linfox", "consignee": consignee} | changed
            )
        except ProblemAnswer as problem:
            return problem if problem.code != "receipt_missing" else None
        raise AssertionError(f"{draw} was dispatched to {consignee}")

    problem = await until(tried)
    assert problem is not None
    gates = (await world.operator.get(f"/inventory/v1/draws/{draw}/gates", consignee=consignee))["gates"]
    first = next(gate for gate in gates if not gate["is_open"])  # the query says the same as the refusal
    assert (first["code"], first["detail"], first["opens"]) == tuple(problem.document.get(each) for each in ("code", "detail", "accepted"))
    return problem


async def listed(world: World, name: str) -> str:
    """A list in force that has the name, under a list of its own, and heard of by inventory."""
    of = f"list-{secrets.token_hex(4)}"
    entry = {"entry": "E-1", "name": name, "aliases": [], "source": "an example", "listed_on": "2026-01-06"}
    body = {"list": of, "reason": "a test", "entries": [entry]}
    put = await world.countersigned("screening-list-imports", body, service="allocation")
    await world.operator.get("/inventory/v1/products", at_least=put.position)
    return of


async def known(world: World, answer: Answer) -> None:
    """Inventory has taken what allocation wrote."""
    await world.operator.get("/inventory/v1/products", at_least=answer.position)


async def test_any_text_is_no_consignee(world: World) -> None:
    name = a_name()
    _, draw = await drawn_for(world, name)
    problem = await refused(world, draw, "Front Company of the Embargoed")
    assert (problem.status, problem.code, problem.field) == (409, "consignee_not_of_request", "/consignee")
    assert all(each in problem.document["accepted"] for each in (name, CHANGES))
    gone = await world.dispatched(draw, name)
    met = {gate["gate"] for gate in gone["gates"]}
    assert met - {"witnessed_receipt"} == {"ledger_receipt", "consignee_named", "consignee_cleared"}  # that one is there or not yet


async def test_one_that_is_listed_after_the_award_gets_nothing_until_a_person_has_cleared_it(world: World) -> None:
    name = a_name()
    _, draw = await drawn_for(world, name)
    of = await listed(world, name)
    try:
        problem = await refused(world, draw, name)
        assert (problem.status, problem.code) == (409, "consignee_not_cleared")

        async def hit() -> Any:
            [row] = await world.rows(world.operator, "/allocation/v1/consignees", name=name)
            return row if row["hits"] else None

        row = await until(hit)
        assert not row["clear"] and row["hits"][0]["match"] == "exact"
        assert (await refused(world, draw, name)).code == "consignee_not_cleared"
        path = f"consignees/{row['consignee']}/hits/{row['hits'][0]['hit']}/clear"
        cleared = await world.countersigned(path, {"reason": "another company, by its register"}, service="allocation")
        assert cleared["followed"][0]["clear"]
        await known(world, cleared)
        await world.dispatched(draw, name)
    finally:
        await world.no_longer_listed(of)


async def test_another_consignee_is_asked_for_by_the_partner_and_approved_by_an_approver(world: World) -> None:
    award, draw = await drawn_for(world, a_name())
    other = a_name()
    asked = await asked_for_consignee(world, "EU", award, other)
    await known(world, asked)
    assert (await refused(world, draw, other)).code == "consignee_not_of_request"  # until it is approved
    approved = await world.post(world.clients["approver-1"], f"{CHANGES}/{asked['change']}/approve", {"reason": "known to us"})
    assert approved["status"] == "approved"
    await known(world, approved)
    gone = await world.dispatched(draw, other)
    assert [gate["by"] for gate in gone["gates"] if gate["gate"] == "consignee_named"] == [await world.subject("approver-1")]


async def test_a_change_to_a_listed_consignee_is_not_approved(world: World) -> None:
    award, _ = await drawn_for(world, a_name())
    other = a_name()
    of = await listed(world, other)
    try:
        change = (await asked_for_consignee(world, "EU", award, other))["change"]
        try:
            await world.post(world.clients["approver-1"], f"{CHANGES}/{change}/approve", {"reason": "known to us"})
        except ProblemAnswer as problem:
            assert (problem.status, problem.code) == (409, "consignee_not_cleared")
        else:
            raise AssertionError("it was approved")
    finally:
        await world.no_longer_listed(of)


async def test_goods_are_not_delivered_before_they_are_drawn(world: World) -> None:
    name = a_name()
    _, draw = await drawn_for(world, name)
    await world.dispatched(draw, name)
    said = {"delivered_on": world.in_days(-1), "received_by": "a warehouse", "evidence": "CMR 1"}
    try:
        await world.post(world.partner("EU"), f"/inventory/v1/draws/{draw}/delivery", said)
    except ProblemAnswer as problem:
        assert (problem.status, problem.code, problem.field) == (422, "delivered_before_drawn", "/delivered_on")
    else:
        raise AssertionError("it was taken")
    told = {"carrier": "Another Line", "reference": "seal 4711", "reason": "misspelt on the waybill"}
    await world.post(world.operator, f"/inventory/v1/draws/{draw}/correct", told)
    seen = await world.operator.get(f"/inventory/v1/draws/{draw}")
    assert (seen["carrier"], seen["reference"], seen["corrections"][0]["reason"]) == ("Another Line", "seal 4711", told["reason"])
