"""Screening, objections and reviews as they are served, on the real PostgreSQL and Kafka."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.terms.listed_names import ScreeningListFile
from tests.contract.allocation_stage import POLICY, PRODUCT, TODAY, UNKNOWN, Reserve
from tests.contract.any_order import assert_no_order_matters
from tests.kernel.stage import until
from tests.stories.stockpile import UNIT_G

LIST = "entity-list"
CLEAN = {
    "product": PRODUCT,
    "mass_g": 4 * UNIT_G,
    "daily_consumption_g": UNIT_G // 2,
    "needed_by": str(TODAY + timedelta(days=60)),
    "nominee": "Sojitz",
    "consignee": "Kyushu Smelting",
    "end_user": "Harima Flame Retardants",
    "end_use": "flame retardants",
}
ACCEPTANCE = {"accepted_g": 2 * UNIT_G, "reasons": ["as asked"]}


def entry(name: str, number: int = 1, *aliases: str) -> dict[str, Any]:
    return {"entry": f"E-{number}", "name": name, "aliases": list(aliases), "source": "an example", "listed_on": "2026-01-06"}


async def put_in_force(reserve: Reserve, *entries: dict[str, Any], name: str = LIST) -> None:
    """By two people."""
    await reserve.by_two("/v1/screening-list-imports", {"list": name, "reason": secrets.token_hex(4), "entries": list(entries)})


async def withdraw(reserve: Reserve, name: str = LIST) -> None:
    await reserve.by_two(f"/v1/screening-lists/{name}/withdraw", {"reason": "the test is over"})


async def submitted(reserve: Reserve, **changes: Any) -> str:
    request: str = (await reserve.post("partner-jp", "/v1/requests", CLEAN | changes))["request"]
    return request


async def hits_of(reserve: Reserve, request: str, status: str, count: int) -> list[Any]:
    """The request's hits of that status, once there are so many."""

    async def found() -> Any:
        rows = (await reserve.get("operator-1", "/v1/screening-hits", of=request, status=status))["data"]
        return (rows,) if len(rows) == count else None

    (rows,) = await until(found)
    return list(rows)


async def test_a_party_on_a_list_is_hit_and_a_person_decides(reserve: Reserve):
    await put_in_force(reserve, entry("KYUSHU SMELTING CO., LTD."), entry("Norinco", 2, "China North Industries"))
    request = await submitted(reserve, end_user="Nor Inco International")
    exact, near = sorted(await hits_of(reserve, request, "open", 2), key=lambda hit: str(hit["match"]))
    assert (exact["role"], exact["entry"], exact["match"]) == ("consignee", "E-1", "exact")
    assert (near["role"], near["entry"], near["match"]) == ("end_user", "E-2", "near")
    accept = f"/v1/requests/{request}/accept"
    assert await reserve.refused("operator-1", accept, ACCEPTANCE) == (409, "screening_hit_open")
    shown = await reserve.get("operator-1", f"/v1/screening-hits/{near['hit']}")
    assert (shown["party"], shown["listed_name"], shown["partner"]) == ("Nor Inco International", "Norinco", "JP")
    await reserve.by_two(f"/v1/screening-hits/{exact['hit']}/clear", {"reason": "another register number"})
    await reserve.post("operator-1", f"/v1/screening-hits/{near['hit']}/confirm", {"reason": "the same company"})
    assert await reserve.refused("operator-1", accept, ACCEPTANCE) == (409, "party_barred")
    await reserve.by_two(f"/v1/screening-hits/{near['hit']}/clear", {"reason": "taken for another"})
    await reserve.post("operator-1", accept, ACCEPTANCE)
    for path in ("screening-hits", f"screening-hits/{near['hit']}", "screening-lists", f"screening-lists/{LIST}"):
        assert (await reserve.clients["partner-jp"].get(f"/v1/{path}")).status_code == 403
    await withdraw(reserve)


async def test_a_request_is_screened_when_it_is_accepted_if_it_was_not_before(reserve: Reserve):
    """Accepted in the same instant: no task can have screened it."""
    await put_in_force(reserve, entry("Harima"))
    request = await submitted(reserve)
    assert await reserve.refused("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE) == (409, "screening_hit_open")
    await withdraw(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)


async def test_a_new_version_of_a_list_screens_open_requests_again(reserve: Reserve):
    await put_in_force(reserve, entry("Sojitz", 1))
    request = await submitted(reserve)
    [hit] = await hits_of(reserve, request, "open", 1)
    await reserve.by_two(f"/v1/screening-hits/{hit['hit']}/clear", {"reason": "another"})
    await put_in_force(reserve, entry("Sojitz", 1), entry("Kyushu Smelting", 2))
    [added] = await hits_of(reserve, request, "open", 1)
    assert (added["role"], added["entry"]) == ("consignee", "E-2")
    assert [each["hit"] for each in await hits_of(reserve, request, "cleared", 1)] == [hit["hit"]]  # what was cleared stays so
    await withdraw(reserve)
    assert len(await hits_of(reserve, request, "gone", 2)) == 2
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)


