"""Authority over HTTP: who has a power approves, who has none or an interest does not, and an emergency is ratified by another."""

import asyncio
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.contract.allocation_stage import POLICY, PRODUCT, UNKNOWN, Reserve
from tests.contract.policy_stage import an_active_policy
from tests.kernel.stage import until
from tests.stories.stockpile import UNIT_G

SECOND = Ed25519PrivateKey.generate()
OWN: dict[str, Any] = {}  # what the second approver holds


def instrument(reserve: Reserve, **changes: Any) -> dict[str, Any]:
    body = {
        "kind": "act",
        "title": "Reserve Act",
        "office": "Minister",
        "holder": "office:minister",
        "acts": ["approve_decision", "emergency_release", "ratify"],
        "products": [PRODUCT],
        "limit_g": 1000 * UNIT_G,
        "valid_from": "2025-01-01",
        "valid_until": "2099-12-31",
        "may_sub_delegate": True,
    }
    return body | changes


async def delegated(reserve: Reserve, **changes: Any) -> Any:
    """To the second approver, under an act of its own."""
    act = await reserve.register(instrument(reserve))
    told = {"kind": "delegation", "under": act["instrument"], "holder": reserve.subject("approver-2"), "may_sub_delegate": False}
    return await reserve.register(instrument(reserve, **(told | changes)))


async def signature(reserve: Reserve, round: str, purpose: str = "decision", **changed: Any) -> Any:
    """Of the second approver, with a key of their own."""
    if not OWN:
        OWN["key"] = await reserve.registrar.enrol(reserve.subject("approver-2"), SECOND)
    decision = (await reserve.get("operator-1", f"/v1/rounds/{round}"))["decision"]
    return reserve.signed(decision, purpose, "approver-2", **changed)


async def a_proposal(reserve: Reserve, units: int = 4) -> str:
    round = await reserve.a_round(units, units)
    await reserve.propose(round, units)
    return round


async def test_an_instrument_that_is_wider_than_what_it_stands_under_is_refused(reserve: Reserve):
    act = await reserve.register(instrument(reserve))
    under = {"kind": "delegation", "under": act["instrument"], "holder": "office:secretary"}
    for change, code in (
        ({"products": []}, "instrument_wider_than_parent"),
        ({"limit_g": 1001 * UNIT_G}, "instrument_wider_than_parent"),
        ({"acts": ["write_off"]}, "instrument_wider_than_parent"),
        ({"valid_until": "2024-12-31"}, "instrument_dates_reversed"),
        ({"limit_minor": 5}, "instrument_limit_invalid"),
        ({"kind": "act"}, "instrument_root_invalid"),
        ({"acts": ["levy_taxes"]}, "invalid_request"),
    ):
        assert await reserve.refused("admin-1", "/v1/instruments", instrument(reserve, **under) | change) == (422, code)
    assert await reserve.refused("operator-1", "/v1/instruments", instrument(reserve, **under)) == (403, "forbidden")
    last = await reserve.register(instrument(reserve, **under))
    seen = await reserve.get("auditor-1", f"/v1/instruments/{last['instrument']}")
    assert [each["instrument"] for each in seen["above"]] == [act["instrument"]]
    await reserve.post("admin-1", f"/v1/instruments/{act['instrument']}/end", {"reason": "repealed"})
    assert await reserve.refused("admin-1", "/v1/instruments", instrument(reserve, **under)) == (409, "instrument_ended")


