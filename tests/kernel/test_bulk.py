"""A bulk over HTTP: each command as if it had been sent alone, or all of them or none."""

import asyncio
import secrets
from functools import partial
from typing import Any

import httpx
import pytest

from shared.http.problems import BODY_LIMIT_BYTES
from tests.kernel.counter import Add, counter_service
from tests.kernel.stage import Running, Stage, context
from tests.kernel.writing import two_shards
from tests.upgrades.newer_counter import newer
from tests.waiting import until

BULK = "/v1/takings/bulk"


def taking(counter: str, amount: int = 1, key: str | None = None) -> dict[str, Any]:
    return {"idempotency_key": key or secrets.token_hex(6), "counter": counter, "amount": amount}


async def filled(counter: Running, amount: int) -> str:
    name = secrets.token_hex(6)
    await counter.post(f"/v1/counters/{name}/additions", {"amount": amount})
    return name


async def total(counter: Running, name: str) -> int:
    found: int = (await counter.http.get(f"/v1/counters/{name}")).json()["total"]
    return found


async def events(counter: Running, stage: Stage) -> int:
    async with stage.sql(counter.kernel.service.name) as sql:
        found: int = await sql.fetchval("SELECT count(*) FROM events")
        return found


def waits(counter: Running, commands: int) -> bool:
    return sum(each for each, _ in counter.kernel.writer.waiting().values()) == commands


def statuses(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["status"] for item in answer.json()["items"]]


# Each by itself


async def test_each_is_answered_in_order_as_it_would_be_alone(counter: Running) -> None:
    one, other = await filled(counter, 5), await filled(counter, 5)
    answer = await counter.post(BULK, {"items": [taking(one, 3), taking(other), taking(one, 3), taking("locked"), taking(one, 2)]})
    assert statuses(answer) == [201, 201, 409, 403, 201]
    items = answer.json()["items"]
    assert [item["body"] is None for item in items] == [item["position"] is None for item in items] == [False, False, True, True, False]
    assert items[0]["body"]["places"] == [items[0]["position"]]
    assert answer.headers["reserve-position"] == items[4]["position"]
    problem = items[2]["problem"]
    assert (problem["code"], problem["field"], problem["accepted"]) == ("counter_too_little", "/items/2/amount", "at most 2")
    assert (items[3]["problem"]["code"], items[3]["problem"]["field"]) == ("forbidden", "/items/3")
    assert (await total(counter, one), await total(counter, other)) == (0, 4)


async def test_the_bulks_key_repeated_gives_the_same_answers(counter: Running) -> None:
    one, other = await filled(counter, 5), await filled(counter, 5)
    body = {"items": [taking(one, 3), taking(one, 3), taking(other, 2)]}
    first = await counter.post(BULK, body, key=one)
    await counter.post(f"/v1/counters/{one}/additions", {"amount": 10})
    assert (await counter.post(BULK, body, key=one)).json() == first.json()
    assert (await total(counter, one), await total(counter, other)) == (12, 3)


async def test_another_body_under_the_bulks_key_is_refused(counter: Running) -> None:
    one, other = await filled(counter, 5), await filled(counter, 5)
    body = {"items": [taking(one)]}
    await counter.post(BULK, body, key=one)
    for changed in ({"items": [taking(other)]}, {"items": [*body["items"], taking(one)]}, {**body, "atomic": True}):
        answer = await counter.post(BULK, changed, key=one)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert answer.json()["field"] == "header:idempotency-key"
    assert (await total(counter, one), await total(counter, other)) == (4, 5)


async def test_a_commands_key_counts_once_alone_and_in_any_bulk(counter: Running) -> None:
    name = await filled(counter, 5)
    alone = await counter.post(f"/v1/counters/{name}/takings", {"amount": 1}, key="a")
    items = [taking(name, 1, "a"), taking(name, 1, "b"), taking(name, 9, "c")]
    first = await counter.post(BULK, {"items": items})
    assert statuses(first) == [201, 201, 409]
    again = await counter.post(BULK, {"items": [taking(name, 1, "d"), *reversed(items)]})
    assert again.json()["items"][3] == first.json()["items"][0] and first.json()["items"][0]["body"] == alone.json()
    assert again.json()["items"][2] == first.json()["items"][1]
    second = await counter.post(f"/v1/counters/{name}/takings", {"amount": 1}, key="b")
    assert second.json() == first.json()["items"][1]["body"]
    assert second.headers["reserve-position"] == first.json()["items"][1]["position"]
    refused = await counter.post(f"/v1/counters/{name}/takings", {"amount": 9}, key="c")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (409, "counter_too_little", "/amount")
    assert await total(counter, name) == 2