async def test_an_accepted_request_that_is_hit_leaves_its_decision_without_approvals(reserve: Reserve):
    request = await submitted(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    round: str = (await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": [request], "policy": POLICY}))["round"]
    await reserve.propose(round, 2)
    await reserve.approve(round)
    await put_in_force(reserve, entry("Harima Flame Retardants"))
    [hit] = await hits_of(reserve, request, "open", 1)
    assert (await reserve.status(round, "open"))["reason"] == f"lapsed: request {request}"
    assert await reserve.refused("operator-1", f"/v1/rounds/{round}/propose", {"supply_g": 2 * UNIT_G}) == (409, "screening_hit_open")
    await reserve.by_two(f"/v1/screening-hits/{hit['hit']}/clear", {"reason": "another"})
    await reserve.propose(round, 2)
    await reserve.by_two(f"/v1/rounds/{round}/cancel", {"reason": "not needed"})
    await withdraw(reserve)


async def test_a_list_that_came_into_force_a_moment_ago_counts_when_a_decision_is_certified(reserve: Reserve):
    request = await submitted(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    opening = {"product": PRODUCT, "requests": [request], "policy": POLICY}
    round: str = (await reserve.post("operator-1", "/v1/rounds", opening))["round"]
    await reserve.propose(round, 2)
    await reserve.approve(round)
    await put_in_force(reserve, entry("Harima Flame Retardants"))
    code = (await reserve.refused("operator-1", f"/v1/rounds/{round}/certify"))[1]
    assert code in ("round_not_proposed", "screening_hit_open")
    await reserve.by_two(f"/v1/rounds/{round}/cancel", {"reason": "not needed"})
    await withdraw(reserve)


async def test_a_list_is_kept_whole_and_the_same_again_is_refused(reserve: Reserve):
    body = {"list": "watch-list", "reason": "of 6 January", "entries": [entry("Beta", 2), entry("Alpha", 1, "Alfa")]}
    first = (await reserve.by_two("/v1/screening-list-imports", body))["command"]
    kept = await reserve.clients["auditor-1"].get("/v1/screening-lists/watch-list")
    assert [each.entry for each in msgspec.json.decode(kept.content, type=ScreeningListFile).entries] == ["E-1", "E-2"]
    again = body | {"entries": list(reversed(body["entries"])), "reason": "once more"}  # type: ignore[call-overload]
    assert await reserve.refused("operator-1", "/v1/screening-list-imports", again) == (409, "list_already_in_force")
    [row] = [row for row in (await reserve.get("operator-1", "/v1/screening-lists?in_force=true"))["data"] if row["list"] == "watch-list"]
    assert (row["version"], row["document"], row["entries"]) == (1, first["document"], 2)
    await withdraw(reserve, "watch-list")
    assert await reserve.refused("operator-1", "/v1/screening-lists/watch-list/withdraw", {"reason": "again"}) == (409, "list_not_in_force")
    assert (await reserve.clients["operator-1"].get("/v1/screening-lists/watch-list")).status_code == 404


BAD_LISTS = {
    "an entry that comes twice": ({"entries": [entry("A1"), entry("B2")]}, 422, "list_entry_twice"),
    "a name without letters": ({"entries": [entry("- -")]}, 422, "list_name_empty"),
    "a name of two kilobytes": ({"entries": [entry("x" * 2000)]}, 422, "list_invalid"),
    "a day that is none": ({"entries": [entry("A1") | {"listed_on": "2026-02-30"}]}, 422, "list_invalid"),
    "a member that nobody knows": ({"entries": [entry("A1") | {"risk": 7}]}, 422, "list_invalid"),
    "no entries": ({"entries": None}, 422, "list_invalid"),
    "a name of a list that is none": ({"list": "Entity List"}, 422, "list_invalid"),
    "a reason with a NUL": ({"reason": "a\0b"}, 422, "list_invalid"),
    "no reason": ({"reason": ""}, 422, "list_invalid"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
async def test_a_list_that_cannot_be_is_refused_and_changes_nothing(reserve: Reserve, case: str):
    change, status, code = BAD_LISTS[case]
    body = {"list": "bad-list", "reason": "a test", "entries": [entry("A1")]} | change
    assert await reserve.refused("operator-1", "/v1/screening-list-imports", body) == (status, code)
    assert "bad-list" not in {row["list"] for row in (await reserve.get("operator-1", "/v1/screening-lists?limit=200"))["data"]}


@pytest.mark.parametrize("content", [b"", b"{", b"nope", b'{"list": "\xff"}', b'{"list": "\\ud800"}'], ids=repr)
async def test_what_is_no_json_is_no_list(reserve: Reserve, content: bytes):
    headers = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"}
    answer = await reserve.clients["operator-1"].post("/v1/screening-list-imports", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_findings_stand_beside_an_acceptance_and_a_partner_objects(reserve: Reserve):
    request = await submitted(reserve)
    found = {
        "event": {"answer": "met", "finding": "licences are not given"},
        "duration": {"answer": "not_stated", "finding": "no end is named"},
    }
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE | {"findings": found})
    path = f"/v1/requests/{request}/objections"
    objection = (await reserve.post("partner-jp", path, {"reasons": ["its stock is another grade"]}))["objection"]
    assert await reserve.refused("partner-jp", path, {"reasons": ["again"]}) == (409, "objection_already_open")
    assert await reserve.refused("partner-us", path, {"reasons": ["not mine"]}) == (404, "request_not_found")
    for who in ("partner-jp", "operator-1"):
        shown = await reserve.get(who, f"/v1/requests/{request}/screening")
        assert shown["acceptances"][0]["findings"] == found
        assert [(each["status"], each["accepted_g"]) for each in shown["objections"]] == [("open", 2 * UNIT_G)]
    assert (await reserve.clients["partner-us"].get(f"/v1/objections/{objection}")).status_code == 404
    assert (await reserve.clients["partner-us"].get(f"/v1/requests/{request}/screening")).status_code == 404
    answer = f"/v1/objections/{objection}/answer"
    upheld = {"upheld": True, "accepted_g": 3 * UNIT_G, "reasons": ["the grade is another"]}
    assert await reserve.refused("operator-2", answer, upheld | {"upheld": False}) == (422, "objection_acceptance_invalid")
    assert await reserve.refused("partner-jp", answer, upheld) == (403, "forbidden")
    assert await reserve.refused("operator-1", answer, upheld) == (403, "answerer_was_involved")  # who accepted so little
    await reserve.post("operator-2", answer, upheld)
    assert await reserve.refused("operator-2", answer, upheld) == (409, "objection_already_answered")
    shown = await reserve.get("partner-jp", f"/v1/requests/{request}/screening")
    assert [each["accepted_g"] for each in shown["acceptances"]] == [2 * UNIT_G, 3 * UNIT_G]  # both stay
    assert [(each["status"], each["answer"]) for each in shown["objections"]] == [("upheld", ["the grade is another"])]
    assert (await reserve.get("partner-jp", f"/v1/requests/{request}"))["accepted_g"] == 3 * UNIT_G


async def test_an_open_objection_is_shown_in_the_round_and_does_not_stop_it(reserve: Reserve):
    request = await submitted(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    objection = (await reserve.post("partner-jp", f"/v1/requests/{request}/objections", {"reasons": ["too little"]}))["objection"]
    other = await reserve.accepted_request("partner-jp", 2, nominee="JOGMEC")
    opening = {"product": PRODUCT, "requests": [request, other], "policy": POLICY}
    round: str = (await reserve.post("operator-1", "/v1/rounds", opening))["round"]
    for who, seen in (("operator-1", [objection]), ("partner-jp", [objection]), ("nominee-sojitz", [objection]), ("nominee-jogmec", [])):
        assert (await reserve.get(who, f"/v1/rounds/{round}"))["open_objections"] == seen
    await reserve.propose(round, 2)
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")
    refused = await reserve.refused("operator-1", f"/v1/objections/{objection}/answer", {"upheld": False, "reasons": ["no"]})
    assert refused == (403, "answerer_was_involved")
    await reserve.post("operator-2", f"/v1/objections/{objection}/answer", {"upheld": False, "reasons": ["the stock is the same"]})
    assert (await reserve.get("operator-1", f"/v1/rounds/{round}"))["open_objections"] == []


async def test_a_review_is_made_by_someone_who_was_not_in_the_decision(reserve: Reserve):
    round = await reserve.certified_round(4, 4, supply=4)
    body = {"round": round, "grounds": ["our minimum was left out"]}
    assert await reserve.refused("partner-eu", "/v1/reviews", body) == (404, "round_not_found")
    review = (await reserve.post("partner-jp", "/v1/reviews", body))["review"]
    path = f"/v1/reviews/{review}"
    findings = {"outcome": "error_found", "findings": ["the minimum was left out"]}
    assert await reserve.refused("auditor-1", f"{path}/conclude", findings) == (409, "review_not_assigned")
    for who in ("operator-1", "approver-1"):
        assert await reserve.refused("admin-1", f"{path}/assign", {"reviewer": reserve.subject(who)}) == (403, "reviewer_was_involved")
    await reserve.post("admin-1", f"{path}/assign", {"reviewer": reserve.subject("auditor-1")})
    assert await reserve.refused("approver-1", f"{path}/conclude", findings) == (403, "review_of_another_reviewer")
    await reserve.post("auditor-1", f"{path}/conclude", findings)
    assert await reserve.refused("auditor-1", f"{path}/conclude", findings) == (409, "review_already_concluded")
    shown = await reserve.get("partner-jp", path)
    assert (shown["status"], shown["outcome"], shown["findings"]) == ("concluded", "error_found", ["the minimum was left out"])
    assert (await reserve.clients["partner-us"].get(path)).status_code == 404  # in the round too, and it did not ask
    assert review not in {row["review"] for row in (await reserve.get("partner-us", "/v1/reviews"))["data"]}
    await reserve.status(round, "released")  # nothing was stopped


async def tasks_about(reserve: Reserve, about: str, *, done: bool = False) -> list[str]:
    rows = (await reserve.get("operator-1", "/v1/tasks", limit="200", done=str(done).lower()))["data"]
    return sorted(row["kind"] for row in rows if row["about"] == about and row["kind"] != "clock")


async def test_what_is_to_be_decided_answered_and_reviewed_is_a_task_until_it_is_done(reserve: Reserve):
    await put_in_force(reserve, entry("Harima Flame Retardants"))
    request = await submitted(reserve)
    [hit] = await hits_of(reserve, request, "open", 1)
    assert await tasks_about(reserve, request) == ["screening"]
    assert request not in {row["about"] for row in (await reserve.get("partner-jp", "/v1/tasks", kind="screening"))["data"]}
    await reserve.by_two(f"/v1/screening-hits/{hit['hit']}/clear", {"reason": "another"})
    assert await tasks_about(reserve, request) == []
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    objection = (await reserve.post("partner-jp", f"/v1/requests/{request}/objections", {"reasons": ["too little"]}))["objection"]
    assert await tasks_about(reserve, request) == ["objection"]
    await reserve.post("operator-2", f"/v1/objections/{objection}/answer", {"upheld": False, "reasons": ["it is enough"]})
    assert await tasks_about(reserve, request) == []
    other = await submitted(reserve)
    await hits_of(reserve, other, "open", 1)
    await reserve.post("partner-jp", f"/v1/requests/{other}/withdraw", {"reason": "met elsewhere"})
    assert await tasks_about(reserve, other) == []
    assert await tasks_about(reserve, other, done=True) == ["screening"]
    await withdraw(reserve)


async def test_what_was_decided_wrong_is_a_task_until_it_is_superseded(reserve: Reserve):
    request = await submitted(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    round = (await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": [request], "policy": POLICY}))["round"]
    await reserve.propose(round, 2)
    await reserve.approve(round)
    await reserve.certify(round)
    await reserve.status(round, "released")
    objections = f"/v1/requests/{request}/objections"
    objection = (await reserve.post("partner-jp", objections, {"reasons": ["too little"]}))["objection"]  # its day has not passed
    await reserve.post("operator-2", f"/v1/objections/{objection}/answer", {"upheld": True, "reasons": ["the grade is another"]})
    review = (await reserve.post("partner-jp", "/v1/reviews", {"round": round, "grounds": ["too little"]}))["review"]
    await reserve.post("admin-1", f"/v1/reviews/{review}/assign", {"reviewer": reserve.subject("auditor-1")})
    await reserve.post("auditor-1", f"/v1/reviews/{review}/conclude", {"outcome": "error_found", "findings": ["the grade is another"]})
    assert (await tasks_about(reserve, round)).count("correction") == 2
    again = await reserve.a_round(2)
    await reserve.by_two(f"/v1/rounds/{round}/supersede", {"by_round": again, "reason": "the grade is another"})
    assert "correction" not in await tasks_about(reserve, round)
    assert (await tasks_about(reserve, round, done=True)).count("correction") == 2


async def test_parties_that_the_agreement_has_not_cleared_are_named_and_stop_nothing(reserve: Reserve):
    [agreement] = (await reserve.get("partner-jp", "/v1/agreements"))["data"]
    until = str(TODAY + timedelta(days=200))
    item = {"agreement": agreement["agreement"], "product": PRODUCT, "kind": "consignee", "evidence": "the register", "until": until}
    await reserve.post("operator-1", "/v1/readiness/items", item | {"name": "KYUSHU SMELTING K.K."})
    request = await submitted(reserve)
    shown = await reserve.get("partner-jp", f"/v1/requests/{request}/screening")
    assert [(party["role"], party["cleared"], party["until"]) for party in shown["pre_cleared"]] == [
        ("nominee", False, None),
        ("consignee", True, until),
    ]
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    shown = await reserve.get("operator-1", f"/v1/requests/{request}/screening")
    assert [each["not_pre_cleared"] for each in shown["acceptances"]] == [["nominee"]]


async def test_what_is_not_certified_is_not_reviewed(reserve: Reserve):
    round = await reserve.a_round(2, 2)
    assert await reserve.refused("partner-jp", "/v1/reviews", {"round": round, "grounds": ["early"]}) == (409, "round_not_certified")
    for body, status in (({"round": round, "grounds": []}, 422), ({"round": "rnd_1", "grounds": ["x"]}, 422), ({"round": round}, 422)):
        assert await reserve.refused("operator-1", "/v1/reviews", body) == (status, "invalid_request")
    await reserve.post("operator-1", f"/v1/rounds/{round}/cancel", {"reason": "not needed"})


@pytest.mark.parametrize(
    ("who", "path", "body", "status", "code"),
    [
        ("operator-1", f"/v1/screening-hits/hit_{UNKNOWN}/clear", {"reason": "x"}, 404, "screening_hit_not_found"),
        ("operator-1", f"/v1/objections/obj_{UNKNOWN}/answer", {"upheld": False, "reasons": ["x"]}, 404, "objection_not_found"),
        ("operator-1", f"/v1/objections/obj_{UNKNOWN}/answer", {"upheld": "no", "reasons": ["x"]}, 422, "invalid_request"),
        ("operator-1", f"/v1/reviews/rev_{UNKNOWN}/assign", {"reviewer": "sub_x"}, 404, "review_not_found"),
        ("operator-1", "/v1/reviews", {"round": f"rnd_{UNKNOWN}", "grounds": ["x"]}, 404, "round_not_found"),
        ("operator-1", f"/v1/requests/req_{UNKNOWN}/objections", {"reasons": ["x"]}, 403, "forbidden"),
        ("partner-jp", f"/v1/requests/req_{UNKNOWN}/objections", {"reasons": ["x"]}, 404, "request_not_found"),
        ("partner-jp", "/v1/screening-list-imports", {}, 403, "forbidden"),
    ],
)
async def test_what_there_is_not_or_may_not_be_is_refused(
    reserve: Reserve, who: str, path: str, body: dict[str, Any], status: int, code: str
):
    assert await reserve.refused(who, path, body) == (status, code)


async def test_submitting_waits_for_no_screening(reserve: Reserve):
    """Many at once, and each is screened in the end."""
    await put_in_force(reserve, entry("Harima Flame Retardants"))
    requests = await asyncio.gather(*(submitted(reserve) for _ in range(120)))
    for request in requests:
        await hits_of(reserve, request, "open", 1)
    await withdraw(reserve)
    await hits_of(reserve, requests[0], "gone", 1)


async def test_whichever_shard_is_read_first_the_tables_are_the_same(reserve: Reserve):
    await assert_no_order_matters(reserve.stage, reserve.inventory, reserve.allocation)


async def test_nobody_answers_an_objection_to_what_another_account_of_theirs_has_accepted(reserve: Reserve):
    """The last here: from then on two operators are one person."""
    request = await submitted(reserve)
    await reserve.post("operator-1", f"/v1/requests/{request}/accept", ACCEPTANCE)
    objection = (await reserve.post("partner-jp", f"/v1/requests/{request}/objections", {"reasons": ["too little"]}))["objection"]
    for account in ("operator-1", "operator-2"):
        await reserve.registrar.name_person(reserve.subject(account), "per_0123456789")
    answer = {"upheld": False, "reasons": ["no"]}
    assert await reserve.refused("operator-2", f"/v1/objections/{objection}/answer", answer) == (403, "answerer_was_involved")