async def test_only_who_has_the_power_for_it_approves_a_decision(reserve: Reserve):
    round = await a_proposal(reserve)
    path = f"/v1/rounds/{round}/approvals"
    others = reserve.registrar.instruments[reserve.subject("approver-1")]
    unknown = await signature(reserve, round, authority=f"ins_{UNKNOWN}")
    assert await reserve.refused("approver-2", path, unknown) == (403, "authority_missing")
    assert await reserve.refused("approver-2", path, await signature(reserve, round, authority=others)) == (403, "authority_of_another")
    await delegated(reserve, limit_g=UNIT_G)
    too_small = await signature(reserve, round)
    assert await reserve.refused("approver-2", path, too_small) == (403, "authority_over_limit")
    enough = await delegated(reserve)
    assert await reserve.refused("approver-2", path, too_small) == (403, "authority_over_limit")
    relabelled = too_small | {"authority": enough["instrument"]}
    assert await reserve.refused("approver-2", path, relabelled) == (422, "approval_signature_invalid")
    approved = await reserve.post("approver-2", path, await signature(reserve, round))
    assert approved["authority"] == enough["instrument"]

    await reserve.post("admin-1", f"/v1/instruments/{enough['instrument']}/end", {"reason": "another office"})
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/certify") == (409, "approvals_missing")

    async def lapsed() -> bool:
        return not (await reserve.get("operator-1", f"/v1/rounds/{round}"))["approvals"]

    await until(lapsed)
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_what_is_split_over_rounds_is_within_one_limit_and_needs_the_approvals_of_all_of_it(reserve: Reserve):
    steps = [{"above_g": 0, "approvals": 1}, {"above_g": 2 * UNIT_G, "approvals": 2}]
    await an_active_policy(reserve, "by-the-sum", quorum=steps)
    first = await a_proposal(reserve, 2)
    own = await delegated(reserve, limit_g=3 * UNIT_G)
    assert own["window_days"] == 30
    await reserve.post("approver-2", f"/v1/rounds/{first}/approvals", await signature(reserve, first))
    second = await reserve.a_round(2, 2, policy="by-the-sum")
    await reserve.propose(second, 2)
    shown = await reserve.get("operator-1", f"/v1/rounds/{second}")
    assert shown["approvals_needed"] == 2 and shown["summed_g"] >= 4 * UNIT_G, "2 units by themselves need one"
    path, signed = f"/v1/rounds/{second}/approvals", await signature(reserve, second)
    assert await reserve.refused("approver-2", path, signed) == (403, "authority_over_limit")
    await reserve.by_two(f"/v1/rounds/{first}/cancel", {"reason": "as one is enough"})  # it has been approved
    await reserve.post("approver-2", path, signed)
    certify = f"/v1/rounds/{second}/certify"
    assert await reserve.refused("operator-1", certify) == (409, "approvals_missing")
    await reserve.approve(second)
    await reserve.certify(second)
    await reserve.status(second, "released")


async def test_a_key_that_two_people_enrol_at_once_is_one_persons(reserve: Reserve):
    key = Ed25519PrivateKey.generate()
    bodies = [reserve.registrar.enrolment(f"sub_{number}", key) for number in range(8)]
    answers = await asyncio.gather(
        *(reserve.clients["admin-1"].post("/v1/approver-keys", json=each, headers={"Idempotency-Key": each["subject"]}) for each in bodies)
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]


async def test_an_acting_officer_approves_on_the_named_days(reserve: Reserve):
    round = await a_proposal(reserve)
    path = f"/v1/rounds/{round}/approvals"
    held = await reserve.register(instrument(reserve, holder="office:secretary"))
    acting = {"officer": reserve.subject("approver-2"), "valid_from": "2026-01-01", "valid_until": "2099-12-31"}
    await reserve.registrar.name_acting(held["instrument"], "office:secretary", acting)
    signed = await signature(reserve, round, authority=held["instrument"])
    assert (await reserve.post("approver-2", path, signed))["authority"] == held["instrument"]
    await reserve.post("operator-1", f"/v1/rounds/{round}/cancel", {"reason": "tried"})
    await reserve.post("admin-1", f"/v1/instruments/{held['instrument']}/end", {"reason": "tried"})


