"""Allocation as it serves, beside the real inventory, on the real PostgreSQL and Kafka.

From a request to a released round, and every way back.
"""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.background.working_out import SMALL
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.decision import read_file
from services.allocation.domain.decisions.sealed import decision_hash, read_view
from services.inventory.domain.holds import LiftHold, PutOnHold
from services.inventory.domain.products import SetProtectedStock
from services.inventory.events import HoldId
from tests.contract.allocation_stage import POLICY, PRODUCT, TODAY, UNKNOWN, Reserve
from tests.contract.any_order import assert_no_order_matters
from tests.contract.policy_stage import an_active_policy
from tests.kernel.stage import until
from tests.stories.log import ORIGIN
from tests.stories.powers import may
from tests.stories.stockpile import UNIT_G


async def test_requests_become_awards_that_inventory_releases(reserve: Reserve):
    round = await reserve.certified_round(10, 30, supply=20)
    seen = await reserve.status(round, "released")
    assert sorted((award["partner"], award["mass_g"] // UNIT_G, award["days_of_cover"]) for award in seen["awards"]) == [
        ("JP", 5, "10.0"),
        ("US", 15, "30.0"),
    ]
    certificate = await reserve.get("auditor-1", f"/v1/rounds/{round}/certificate")
    assert certificate["decision"] == seen["decision"]
    assert certificate["certified_in"].startswith(reserve.allocation.kernel.service.name)
    assert [approval["subject"] for approval in certificate["approvals"]] == [reserve.subject("approver-1")]


async def test_a_partner_recomputes_its_own_award_and_sees_no_other(reserve: Reserve):
    round = await reserve.certified_round(10, 30, supply=21)
    view = read_view(msgspec.json.encode(await reserve.get("partner-jp", f"/v1/rounds/{round}/decision")))
    checked = recompute_own(view)
    assert checked.failed == ()
    assert checked.passed
    assert {line.content.claimant.partner for line in view.lines} == {"JP"}
    seen = await reserve.get("partner-jp", f"/v1/rounds/{round}")
    assert (len(seen["requests"]), {award["partner"] for award in seen["awards"]}, seen["supply_g"]) == (1, {"JP"}, None)
    await reserve.status(round, "released")


async def test_nothing_of_another_partner_is_found(reserve: Reserve):
    round = await reserve.certified_round(4, 4, supply=8)
    await reserve.status(round, "released")
    request, award = [
        next(row for row in (await reserve.get("partner-jp", f"/v1/{kind}?limit=200"))["data"] if row["round"] == round)
        for kind in ("requests", "awards")
    ]
    [agreement] = (await reserve.get("partner-jp", "/v1/agreements"))["data"]
    own = {
        "requests": request["request"],
        "awards": award["award"],
        "agreements": agreement["agreement"],
        "partners": "JP",
        "rounds": round,
    }
    for kind, name in own.items():
        missing = "AU" if kind == "partners" else f"{name.partition('_')[0]}_{UNKNOWN}"
        for hidden in (name, missing):
            answer = await reserve.clients["partner-eu"].get(f"/v1/{kind}/{hidden}")
            assert (answer.status_code, answer.json()["code"]) == (404, f"{kind[:-1]}_not_found")
        assert await reserve.get("partner-jp", f"/v1/{kind}/{name}")
    for path in ("decision", "certificate"):
        assert (await reserve.clients["partner-eu"].get(f"/v1/rounds/{round}/{path}")).status_code == 404
    for kind in ("requests", "awards"):
        assert {row["partner"] for row in (await reserve.get("partner-eu", f"/v1/{kind}?limit=200"))["data"]} <= {"EU"}
    withdrawal = f"/v1/requests/{request['request']}/withdraw"
    assert await reserve.refused("partner-eu", withdrawal, {"reason": "not mine"}) == (404, "request_not_found")


async def test_a_round_that_inventory_refuses_comes_back_open_and_can_be_decided_again(reserve: Reserve):
    hold = PutOnHold(
        hold=HoldId("hld_us"), scope="partner", target="US", reason="court order", authority="Minister", expires_on=None, on=TODAY
    )
    round = await reserve.a_round(3, 3)
    await reserve.propose(round, 4)
    await reserve.approve(round)
    await reserve.happen(hold)  # what is known of holds before the proposal, its supply heeds
    await reserve.certify(round)
    seen = await reserve.status(round, "open")
    assert (seen["decision"], seen["awards"], seen["reason"]) == (None, [], "refused by inventory: on_hold")
    withdrawn = [row for row in (await reserve.get("partner-us", "/v1/awards?limit=200"))["data"] if row["round"] == round]
    assert [row["status"] for row in withdrawn] == ["withdrawn"]
    await reserve.happen(LiftHold(hold=HoldId("hld_us"), reason="lifted", capacity=may("keeper", TODAY)))

    async def lifted() -> bool:
        return not await reserve.allocation.kernel.pool.fetchval("SELECT count(*) FROM stops")

    await until(lifted)
    await reserve.propose(round, 4)
    await reserve.approve(round)
    await reserve.certify(round)
    assert len((await reserve.status(round, "released"))["awards"]) == 2


async def test_a_decision_falls_when_terms_or_protected_stock_change(reserve: Reserve):
    round = await reserve.a_round(5, 5)
    await reserve.propose(round, 5)
    await reserve.approve(round)
    [agreement] = (await reserve.get("partner-jp", "/v1/agreements"))["data"]
    amendment = {key: agreement[key] for key in ("products", "priority_class", "valid_until")} | {"reason": "yearly review"}
    await reserve.by_two(f"/v1/agreements/{agreement['agreement']}/amend", amendment)
    assert (await reserve.status(round, "open"))["reason"] == f"lapsed: agreement {agreement['agreement']}"
    assert (await reserve.get("partner-us", f"/v1/rounds/{round}"))["reason"] is None  # what fell was Japan's
    await reserve.propose(round, 5)
    await reserve.happen(SetProtectedStock(mass_g=99 * UNIT_G, authority="Minister", reason="review", capacity=may("keeper", TODAY)))
    assert (await reserve.status(round, "open"))["reason"] == "lapsed: protected stock"
    await reserve.by_two(f"/v1/rounds/{round}/cancel", {"reason": "superseded"})  # somebody has approved a decision of it
    assert (await reserve.get("partner-us", f"/v1/rounds/{round}"))["reason"] == "superseded"


async def test_past_rounds_are_decided_again_under_another_version_of_a_policy(reserve: Reserve):
    round = await reserve.certified_round(10, 30, supply=20)
    await reserve.status(round, "released")
    await an_active_policy(reserve, "tried")
    await reserve.post("operator-1", "/v1/policies/tried/versions", {"terms": {"method": {"rule": "equal_awards"}}})
    answer = await reserve.clients["auditor-1"].post("/v1/policies/tried/versions/2/diff", json={"rounds": 20, "scenarios": []})
    assert answer.is_success, answer.text
    [case] = [case for case in answer.json()["cases"] if case["case"] == round]
    got = {line["partner"]: (line["before_g"] // UNIT_G, line["after_g"] // UNIT_G) for line in case["lines"]}
    assert got == {"JP": (5, 10), "US": (15, 10)}
    assert (case["before"]["unused_g"], case["after"]["days_least"]) == (0, "20.0")


async def test_a_decision_falls_when_another_version_of_its_policy_is_active(reserve: Reserve):
    await an_active_policy(reserve, "turning")
    round = await reserve.a_round(5, 5, policy="turning")
    await reserve.propose(round, 5)
    await reserve.approve(round)

    async def heard() -> bool:
        return "antimony-metal" in (await reserve.allocation.kernel.writer.state("policy/turning"))[0].products

    await until(heard)
    await an_active_policy(reserve, "turning", protected_g={PRODUCT: 400 * UNIT_G})
    assert (await reserve.status(round, "open"))["reason"] == "lapsed: policy turning"
    offer = {"supply_g": 5 * UNIT_G}
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/propose", offer) == (409, "policy_changed")
    await reserve.by_two(f"/v1/rounds/{round}/cancel", {"reason": "superseded"})  # somebody has approved a decision of it
    another = await reserve.a_round(5, policy="turning")
    assert (await reserve.get("operator-1", f"/v1/rounds/{another}"))["policy_version"] == 2
    assert await reserve.refused("operator-1", f"/v1/rounds/{another}/propose", offer) == (409, "supply_beyond_stock")
    await reserve.post("operator-1", f"/v1/rounds/{another}/cancel", {"reason": "superseded"})


async def test_an_approval_that_cannot_count_is_refused(reserve: Reserve):
    round = await reserve.a_round(5, 5)
    await reserve.propose(round, 5)
    path = f"/v1/rounds/{round}/approvals"
    signed = await reserve.approval(round)
    assert await reserve.refused("operator-1", path, signed) == (403, "forbidden")
    assert await reserve.refused("approver-1", path, signed | {"signature": "00" * 64}) == (422, "approval_signature_invalid")
    assert await reserve.refused("approver-1", path, signed | {"document": "ab" * 32}) == (409, "approval_of_another_document")
    assert await reserve.refused("approver-1", path, signed | {"approver": "someone"}) == (403, "approval_of_another_approver")
    stranger = Ed25519PrivateKey.generate()
    assert await reserve.refused("approver-1", path, await reserve.approval(round, key=stranger)) == (404, "approver_key_not_found")
    name = (await reserve.registrar.enrol(reserve.subject("approver-1"), stranger))["key"]
    await reserve.post("approver-1", path, await reserve.approval(round, key=stranger))
    assert await reserve.refused("approver-1", path, signed) == (409, "approval_duplicate")
    await reserve.post("admin-1", f"/v1/approver-keys/{name}/revoke", {"reason": "lost"})
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/certify") == (409, "approvals_missing")

    async def lapsed() -> bool:
        return not (await reserve.get("operator-1", f"/v1/rounds/{round}"))["approvals"]

    await until(lapsed)
    assert await reserve.refused("approver-1", path, await reserve.approval(round, key=stranger)) == (409, "approver_key_revoked")
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_an_approval_counts_only_as_what_it_was_signed_as(reserve: Reserve):
    round = await reserve.a_round(2, 2)
    await reserve.propose(round, 2)
    path, signed = f"/v1/rounds/{round}/approvals", await reserve.approval(round)
    in_a_drill = await reserve.approval(round, origin="reserve/ledger/a-drill")
    of_the_first_version = await reserve.approval(round, origin=None, authority=None)
    refusals = [
        (in_a_drill, 409, "approval_of_another_log"),
        (in_a_drill | {"origin": ORIGIN}, 422, "approval_signature_invalid"),
        (of_the_first_version, 422, "approval_of_first_version"),
        (of_the_first_version | {"origin": ORIGIN}, 422, "approval_without_instrument"),
        (of_the_first_version | {"origin": ORIGIN, "authority": signed["authority"]}, 422, "approval_signature_invalid"),
        (await reserve.approval(round, authority=None), 422, "approval_without_instrument"),
        (signed | {"purpose": "ratification"}, 409, "approval_of_another_document"),
    ]
    for sent, *refused in refusals:
        assert await reserve.refused("approver-1", path, sent) == tuple(refused), sent
    policy = reserve.signed(signed["document"], "policy")
    assert await reserve.refused("approver-1", path, policy) == (409, "approval_of_another_document")
    assert await reserve.refused("approver-1", path, policy | {"purpose": "decision"}) == (422, "approval_signature_invalid")
    await reserve.post("approver-1", path, signed)
    await reserve.certify(round)


async def test_a_proposal_posted_twice_is_one_decision(reserve: Reserve):
    round = await reserve.a_round(2, 2)
    path, key, body = f"/v1/rounds/{round}/propose", secrets.token_hex(8), {"supply_g": 2 * UNIT_G}
    first = await reserve.post("operator-1", path, body, key=key)
    await reserve.approve(round)
    await reserve.certify(round)
    assert await reserve.post("operator-1", path, body, key=key) == first
    await reserve.status(round, "released")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"product": "unobtainium"}, 404, "product_not_found"),
        ({"mass_g": 0}, 422, "invalid_request"),
        ({"mass_g": -5}, 422, "invalid_request"),
        ({"mass_g": 1.5}, 422, "invalid_request"),
        ({"mass_g": 5.0}, 422, "invalid_request"),
        ({"mass_g": True}, 422, "invalid_request"),
        ({"mass_g": 2**53}, 422, "invalid_request"),
        ({"mass_g": "NaN"}, 422, "invalid_request"),
        ({"minimum_g": 6 * UNIT_G}, 422, "request_minimum_invalid"),
        ({"daily_consumption_g": 0}, 422, "invalid_request"),
        ({"needed_by": str(TODAY - timedelta(days=1))}, 422, "date_in_past"),
        ({"needed_by": "9999-12-31"}, 422, "invalid_request"),
        ({"needed_by": 20}, 422, "invalid_request"),
        ({"nominee": "a\0b"}, 422, "nul_in_text"),
        ({"unheard": 1}, 422, "invalid_request"),
    ],
    ids=str,
)
async def test_bad_input_is_refused_with_its_code(reserve: Reserve, change: dict[str, Any], status: int, code: str):
    body = {
        "product": PRODUCT,
        "mass_g": 5 * UNIT_G,
        "daily_consumption_g": 1000,
        "needed_by": str(TODAY + timedelta(days=60)),
        "nominee": "Sojitz",
        "consignee": "Toyo Logistics",
        "end_user": "Kyushu Smelting",
        "end_use": "flame retardants",
    }
    assert await reserve.refused("partner-jp", "/v1/requests", body | change) == (status, code)