async def test_a_commands_key_with_another_body_is_refused_for_it_alone(counter: Running) -> None:
    name = await filled(counter, 5)
    await counter.post(f"/v1/counters/{name}/takings", {"amount": 1}, key="a")
    answer = await counter.post(BULK, {"items": [taking(name, 1, "x"), taking(name, 2, "a"), taking(name, 1, "y")]})
    assert statuses(answer) == [201, 422, 201]
    problem = answer.json()["items"][1]["problem"]
    assert (problem["code"], problem["field"]) == ("idempotency_key_reused", "/items/1/idempotency_key")
    assert await total(counter, name) == 2


async def test_a_bulk_of_the_same_key_from_many_connections_at_once_counts_once(counter: Running) -> None:
    name = await filled(counter, 50)
    body = {"items": [taking(name) for _ in range(20)]}
    answers = await asyncio.gather(*(counter.post(BULK, body, key=name) for _ in range(5)))
    assert statuses(answers[0]) == [201] * 20
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert await total(counter, name) == 30


async def test_what_one_stream_cannot_do_is_the_status_of_its_items_alone(stage: Stage) -> None:
    """Its events are of a newer build: it is left to that one."""
    service = counter_service(stage.name("counter"))
    for name, build in (("here", service), ("newer", newer(service))):
        async with stage.writing(build) as writer:
            await writer.submit(f"counter/{name}", Add(counter=name, amount=5), context())
    async with stage.serving(service) as counter:
        items = [taking("here"), taking("newer"), taking("here"), taking("newer")]
        answer = await counter.post(BULK, {"items": items}, key="both")
        assert statuses(answer) == [201, 503, 201, 503]
        problems = [item["problem"] for item in answer.json()["items"]]
        assert problems[1]["code"] == "unavailable" and "newer" in problems[1]["detail"]
        assert answer.headers["Retry-After"] == "2"
        assert await total(counter, "here") == 3
        again = await counter.post(BULK, {"items": items}, key="both")
        assert again.json()["items"][::2] == answer.json()["items"][::2] and await total(counter, "here") == 3
        whole = await counter.post(BULK, {"items": [items[1], items[0]]})
        assert (whole.status_code, whole.json()["code"]) == (503, "unavailable"), "the first cannot be done, so none is"


async def test_there_is_room_for_all_of_a_bulk_or_none_of_it_is_done(stage: Stage) -> None:
    service = counter_service(stage.name("counter"))
    async with stage.serving(service, queue_limit=8) as counter, stage.sql(service.name) as sql:
        free, full = (stream.partition("/")[2] for stream in await two_shards(counter.kernel.writer))
        for name in (free, full):
            await counter.post(f"/v1/counters/{name}/additions", {"amount": 50})
        async with sql.transaction():
            await sql.execute("SELECT * FROM heads WHERE shard = $1 FOR UPDATE", await counter.kernel.writer._place(f"counter/{full}"))
            waiting: list[asyncio.Task[httpx.Response]] = []
            for commands in (1, 5):  # one is under way before the others come
                while len(waiting) < commands:
                    waiting.append(asyncio.create_task(counter.post(f"/v1/counters/{full}/takings", {"amount": 1})))
                await until(partial(waits, counter, commands))
            for more, status, code in ((3, 429, "too_many_waiting"), (8, 503, "overloaded")):
                answer = await counter.post(BULK, {"items": [taking(free), *(taking(full) for _ in range(more))]})
                assert (answer.status_code, answer.json()["code"]) == (status, code)
                assert answer.headers["Retry-After"] == "1"
            assert await total(counter, free) == 50, "nothing of it is done"
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {201}


# All or nothing