async def test_a_declared_conflict_bars_until_somebody_else_withdraws_it(reserve: Reserve):
    round = await a_proposal(reserve)
    who = reserve.subject("approver-1")
    conflicts, conflict = f"/v1/officials/{who}/conflicts", {"about": "company", "name": "sojitz", "reason": "holds shares"}
    await reserve.post("approver-1", conflicts, conflict)
    assert await reserve.refused("approver-1", conflicts, conflict) == (409, "conflict_already_declared")
    approvals = f"/v1/rounds/{round}/approvals"
    assert await reserve.refused("approver-1", approvals, await reserve.approval(round)) == (403, "conflict_of_interest")
    assert await reserve.refused("approver-1", f"{conflicts}/withdraw", conflict) == (403, "forbidden")
    assert await reserve.refused("operator-1", conflicts, conflict) == (403, "forbidden")
    assert (await reserve.clients["operator-1"].get(conflicts)).status_code == 403
    assert len((await reserve.get("auditor-1", conflicts))["data"]) == 1
    await reserve.withdraw_conflict("approver-1", conflict | {"reason": "sold"})
    for company in ("Toyo Logistics", "kyushu smelting"):  # consignee, end user
        await reserve.post("approver-1", conflicts, conflict | {"name": company})
        assert await reserve.refused("approver-1", approvals, await reserve.approval(round)) == (403, "conflict_of_interest")
        await reserve.withdraw_conflict("approver-1", conflict | {"name": company, "reason": "sold"})
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_a_conflict_with_what_nobody_knows_is_refused_since_it_would_bar_from_nothing(reserve: Reserve):
    conflicts = f"/v1/officials/{reserve.subject('approver-2')}/conflicts"
    for about, name, code in (
        ("partner", "Japan", "partner_not_found"),
        ("product", "antimony", "product_not_found"),
        ("round", "the last one", "round_not_found"),
    ):
        misspelt = {"about": about, "name": name, "reason": "holds shares"}
        assert await reserve.refused("approver-2", conflicts, misspelt) == (404, code)
    await reserve.post("approver-2", conflicts, {"about": "partner", "name": "eu", "reason": "holds shares"})
    await reserve.withdraw_conflict("approver-2", {"about": "partner", "name": "EU", "reason": "sold"})


async def test_what_an_administrator_takes_from_another_counts_for_72_hours_and_for_good_once_it_is_confirmed(reserve: Reserve):
    second, third = reserve.subject("approver-2"), Ed25519PrivateKey.generate()
    key = (await reserve.registrar.enrol(second, third))["key"]
    path, why = f"/v1/approver-keys/{key}", {"reason": "lost"}
    confirm = f"{path}/revocation/confirm"
    assert await reserve.refused("approver-1", f"{path}/revoke", why) == (403, "forbidden")
    assert await reserve.refused("approver-1", confirm) == (409, "approver_key_not_revoked")
    await reserve.post("admin-1", f"{path}/revoke", why)

    async def shown(path: str, **member: str) -> Any:
        [row] = [row for row in (await reserve.get("auditor-1", path))["data"] if member.items() <= row.items()]
        return row

    revoked = await shown("/v1/approver-keys", key=key)
    assert (revoked["revoked_by"], revoked["revocation_lapses_at"] is None) == (reserve.subject("admin-1"), False)
    assert await reserve.refused("admin-1", confirm) == (403, "forbidden")
    await reserve.post("approver-2", confirm)
    confirmed = await shown("/v1/approver-keys", key=key)
    assert (confirmed["revocation_confirmed_by"], confirmed["revocation_lapses_at"]) == (second, None)
    assert await reserve.refused("approver-1", confirm) == (409, "bar_stands_already")
    assert await reserve.refused("approver-1", confirm.replace(key, "0" * 16)) == (404, "approver_key_not_found")

    conflicts, interest = f"/v1/officials/{second}/conflicts", {"about": "company", "name": "A Company"}
    await reserve.post("admin-1", conflicts, interest | {"reason": "shares"})
    assert (await shown(conflicts, name="A Company"))["lapses_at"] is not None
    assert await reserve.refused("operator-1", f"{conflicts}/confirm", interest) == (403, "forbidden")
    await reserve.post("approver-1", f"{conflicts}/confirm", interest)
    seen = await shown(conflicts, name="A Company")
    assert (seen["declared_by"], seen["confirmed_by"]) == (reserve.subject("admin-1"), reserve.subject("approver-1"))
    assert seen["lapses_at"] is None
    await reserve.withdraw_conflict("approver-2", interest | {"reason": "sold"})
    assert await reserve.refused("approver-1", f"{conflicts}/confirm", interest) == (404, "conflict_not_found")

    held = (await reserve.register(instrument(reserve)))["instrument"]
    ended = await reserve.post("admin-1", f"/v1/instruments/{held}/end", {"reason": "repealed"})
    assert (await reserve.get("auditor-1", f"/v1/instruments/{held}"))["end_lapses_at"] == ended["lapses_at"]
    await reserve.post("approver-1", f"/v1/instruments/{held}/end/confirm")
    shown_end = await reserve.get("auditor-1", f"/v1/instruments/{held}")
    assert (shown_end["end_lapses_at"], shown_end["end_confirmed_by"]) == (None, reserve.subject("approver-1"))