async def test_unknown_partners_products_and_requests_are_refused(reserve: Reserve):
    terms = {"product": PRODUCT, "yearly_quota_g": 1, "share": "1/4"}
    days = {"valid_from": str(TODAY), "valid_until": str(TODAY)}
    agreement = {"partner": "JP", "products": [terms], "priority_class": 0} | days
    for change, code in (
        ({"partner": "XX"}, "partner_not_found"),
        ({"products": [terms | {"product": "unobtainium"}]}, "product_not_found"),
    ):
        assert await reserve.refused("operator-1", "/v1/agreements", agreement | change) == (404, code)
    screening = {"accepted_g": 1, "reasons": ["as asked"]}
    assert await reserve.refused("operator-1", f"/v1/requests/req_{UNKNOWN}/accept", screening) == (404, "request_not_found")
    assert await reserve.refused("operator-1", f"/v1/rounds/rnd_{UNKNOWN}/certify") == (404, "round_not_found")
    opening = {"product": "unobtainium", "requests": [f"req_{UNKNOWN}"], "policy": POLICY}
    assert await reserve.refused("operator-1", "/v1/rounds", opening) == (404, "product_not_found")
    opening = {"product": PRODUCT, "requests": [f"req_{UNKNOWN}"], "policy": POLICY}
    assert await reserve.refused("operator-1", "/v1/rounds", opening | {"disruption": f"dis_{UNKNOWN}"}) == (404, "disruption_not_found")
    assert await reserve.refused("operator-1", "/v1/rounds", opening | {"policy": "none"}) == (409, "policy_not_active")
    assert await reserve.refused("operator-1", "/v1/rounds", opening | {"emergency": True}) == (409, "policy_without_emergency")