async def test_all_are_done_or_none_is(counter: Running) -> None:
    name = await filled(counter, 5)
    items = [taking(name, 3), taking(name, 3)]
    refused = await counter.post(BULK, {"items": items, "atomic": True}, key=name)
    assert refused.status_code == 409 and refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["field"]) == ("counter_too_little", "/items/1/amount")
    assert await total(counter, name) == 5
    await counter.post(f"/v1/counters/{name}/additions", {"amount": 10})
    assert (await counter.post(BULK, {"items": items, "atomic": True}, key=name)).json() == refused.json()
    done = await counter.post(BULK, {"items": items, "atomic": True})
    assert statuses(done) == [201, 201]
    again = await counter.post(f"/v1/counters/{name}/takings", {"amount": 3}, key=items[1]["idempotency_key"])
    assert again.json() == done.json()["items"][1]["body"]
    assert await total(counter, name) == 9


@pytest.mark.parametrize(
    ("others", "status", "code", "field"),
    [
        ([("elsewhere", 1)], 422, "bulk_of_several", "/items/1"),
        ([("", 1), ("locked", 1)], 403, "forbidden", "/items/2"),
    ],
)
async def test_what_cannot_be_all_or_nothing_is_refused_and_nothing_recorded(
    counter: Running, stage: Stage, others: list[tuple[str, int]], status: int, code: str, field: str
) -> None:
    name = await filled(counter, 5)
    before = await events(counter, stage)
    items = [taking(name), *(taking(to or name, amount) for to, amount in others)]
    answer = await counter.post(BULK, {"items": items, "atomic": True}, key=name)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)
    assert await events(counter, stage) == before
    assert statuses(await counter.post(BULK, {"items": [items[0]], "atomic": True}, key=name)) == [201], "no key was used"


async def test_all_or_nothing_is_of_the_version_that_if_match_names(counter: Running) -> None:
    name = await filled(counter, 5)
    body = {"items": [taking(name), taking(name)], "atomic": True}
    refused = await counter.post(BULK, body, **{"If-Match": '"7"'})
    assert (refused.status_code, refused.json()["code"], refused.json()["accepted"]) == (412, "precondition_failed", '"1"')
    apart = await counter.post(BULK, {**body, "atomic": False}, **{"If-Match": '"1"'})
    assert (apart.status_code, apart.json()["code"]) == (422, "bulk_without_version")
    assert statuses(await counter.post(BULK, body, **{"If-Match": '"1"'})) == [201, 201]


async def test_a_key_used_otherwise_refuses_all_or_nothing(counter: Running) -> None:
    name = await filled(counter, 5)
    await counter.post(f"/v1/counters/{name}/takings", {"amount": 1}, key="a")
    answer = await counter.post(BULK, {"items": [taking(name), taking(name, 2, "a")], "atomic": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert answer.json()["field"] == "/items/1/idempotency_key"
    assert await total(counter, name) == 4


# What is no bulk


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize(
    ("items", "code", "field"),
    [
        ([], "invalid_request", "/items"),
        ([taking("a")] * 501, "invalid_request", "/items"),
        ("none", "invalid_request", "/items"),
        ([taking("a"), 7], "invalid_request", "/items/1"),
        ([taking("a"), None], "invalid_request", "/items/1"),
        ([taking("a"), {**taking("a"), "amount": "1"}], "invalid_request", "/items/1/amount"),
        ([taking("a"), {**taking("a"), "amount": 0}], "invalid_request", "/items/1/amount"),
        ([{**taking("a"), "more": 1}], "invalid_request", "/items/0/more"),
        ([{**taking("a"), "idempotency_key": "a b"}], "invalid_request", "/items/0/idempotency_key"),
        ([{"counter": "a", "amount": 1}], "invalid_request", "/items/0/idempotency_key"),
        ([taking("a", 1, "k"), taking("a"), taking("b", 2, "k")], "bulk_key_repeated", "/items/2/idempotency_key"),
    ],
)
async def test_what_is_no_bulk_changes_nothing(counter: Running, stage: Stage, items: Any, code: str, field: str, *, atomic: bool) -> None:
    before = await events(counter, stage)
    answer = await counter.post(BULK, {"items": items, "atomic": atomic})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)
    assert answer.json()["detail"]
    assert await events(counter, stage) == before


async def test_a_bulk_over_the_limit_of_bytes_is_refused(counter: Running) -> None:
    answer = await counter.post(BULK, {"items": [taking("a" * 3_000) for _ in range(BODY_LIMIT_BYTES // 3_000)]})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_bulk_needs_a_key_of_its_own(counter: Running) -> None:
    answer = await counter.http.post(BULK, json={"items": [taking("a")]})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