async def test_an_approver_revokes_their_own_key_for_good(reserve: Reserve):
    key = (await reserve.registrar.enrol(reserve.subject("approver-2"), Ed25519PrivateKey.generate()))["key"]
    await reserve.post("approver-2", f"/v1/approver-keys/{key}/revoke", {"reason": "a lost telephone"})
    [revoked] = [row for row in (await reserve.get("auditor-1", "/v1/approver-keys"))["data"] if row["key"] == key]
    assert (revoked["revoked_by"], revoked["revocation_lapses_at"]) == (reserve.subject("approver-2"), None)


async def test_an_emergency_is_certified_on_one_approval_and_ratified_by_another_person(reserve: Reserve):
    emergency = {"ratify_within_hours": 48, "max_g": 100 * UNIT_G}
    await an_active_policy(reserve, "urgent", quorum=[{"above_g": 0, "approvals": 2}], emergency=emergency)
    requests = [await reserve.accepted_request("partner-jp", 2)]
    opening = {"product": PRODUCT, "requests": requests, "policy": "urgent", "emergency": True}
    round = (await reserve.post("operator-1", "/v1/rounds", opening))["round"]
    await reserve.propose(round, 2)
    await reserve.approve(round)
    await reserve.certify(round)
    seen = await reserve.status(round, "released")
    assert (seen["ratification"], seen["ratify_by"] is not None) == ("due", True)
    report = await reserve.get("auditor-1", f"/v1/rounds/{round}/report")
    assert (seen["approvals_needed"], report["decided_by"]["approvals_needed"]) == (1, 1)

    path = f"/v1/rounds/{round}/ratification"
    own = reserve.signed(seen["decision"], "ratification")
    assert await reserve.refused("approver-1", path, own) == (403, "ratification_by_decider")
    held = await delegated(reserve, acts=["ratify"])
    signed = await signature(reserve, round, "ratification")
    assert await reserve.refused("approver-2", path, signed | {"purpose": "decision"}) == (409, "approval_of_another_document")
    ratified = await reserve.post("approver-2", path, signed)
    assert (ratified["authority"], ratified["late"]) == (held["instrument"], False)
    assert (await reserve.get("operator-1", f"/v1/rounds/{round}"))["ratification"] == "ratified"
    assert await reserve.refused("approver-2", path, signed) == (409, "ratification_not_due")


async def with_interest(reserve: Reserve, who: str, about: str, name: str, *, withdrawn: bool = False) -> None:
    conflict = {"about": about, "name": name, "reason": "shares"}
    if withdrawn:
        await reserve.withdraw_conflict(who, conflict)
    else:
        await reserve.post("admin-1", f"/v1/officials/{reserve.subject(who)}/conflicts", conflict)