async def test_a_nominee_sees_its_own_lines_and_no_others(reserve: Reserve):
    requests = [await reserve.accepted_request("partner-jp", 4), await reserve.accepted_request("partner-jp", 6, nominee="JOGMEC")]
    round: str = (await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": requests, "policy": POLICY}))["round"]
    await reserve.propose(round, 5)
    assert (await reserve.clients["nominee-sojitz"].get(f"/v1/rounds/{round}/decision")).status_code == 404
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")
    for nominee, who, own, other in (("Sojitz", "nominee-sojitz", *requests), ("JOGMEC", "nominee-jogmec", *reversed(requests))):
        assert {row["nominee"] for row in (await reserve.get(who, "/v1/requests?limit=200"))["data"]} == {nominee}
        awards = (await reserve.get(who, "/v1/awards?limit=200"))["data"]
        assert own in {row["request"] for row in awards}
        assert other not in {row["request"] for row in awards}
        view = read_view(msgspec.json.encode(await reserve.get(who, f"/v1/rounds/{round}/decision")))
        assert [line.content.claimant.request for line in view.lines] == [own]
        assert recompute_own(view).failed == ()
        seen = await reserve.get(who, f"/v1/rounds/{round}")
        assert (seen["requests"], [award["request"] for award in seen["awards"]], seen["supply_g"]) == ([own], [own], None)
        assert await reserve.get(who, f"/v1/rounds/{round}/certificate")
        assert await reserve.get(who, f"/v1/requests/{own}")
        answer = await reserve.clients[who].get(f"/v1/requests/{other}")
        assert (answer.status_code, answer.json()["code"]) == (404, "request_not_found")
        [award] = [row["award"] for row in (await reserve.get("partner-jp", "/v1/awards?limit=200"))["data"] if row["request"] == other]
        assert (await reserve.clients[who].get(f"/v1/awards/{award}")).status_code == 404
        for path in ("partners", "agreements", "disruptions", "stock", "rounds"):
            assert (await reserve.clients[who].get(f"/v1/{path}")).status_code == 403
        assert await reserve.refused(who, f"/v1/requests/{own}/withdraw", {"reason": "not ours to say"}) == (403, "forbidden")
    both = {row["request"] for row in (await reserve.get("partner-jp", "/v1/requests?limit=200"))["data"]}
    assert set(requests) <= both


async def test_a_nominee_of_another_partner_sees_nothing(reserve: Reserve):
    request = await reserve.accepted_request("partner-us", 1)
    assert (await reserve.clients["nominee-sojitz"].get(f"/v1/requests/{request}")).status_code == 404


async def free_g(reserve: Reserve) -> int:
    return sum(row["free_g"] for row in await reserve.get("operator-1", "/v1/stock") if row["product"] == PRODUCT)


async def test_an_award_that_is_given_back_is_available_again_and_is_given_back_once(reserve: Reserve):
    round = await reserve.certified_round(4, 6, supply=10)
    await reserve.status(round, "released")
    await reserve.at_rest()
    before_g = await free_g(reserve)
    award = next(row["award"] for row in (await reserve.get("partner-jp", "/v1/awards?limit=200"))["data"] if row["round"] == round)
    path = f"/v1/awards/{award}/renounce"
    assert await reserve.refused("partner-us", path, {"reason": "not mine"}) == (404, "award_not_found")
    renounced = await reserve.post("partner-jp", path, {"reason": "met elsewhere"})
    assert renounced["status"] == "renounced"
    assert await reserve.refused("partner-jp", path, {"reason": "again"}) == (409, "award_already_renounced")

    async def back() -> bool:
        return await free_g(reserve) == before_g + 4 * UNIT_G

    await until(back)


async def test_a_superseded_decision_gives_back_what_is_left_and_stays_provable(reserve: Reserve):
    old = await reserve.certified_round(5, 5, supply=8)
    await reserve.status(old, "released")
    await reserve.at_rest()
    before_g = await free_g(reserve)
    new = await reserve.a_round(5, 5)
    path = f"/v1/rounds/{old}/supersede"
    because = {"by_round": new, "reason": "a review found an error"}
    assert await reserve.refused("operator-1", path, because | {"by_round": old}) == (409, "round_decides_nothing_again")
    conflicts = f"/v1/officials/{reserve.subject('operator-1')}/conflicts"
    conflict = {"about": "partner", "name": "US", "reason": "holds shares"}
    await reserve.post("admin-1", conflicts, conflict)
    assert await reserve.refused("operator-1", path, because) == (403, "conflict_of_interest")
    await reserve.withdraw_conflict("operator-1", conflict)
    gone = await reserve.a_round(1)
    waits, stale = [await reserve.post("operator-1", path, because | {"by_round": each}) for each in (new, gone)]
    assert not (await reserve.get("auditor-1", f"/v1/rounds/{old}"))["superseded_by"]  # by one person
    await reserve.post("operator-1", f"/v1/rounds/{gone}/cancel", {"reason": "not needed"})
    signed = reserve.signed(stale["document"], "command")
    refused = await reserve.refused("approver-1", f"/v1/proposals/{stale['proposal']}/approvals", signed)
    assert refused == (409, "round_decides_nothing_again")
    assert (await reserve.sign(waits))["followed"][0]["by_round"] == new
    assert await reserve.refused("operator-1", path, because) == (409, "decision_already_superseded")

    async def back() -> bool:
        return await free_g(reserve) == before_g + 8 * UNIT_G

    async def proposed() -> bool:
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        answer = await reserve.clients["operator-1"].post(f"/v1/rounds/{new}/propose", json={"supply_g": 8 * UNIT_G}, headers=headers)
        assert answer.is_success or answer.json()["code"] == "decision_being_taken_back", answer.text
        return answer.is_success

    await until(proposed)
    await until(back)
    await reserve.approve(new)
    await reserve.certify(new)
    await reserve.status(new, "released")
    given_g = [
        {(award["partner"], award["mass_g"]) for award in (await reserve.get("auditor-1", f"/v1/rounds/{round}"))["awards"]}
        for round in (old, new)
    ]
    assert given_g[0] == given_g[1]  # what was carried, and used of quota, is as it was before the first
    for round in (old, new):
        certificate = await reserve.get("auditor-1", f"/v1/rounds/{round}/certificate")
        file = read_file(msgspec.json.encode(await reserve.get("auditor-1", f"/v1/rounds/{round}/decision")))
        assert (recompute(file), decision_hash(file)) == ([], certificate["decision"])
    assert (await reserve.get("auditor-1", f"/v1/rounds/{old}"))["superseded_by"] == new
    awards = [award for award in (await reserve.get("auditor-1", "/v1/awards?limit=200"))["data"] if award["round"] == old]
    assert {award["superseded_by"] for award in awards} == {new}
    assert (await reserve.get("partner-jp", f"/v1/awards/{next(each['award'] for each in awards if each['partner'] == 'JP')}"))[
        "superseded_by"
    ]


async def test_a_large_round_is_worked_out_elsewhere_and_decides_the_same(reserve: Reserve):
    requests: list[str] = []
    while len(requests) <= SMALL:  # a few at a time: on a slow machine the last of all at once would wait longer than a client does
        requests += await asyncio.gather(*(reserve.accepted_request("partner-us", 1) for _ in range(min(10, SMALL + 1 - len(requests)))))
    round = (await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": requests, "policy": POLICY}))["round"]
    proposed = await reserve.propose(round, 50)
    file = read_file(msgspec.json.encode(await reserve.get("auditor-1", f"/v1/rounds/{round}/decision")))
    assert (recompute(file), decision_hash(file), len(file.lines)) == ([], proposed["decision"], SMALL + 1)
    assert sum(line["award_g"] for line in proposed["awards"]) == 50 * UNIT_G
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_what_rounding_gave_is_remembered_until_the_agreement_ends_and_not_for_the_partner(reserve: Reserve):
    requests = [await reserve.accepted_request("partner-eu", 1), await reserve.accepted_request("partner-jp", 2)]
    opening = {"product": PRODUCT, "requests": requests, "policy": POLICY}
    round: str = (await reserve.post("operator-1", "/v1/rounds", opening))["round"]
    await reserve.propose(round, 1)
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")
    [agreement] = (await reserve.get("partner-eu", "/v1/agreements"))["data"]

    async def carries() -> Any:
        return [row for row in (await reserve.get("operator-1", "/v1/carries?limit=200"))["data"] if row["partner"] == "EU"]

    answer = await reserve.clients["partner-eu"].get("/v1/carries")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    [carry] = await carries()
    assert (carry["product"], carry["agreement"], carry["partner"], carry["cause"]) == (PRODUCT, agreement["agreement"], "EU", round)
    assert carry["carry_g"] in ("5000000/3", "-10000000/3")  # it was due a third of a unit
    assert carry["expires_on"] == agreement["valid_until"]
    shorter = str(TODAY + timedelta(days=30))
    amendment = {key: agreement[key] for key in ("products", "priority_class")} | {"valid_until": shorter, "reason": "review"}
    path = f"/v1/agreements/{agreement['agreement']}"
    await reserve.by_two(f"{path}/amend", amendment)

    async def follows() -> bool:
        return [row["expires_on"] for row in await carries()] == [shorter]

    await until(follows)
    await reserve.by_two(f"{path}/end", {"reason": "not renewed"})

    async def forgotten() -> bool:
        return bool(await carries() == [])

    await until(forgotten)


async def test_whichever_shard_is_read_first_the_tables_are_the_same(reserve: Reserve):
    await assert_no_order_matters(reserve.stage, reserve.inventory, reserve.allocation)
