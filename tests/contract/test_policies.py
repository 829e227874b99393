"""The life of a policy over HTTP, on the real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.commands.signable import read_signable
from reserve.demo.instruments import empower
from reserve.demo.registrar import WITNESS
from shared.engines.engines import Engines
from tests.contract.allocation_stage import TODAY, Reserve, allocation_alone
from tests.contract.policy_stage import an_active_policy, signed_policy

NOW, LATER = str(TODAY), str(TODAY + timedelta(days=30))
DRAFT = {"active_from": NOW, "terms": {}}


@pytest.fixture(scope="module")
async def reserve(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reserve]:
    """Allocation alone: policies need no stock."""
    async with allocation_alone(servers, tmp_path_factory.mktemp("policies")) as reserve:
        await reserve.registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
        await reserve.registrar.enrol(reserve.subject("approver-1"), reserve.key)
        await reserve.post("admin-1", "/v1/partners", {"partner": "JP", "name": "Japan"})
        await empower(reserve.register, {reserve.subject("approver-1"): "approver"})
        yield reserve


async def test_a_policy_goes_from_a_draft_to_the_active_version(reserve: Reserve):
    drafted = await reserve.post("operator-1", "/v1/policies/life/versions", DRAFT)
    assert (drafted["version"], drafted["status"]) == (1, "draft")
    path = "/v1/policies/life/versions/1"
    revised = await reserve.post("operator-1", f"{path}/revise", {"active_from": NOW, "terms": {"release_days": 30}})
    assert revised["document"] != drafted["document"]
    submitted = await reserve.post("operator-1", f"{path}/submit")
    assert (submitted["status"], submitted["active_from"]) == ("submitted", NOW)  # from when it would be in force
    assert (await reserve.get("auditor-1", "/v1/policies/life"))["active"] is None
    approved = await reserve.post("approver-1", f"{path}/approvals", await signed_policy(reserve, path))
    assert (approved["status"], approved["active_from"]) == ("approved", NOW)
    seen = await reserve.get("auditor-1", "/v1/policies/life")
    [version] = seen["versions"]
    assert (seen["active"], version["status"], version["terms"]["release_days"]) == (1, "approved", 30)
    assert version["approved_by"] == reserve.subject("approver-1")
    assert version["terms"]["clocks"]["emergency"]["delivered"] == 8
    assert version["terms"]["clocks"]["standard"]["delivered"] == 30


async def test_what_is_signed_is_read_in_full_by_the_approve_command(reserve: Reserve):
    await reserve.post("operator-1", "/v1/policies/signed/versions", DRAFT)
    content = (await reserve.clients["approver-1"].get("/v1/policies/signed/versions/1/document")).content
    signable = read_signable(content)
    assert signable.purpose == "policy"
    assert dict(signable.words)["policy"] == f"signed version 1, from {NOW}"


async def test_a_later_version_waits_for_its_day_and_withdrawing_one_brings_none_back(reserve: Reserve):
    await an_active_policy(reserve, "turns", NOW)
    await an_active_policy(reserve, "turns", LATER)
    assert (await reserve.get("operator-1", "/v1/policies/turns"))["active"] == 1
    await an_active_policy(reserve, "turns", NOW)
    assert (await reserve.get("operator-1", "/v1/policies/turns"))["active"] == 3
    withdraw = "/v1/policies/turns/versions/3/withdraw"
    proposed = await reserve.post("operator-1", withdraw, {"reason": "a mistake"})
    assert (await reserve.get("operator-1", "/v1/policies/turns"))["active"] == 3, "one person stops no policy"
    await reserve.sign(proposed)
    assert await reserve.refused("operator-1", withdraw, {"reason": "a mistake"}) == (409, "policy_withdrawn")
    seen = await reserve.get("operator-1", "/v1/policies/turns")
    assert [version["status"] for version in seen["versions"]] == ["superseded", "superseded", "withdrawn"]
    assert (seen["active"], seen["versions"][2]["reason"]) == (None, "a mistake")
    await an_active_policy(reserve, "turns", NOW)
    listed = {row["policy"]: row for row in (await reserve.get("operator-1", "/v1/policies?limit=200"))["data"]}
    assert (listed["turns"]["active"], listed["turns"]["latest"]) == (4, 4)


async def test_a_change_that_was_overtaken_is_not_made(reserve: Reserve):
    await reserve.post("operator-1", "/v1/policies/etag/versions", DRAFT)
    tag = (await reserve.clients["operator-1"].get("/v1/policies/etag")).headers["ETag"]
    path = "/v1/policies/etag/versions/1"
    await reserve.post("operator-1", f"{path}/revise", {"active_from": NOW, "terms": {"release_days": 31}})
    answer = await reserve.clients["operator-1"].post(f"{path}/submit", headers={"Idempotency-Key": "overtaken", "If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


async def test_a_draft_posted_twice_is_one_version(reserve: Reserve):
    first = await reserve.post("operator-1", "/v1/policies/once/versions", DRAFT, key="once")
    assert await reserve.post("operator-1", "/v1/policies/once/versions", DRAFT, key="once") == first


async def test_an_approval_that_cannot_count_is_refused(reserve: Reserve):
    await reserve.post("operator-1", "/v1/policies/strict/versions", DRAFT)
    path = "/v1/policies/strict/versions/1"
    signed = await signed_policy(reserve, path)
    assert await reserve.refused("approver-1", f"{path}/approvals", signed) == (409, "policy_not_submitted")
    await reserve.post("operator-1", f"{path}/submit")
    assert await reserve.refused("operator-1", f"{path}/approvals", signed) == (403, "forbidden")
    assert await reserve.refused("approver-1", f"{path}/approvals", signed | {"signature": "00" * 64}) == (
        422,
        "approval_signature_invalid",
    )
    assert await reserve.refused("approver-1", f"{path}/approvals", signed | {"purpose": "decision"}) == (
        409,
        "approval_of_another_document",
    )
    stranger = await signed_policy(reserve, path, key=Ed25519PrivateKey.generate())
    assert await reserve.refused("approver-1", f"{path}/approvals", stranger) == (404, "approver_key_not_found")
    assert await reserve.refused("operator-1", f"{path}/revise", DRAFT) == (409, "policy_not_draft")
    assert await reserve.refused("operator-1", "/v1/policies/strict/versions", DRAFT) == (409, "policy_draft_open")


@pytest.mark.parametrize(
    ("terms", "code", "field"),
    [
        ({"method": {"rule": "by_lot"}}, "rule_unknown", "/terms/method/rule"),
        ({"method": {"cap": "3/2"}}, "policy_cap_invalid", "/terms/method/cap"),
        ({"method": {"caps": {"JP": "-1/2"}}}, "policy_cap_invalid", "/terms/method/caps/JP"),
        ({"method": {"inside": {"0": "pro_rata"}}}, "policy_inside_invalid", "/terms/method/inside"),
        ({"quorum": []}, "policy_quorum_invalid", "/terms/quorum"),
        ({"carry_years": 11}, "policy_carry_years_invalid", "/terms/carry_years"),
        ({"largest_minimum": "3/2"}, "policy_minimum_invalid", "/terms/largest_minimum"),
        ({"clocks": {}}, "policy_clocks_invalid", "/terms/clocks"),
        ({"emergency": {"ratify_within_hours": 0, "max_g": 1}}, "policy_emergency_invalid", "/terms/emergency/ratify_within_hours"),
    ],
)
async def test_terms_that_cannot_be_are_refused_with_their_field(reserve: Reserve, terms: Any, code: str, field: str):
    answer = await reserve.clients["operator-1"].post(
        "/v1/policies/faulty/versions", json={"active_from": NOW, "terms": terms}, headers={"Idempotency-Key": f"faulty-{field}"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, code, field)
    assert problem["accepted"]
    assert (await reserve.clients["operator-1"].get("/v1/policies/faulty")).status_code == 404


@pytest.mark.parametrize(
    ("terms", "code", "field"),
    [
        ({"method": {"caps": {"JP": "1/2", "JPN": "1/2"}}}, "partner_not_found", "/terms/method/caps"),
        ({"protected_g": {"antimony-mteal": 1}}, "product_not_found", "/terms/protected_g"),
    ],
)
async def test_a_name_that_nobody_has_is_refused_since_it_would_cap_or_protect_nothing(reserve: Reserve, terms: Any, code: str, field: str):
    await reserve.post("operator-1", "/v1/policies/misspelt/versions", DRAFT, key="misspelt")
    for path in ("/v1/policies/faulty/versions", "/v1/policies/misspelt/versions/1/revise"):
        answer = await reserve.clients["operator-1"].post(path, json={"terms": terms}, headers={"Idempotency-Key": f"{path}{field}"})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (404, code, field)


async def test_what_there_is_not_is_not_found(reserve: Reserve):
    assert await reserve.refused("operator-1", "/v1/policies/none/versions/1/submit") == (404, "policy_not_found")
    assert (await reserve.clients["operator-1"].get("/v1/policies/none/versions/1/document")).json()["code"] == "policy_version_not_found"
    assert (await reserve.clients["partner-jp"].get("/v1/policies")).status_code == 403
    past = {"active_from": "2020-01-01", "terms": {}}
    assert await reserve.refused("operator-1", "/v1/policies/past/versions", past) == (422, "date_in_past")


async def test_a_version_is_compared_with_the_active_one_before_it_is_approved(reserve: Reserve):
    await an_active_policy(reserve, "compared")
    terms = {"method": {"rule": "equal_awards", "cap": "2/5"}}
    await reserve.post("operator-1", "/v1/policies/compared/versions", {"terms": terms})
    path = "/v1/policies/compared/versions/2/diff"
    answer = await reserve.clients["approver-1"].post(path, json={"scenarios": ["japan-2026"]})
    assert answer.is_success, answer.text
    found = answer.json()
    assert (found["active"], [case["product"] for case in found["cases"]]) == (1, ["ndpr-oxide", "dysprosium-oxide"])
    case = found["cases"][0]
    assert (case["before"]["policy"], case["after"]["policy"]) == ("compared v1", "compared v2")
    for side, grams in (("before", "before_g"), ("after", "after_g")):
        assert sum(line[grams] for line in case["lines"]) + case[side]["unused_g"] == case["offered_g"]
    assert any(line["before_g"] != line["after_g"] for line in case["lines"])
    text = (await reserve.clients["approver-1"].post(f"{path}?form=text", json={})).text
    assert "rare-earths-2010" in text and "compared v2" in text
    document = (await reserve.clients["approver-1"].get("/openapi.json")).json()
    documented = document["paths"]["/v1/policies/{policy}/versions/{version}/diff"]["post"]["responses"]["200"]["content"]
    assert sorted(documented) == ["application/json", "text/plain"]


async def test_a_first_version_is_compared_with_nothing(reserve: Reserve):
    await reserve.post("operator-1", "/v1/policies/first/versions", {"terms": {"method": {"rule": "iep", "restraint": "93/100"}}})
    answer = await reserve.clients["auditor-1"].post("/v1/policies/first/versions/1/diff", json={"scenarios": ["antimony-2024"]})
    [case] = answer.json()["cases"]
    assert case["before"] is None and case["after"]["not_decided"] is None
    assert {line["before_g"] for line in case["lines"]} == {None}


async def test_a_diff_over_what_there_is_not_is_refused(reserve: Reserve):
    await reserve.post("operator-1", "/v1/policies/lost/versions", DRAFT)
    assert await reserve.refused("operator-1", "/v1/policies/lost/versions/2/diff", {}) == (404, "policy_version_not_found")
    unknown = {"scenarios": ["atlantis"]}
    assert await reserve.refused("operator-1", "/v1/policies/lost/versions/1/diff", unknown) == (404, "scenario_not_found")
    assert (await reserve.clients["partner-jp"].post("/v1/policies/lost/versions/1/diff", json={})).status_code == 403