async def test_a_conflict_that_is_declared_after_an_approval_makes_it_lapse(reserve: Reserve):
    round = await a_proposal(reserve)
    await reserve.approve(round)
    await with_interest(reserve, "approver-1", "company", "Sojitz")
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/certify") == (409, "approvals_missing")

    async def lapsed() -> bool:
        return not (await reserve.get("operator-1", f"/v1/rounds/{round}"))["approvals"]

    await until(lapsed)
    await with_interest(reserve, "approver-1", "company", "Sojitz", withdrawn=True)
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/certify") == (409, "approvals_missing"), "it stays lapsed"
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")


async def test_a_conflict_that_is_found_after_certification_asks_for_a_review_and_is_reported(reserve: Reserve):
    round = await reserve.certified_round(4, 4, supply=4)
    await reserve.status(round, "released")
    before = await reserve.get("operator-1", f"/v1/rounds/{round}/report")
    assert "conflicts" not in before
    await with_interest(reserve, "approver-1", "round", round)

    async def asked() -> Any:
        return [row for row in (await reserve.get("auditor-1", "/v1/reviews"))["data"] if row["round"] == round]

    [review] = await until(asked)
    assert (review["status"], review["partner"]) == ("requested", None)
    assign, auditor = f"/v1/reviews/{review['review']}/assign", {"reviewer": reserve.subject("auditor-1")}
    await with_interest(reserve, "auditor-1", "partner", "US")
    assert await reserve.refused("operator-1", assign, auditor) == (403, "conflict_of_interest")
    await with_interest(reserve, "auditor-1", "partner", "US", withdrawn=True)
    await reserve.post("operator-1", assign, auditor)
    report = await reserve.get("operator-1", f"/v1/rounds/{round}/report")
    [conflict] = report["conflicts"]
    assert (conflict["official"], conflict["about"], conflict["name"]) == (reserve.subject("approver-1"), "round", round)
    assert conflict["lapses_at"] is not None, "an administrator's word"
    confirmed = {"about": "round", "name": round}
    await reserve.post("approver-1", f"/v1/officials/{reserve.subject('approver-1')}/conflicts/confirm", confirmed)

    async def stands() -> bool:
        [conflict] = (await reserve.get("operator-1", f"/v1/rounds/{round}/report"))["conflicts"]
        return "lapses_at" not in conflict

    await until(stands)
    await with_interest(reserve, "approver-1", "round", round, withdrawn=True)


async def test_who_has_an_interest_neither_opens_nor_proposes_certifies_or_answers(reserve: Reserve):
    round = await a_proposal(reserve)
    await reserve.approve(round)
    request = (await reserve.get("operator-1", f"/v1/rounds/{round}"))["requests"][0]
    objection = (await reserve.post("partner-jp", f"/v1/requests/{request}/objections", {"reasons": ["less than asked"]}))["objection"]
    another = await reserve.accepted_request("partner-jp", 1)
    opening = {"product": PRODUCT, "requests": [another], "policy": POLICY}
    acts = [
        ("/v1/rounds", opening),
        (f"/v1/rounds/{round}/propose", {"supply_g": 4 * UNIT_G}),
        (f"/v1/rounds/{round}/certify", None),
        (f"/v1/objections/{objection}/answer", {"upheld": False, "reasons": ["as the policy has it"]}),
    ]
    for interest in (("company", "Sojitz"), ("partner", "JP"), ("product", PRODUCT)):
        await with_interest(reserve, "operator-1", *interest)
        for path, body in acts:
            assert await reserve.refused("operator-1", path, body) == (403, "conflict_of_interest"), path
        await with_interest(reserve, "operator-1", *interest, withdrawn=True)
    assert await reserve.refused("operator-1", *acts[3]) == (403, "answerer_was_involved")  # it is about what they proposed
    await reserve.post("operator-1", *acts[0])
    await reserve.certify(round)
    await reserve.status(round, "released")
