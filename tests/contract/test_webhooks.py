"""Webhooks: a partner's events, sent to receivers on the loopback, as they come, in their order, until they were taken."""

import asyncio
import gc
import os
import re
import secrets
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from reserve.operate.migrate import ROOT
from services.inventory.events import ProductId
from services.ledger import feed as feeding
from services.ledger.domain.webhooks import MOST_WEBHOOKS
from services.ledger.feed import FeedItem, find
from services.ledger.news import News
from services.ledger.webhooks import sending, targets
from services.ledger.webhooks.sending import FAILS_FOR, Delivery, Webhooks
from services.ledger.webhooks.sending import Webhook as Sent
from shared.process.service import Kernel
from tests.contract.ledger_stage import LedgerStage, receipts_of
from tests.contract.webhook_receiver import Received, Receiver, a_receiver
from tests.kernel.stage import free_port
from tests.stories.stockpile import a_round, award, draw, lot, register
from tests.waiting import HANGS_AFTER_S, until

type Http = httpx.AsyncClient

PRODUCT = ProductId("germanium-hooks")
UNITS = 200
ACTED = "SELECT actor FROM events WHERE stream = 'webhooks/EU' AND data ->> 'webhook' = $1 ORDER BY version"
DELIVERIES = "SELECT number FROM webhook_deliveries WHERE webhook = $1 ORDER BY number"


@pytest.fixture(scope="module")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clock") / "shift"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
async def ledger(stage: LedgerStage, clock_file: Path) -> AsyncIterator[Kernel]:
    """A stockpile that no other test draws from. What fails is tried again soon."""
    registered = msgspec.structs.replace(register(), product=PRODUCT)
    awards = (award("hooks", "EU", UNITS), award("hooks_us", "US", UNITS))
    released = msgspec.structs.replace(a_round(*awards, expires_on=date(2999, 1, 1)), product=PRODUCT, round="rnd_hooks")
    async with stage.ledger(clock_file=clock_file) as kernel:
        kernel.part(Webhooks).first_wait_s = 0.01
        places = await stage.happen(registered, lot("lot_hooks", 2 * UNITS), released, product=PRODUCT)
        async with stage.client("auditor-1") as auditor:
            await receipts_of(auditor, places)  # what is signed later would be news
        yield kernel


@pytest.fixture
async def america(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[Http]:
    async with stage.client("partner-us") as http:
        yield http


async def post(http: Http, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
    return await http.post(f"/v1/webhooks{path}", json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)})


async def said(http: Http, path: str, body: Any = None) -> Any:
    answer = await post(http, path, body)
    assert answer.is_success, answer.text
    return answer.json()


async def shown(http: Http, hook: str) -> Any:
    answer = await http.get(f"/v1/webhooks/{hook}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def a_webhook(http: Http, url: str, **body: Any) -> AsyncIterator[Any]:
    """As it was registered; removed in the end."""
    registered = await said(http, "", {"url": url, **body})
    try:
        yield registered
    finally:
        await said(http, f"/{registered['webhook']}/remove")


async def drawn(stage: LedgerStage, http: Http, count: int, partner: str = "EU", release: str = "rel_hooks") -> list[str]:
    """The feed's ids of so many draws, in its order."""
    places = [
        place
        for _ in range(count)
        for place in await stage.happen(draw(f"drw_{secrets.token_hex(4)}", release, 1, partner=partner), product=PRODUCT)
    ]
    await receipts_of(http, places)
    return [each["id"] for each in await feed(http) if each["place"] in places]


async def feed(http: Http) -> list[Any]:
    answer = await http.get("/v1/feed", params={"limit": 1000})
    assert answer.status_code == 200 and not answer.json()["more"], answer.text
    items: list[Any] = answer.json()["data"]
    return items


async def all_come(receiver: Receiver, ids: list[str]) -> None:
    await until(lambda: len(receiver.ids) >= len(ids))
    assert receiver.ids == ids


async def test_what_comes_is_sent_in_its_order_as_the_feed_gives_it_and_verified_by_others(stage: LedgerStage, europe: Http, america: Http):
    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        ids = await drawn(stage, europe, 3)
        await drawn(stage, america, 1, "US", "rel_hooks_us")
        ids += await drawn(stage, europe, 2)
        await all_come(receiver, ids)
        assert [each.event for each in receiver.taken] == [each for each in await feed(europe) if each["id"] in ids]
        public = Ed25519PublicKey.from_public_bytes(b64decode(registered["public_key"].removeprefix("whpk_")))
        for each in receiver.taken:
            assert each.headers["content-type"] == "application/cloudevents+json"
            assert Webhook(registered["secret"]).verify(each.body, each.headers) == each.event
            content = f"{each.id}.{each.headers['webhook-timestamp']}.".encode() + each.body
            [own] = re.findall(r"v1a,(\S+)", each.headers["webhook-signature"])
            public.verify(b64decode(own), content)
        await until(lambda: _delivered(europe, registered["webhook"], ids[-1]))


async def _delivered(http: Http, hook: str, last: str) -> bool:
    cursor: str | None = (await shown(http, hook))["cursor"]
    return cursor is not None and int(cursor) >= int(last)


async def test_only_the_types_that_it_wants_are_sent(stage: LedgerStage, europe: Http):
    async with a_receiver() as draws, a_receiver() as releases, AsyncExitStack() as stack:
        before = [each["id"] for each in await feed(europe) if each["type"].startswith("inventory.stock_drawn.")]
        await stack.enter_async_context(a_webhook(europe, releases.url, types=["inventory.stock_released"]))
        first = (await feed(europe))[0]["id"]
        await stack.enter_async_context(a_webhook(europe, draws.url, types=["inventory.stock_drawn"], after=first))
        await all_come(draws, before + await drawn(stage, europe, 1))
        assert releases.received == []


async def test_what_fails_is_sent_again_until_it_is_taken_and_nothing_overtakes_it(stage: LedgerStage, europe: Http):
    failures: list[int | None] = [500, None, 503, 302, 404, None]

    async def fails_first(_: Received) -> int | None:
        return failures.pop() if failures else 200

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        receiver.answers = fails_first
        ids = await drawn(stage, europe, 3)
        await all_come(receiver, ids)
        assert [each.id for each in receiver.received] == [ids[0]] * 6 + ids
        rows = await until(lambda: _recorded(europe, registered["webhook"], 9))
        assert [row["event"] for row in reversed(rows)] == [each.id for each in receiver.received]
        outcomes = [(row["outcome"], row["status"]) for row in reversed(rows)]
        cut = ("unreachable", None)
        assert outcomes[:7] == [cut, ("answered", 404), ("answered", 302), ("answered", 503), cut, ("answered", 500), ("delivered", 200)]


async def _recorded(http: Http, hook: str, count: int) -> list[Any]:
    answer = await http.get(f"/v1/webhooks/{hook}/deliveries")
    assert answer.status_code == 200, answer.text
    rows: list[Any] = answer.json()["data"]
    return rows if len(rows) >= count else []


async def test_one_that_never_answers_keeps_no_other_waiting(stage: LedgerStage, europe: Http):
    never = asyncio.Event()

    async def hangs(_: Received) -> int | None:
        await never.wait()
        return None

    async with a_receiver() as slow, a_receiver() as quick, AsyncExitStack() as stack:
        slow.answers = hangs
        await stack.enter_async_context(a_webhook(europe, slow.url))
        await stack.enter_async_context(a_webhook(europe, quick.url))
        ids = await drawn(stage, europe, 5)
        await all_come(quick, ids)
        await until(lambda: slow.received)
        assert {each.id for each in slow.received} == {ids[0]}
        never.set()


async def test_one_that_a_bug_breaks_begins_again_and_ends_no_other(
    stage: LedgerStage, europe: Http, ledger: Kernel, monkeypatch: pytest.MonkeyPatch
):
    sender, broken = ledger.part(Webhooks), 2
    attempt = sender.attempt

    async def breaks(webhook: Sent, event: str, body: bytes) -> Delivery:
        nonlocal broken
        if webhook.url == one.url and broken:
            broken -= 1
            raise KeyError("a bug")
        return await attempt(webhook, event, body)

    monkeypatch.setattr(sender, "attempt", breaks)
    async with a_receiver() as one, a_receiver() as other, AsyncExitStack() as stack:
        for receiver in (one, other):
            await stack.enter_async_context(a_webhook(europe, receiver.url))
        ids = await drawn(stage, europe, 3)
        await all_come(other, ids)
        await all_come(one, ids)
        assert broken == 0


async def test_while_a_secret_is_rotated_a_receiver_needs_either(stage: LedgerStage, europe: Http):
    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as first:
        path = f"/{first['webhook']}/secrets"

        async def signed_by(secret: Any) -> Received | None:
            """One more event, if the sender has heard of the secret already."""
            ids = await drawn(stage, europe, 1)
            await until(lambda: receiver.ids[-1:] == ids)
            try:
                Webhook(secret["secret"]).verify(receiver.taken[-1].body, receiver.taken[-1].headers)
            except WebhookVerificationError:
                return None
            return receiver.taken[-1]

        second = await said(europe, path, {"overlap_h": 24})
        both = await until(lambda: signed_by(second))
        third = await said(europe, path, {"overlap_h": 0})
        last = await until(lambda: signed_by(third))
        assert [first["number"], second["number"], third["number"]] == [1, 2, 3]
        assert Webhook(first["secret"]).verify(both.body, both.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(second["secret"]).verify(last.body, last.headers)
        assert (await shown(europe, first["webhook"]))["public_keys"] == [third["public_key"]]


async def test_who_asks_for_a_secret_again_by_the_same_key_has_the_same_and_nobody_else_is_shown_it(europe: Http, ledger: Kernel):
    body = {"url": "http://127.0.0.1:9/"}
    answers = [(await post(europe, "", body, key="the-same")).json() for _ in range(2)]
    assert answers[0] == answers[1]
    hook, secret = answers[0]["webhook"], answers[0]["secret"]
    shows = [
        await europe.get("/v1/webhooks"),
        await europe.get(f"/v1/webhooks/{hook}"),
        await europe.get(f"/v1/webhooks/{hook}/deliveries"),
    ]
    assert all(each.status_code == 200 and secret.removeprefix("whsec_") not in each.text for each in shows)
    events = await ledger.pool.fetch("SELECT data::text FROM events WHERE stream = 'webhooks/EU'")
    assert events and all(secret.removeprefix("whsec_") not in row["data"] for row in events)
    await said(europe, f"/{hook}/remove")


async def test_everything_after_any_id_is_sent_again(stage: LedgerStage, europe: Http):
    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        ids = await drawn(stage, europe, 4)
        await all_come(receiver, ids)
        await said(europe, f"/{registered['webhook']}/replay", {"after": ids[1]})
        await all_come(receiver, ids + ids[2:])
        receiver.taken.clear()
        await said(europe, f"/{registered['webhook']}/replay", {})
        await all_come(receiver, [each["id"] for each in await feed(europe)])
        beyond = await post(europe, f"/{registered['webhook']}/replay", {"after": "123456789"})
        assert (beyond.status_code, beyond.json()["code"]) == (404, "feed_id_unknown")


async def test_one_that_has_failed_for_three_days_is_stopped_and_goes_on_where_it_was(
    stage: LedgerStage, europe: Http, ledger: Kernel, clock_file: Path
):
    async def fails(_: Received) -> int:
        return 500

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        hook = registered["webhook"]
        receiver.answers = fails
        ids = await drawn(stage, europe, 2)
        await until(lambda: len(receiver.received) >= 3)
        failing = await until(lambda: _failing(europe, hook))
        assert failing["stopped"] is None and failing["failures"] >= 1
        clock_file.write_text(str(FAILS_FOR / timedelta(seconds=1)))  # noqa: ASYNC240  # a few bytes
        stopped = await until(lambda: _stopped(europe, hook))
        assert (stopped["stopped"], receiver.ids) == ("failing", [])

        async def recovered(_: Received) -> int:
            return 200

        receiver.answers = recovered
        await said(europe, f"/{hook}/resume")
        await all_come(receiver, ids)
        assert (await until(lambda: _well(europe, hook)))["stopped"] is None


async def _failing(http: Http, hook: str) -> Any:
    view = await shown(http, hook)
    return view if view["failing_since"] is not None else None


async def _well(http: Http, hook: str) -> Any:
    view = await shown(http, hook)
    return view if view["failing_since"] is None and view["cursor"] is not None else None


async def _stopped(http: Http, hook: str) -> Any:
    view = await shown(http, hook)
    return view if view["stopped"] is not None else None


async def test_while_one_waits_to_be_tried_again_nothing_of_what_it_misses_is_in_memory(
    stage: LedgerStage, europe: Http, ledger: Kernel, monkeypatch: pytest.MonkeyPatch
):
    async def fails(_: Received) -> int:
        return 500

    async def takes(_: Received) -> int:
        return 200

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        hook = registered["webhook"]
        with monkeypatch.context() as patch:
            patch.setattr(ledger.part(Webhooks), "first_wait_s", 3600.0)
            receiver.answers = fails
            ids = await drawn(stage, europe, 3)
            await until(lambda: _failing(europe, hook))
            await until(lambda: not [each for each in gc.get_objects() if type(each) is FeedItem and each.id in ids])
        receiver.answers = takes
        await said(europe, f"/{hook}/stop")
        await said(europe, f"/{hook}/resume")
        await all_come(receiver, ids)


async def test_what_is_read_at_once_is_few_bytes_and_nothing_is_left_out(stage: LedgerStage, europe: Http, ledger: Kernel):
    await drawn(stage, europe, 4)
    whole = await find(ledger, "EU", 0, 1000)
    longest = max(len(each.hashed.encode()) for each in whole.items)
    for limit_bytes, most in ((1, 1), (2 * longest, 2 * longest + longest)):
        read, since, more = [], 0, True
        while more:
            found = await find(ledger, "EU", since, 1000, (), limit_bytes)
            assert sum(len(each.hashed.encode()) for each in found.items) <= max(most, longest)
            read, since, more = read + found.items, found.next, found.more
        assert read == whole.items and since == whole.next


async def test_rare_types_are_looked_for_a_few_leaves_at_a_time_and_all_are_found(
    stage: LedgerStage, europe: Http, ledger: Kernel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeding, "WALK", 2)
    monkeypatch.setattr(sending, "WALK", 2)
    ids = await drawn(stage, europe, 4)
    wanted, since, more, read = ("inventory.stock_released",), 0, True, []
    while more:
        found = await find(ledger, "EU", since, 100, wanted)
        assert since < found.next <= since + 2
        read, since, more = read + found.items, found.next, found.more
    everything = await find(ledger, "EU", 0, 1000)
    assert read == [each for each in everything.items if each.type.startswith("inventory.stock_released.")] != []
    assert since <= everything.next
    async with a_receiver() as receiver, a_webhook(europe, receiver.url, types=list(wanted), after="0") as registered:
        await until(lambda: _delivered(europe, registered["webhook"], ids[-1]))  # it looked at those as well, and says so
        assert receiver.ids == [each.id for each in read if int(each.id) > 0]


async def test_one_that_answers_that_it_is_gone_is_stopped_at_once(stage: LedgerStage, europe: Http):
    async def gone(_: Received) -> int:
        return 410

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        receiver.answers = gone
        await drawn(stage, europe, 1)
        assert (await until(lambda: _stopped(europe, registered["webhook"])))["stopped"] == "gone"
        assert len(receiver.received) == 1


async def test_one_that_its_partner_stops_is_sent_what_it_missed_when_it_is_resumed(stage: LedgerStage, europe: Http):
    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        path = f"/{registered['webhook']}"
        first = await drawn(stage, europe, 1)
        await all_come(receiver, first)
        await said(europe, f"{path}/stop")
        again = await post(europe, f"{path}/stop")
        assert (again.status_code, again.json()["code"]) == (409, "webhook_already_stopped")
        missed = await drawn(stage, europe, 2)
        await said(europe, f"{path}/resume")
        await all_come(receiver, first + missed)
        again = await post(europe, f"{path}/resume")
        assert (again.status_code, again.json()["code"]) == (409, "webhook_not_stopped")


async def test_one_that_the_reserve_stops_is_sent_nothing_until_it_says_so_and_who_did_what_is_recorded(
    stage: LedgerStage, europe: Http, ledger: Kernel
):
    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        path = f"/{registered['webhook']}"
        first = await drawn(stage, europe, 1)
        await all_come(receiver, first)
        async with stage.client("auditor-1") as auditor, stage.client("operator-1") as operator:
            answer = await post(auditor, f"{path}/stop")
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            absent = await post(operator, f"/{path[1:-1]}{'0' if path[-1] != '0' else '1'}/stop")
            assert (absent.status_code, absent.json()["code"]) == (404, "webhook_not_found")
            await said(operator, f"{path}/stop")
            await until(lambda: "EU" not in ledger.part(News)._waiting)  # the sender has heard of it
            missed = await drawn(stage, europe, 2)
            for act in ("/resume", "/test"):
                answer = await post(europe, path + act)
                assert (answer.status_code, answer.json()["code"]) == (409, "webhook_stopped_by_reserve")
            assert (await shown(europe, registered["webhook"]))["stopped"] == "reserve"
            assert [each.id for each in receiver.received] == first
            await said(operator, f"{path}/resume")
        await all_come(receiver, first + missed)
    rows = await ledger.pool.fetch(ACTED, registered["webhook"])
    registers, stops, resumes, removes = [row["actor"] for row in rows]
    assert registers == removes != stops == resumes


async def test_a_test_event_is_sent_at_once_and_what_became_of_it_is_answered(europe: Http):
    async def refuses(_: Received) -> int:
        return 418

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        path = f"/{registered['webhook']}"
        sent = await said(europe, f"{path}/test")
        [received] = receiver.received
        assert (sent["outcome"], sent["status"], sent["event"]) == ("delivered", 200, received.id)
        assert Webhook(registered["secret"]).verify(received.body, received.headers)["type"] == "reserve.webhook_test.v1"
        receiver.answers = refuses
        sent = await said(europe, f"{path}/test")
        assert (sent["outcome"], sent["status"]) == ("answered", 418)
        [last, first] = (await europe.get(f"/v1/webhooks{path}/deliveries", params={"limit": 200})).json()["data"]
        assert (last["status"], first["status"]) == (418, 200)
        page = (await europe.get(f"/v1/webhooks{path}/deliveries", params={"limit": 1})).json()
        rest = (await europe.get(f"/v1/webhooks{path}/deliveries", params={"limit": 1, "before": page["next"]})).json()
        assert (page["data"], rest["data"], rest["next"]) == ([last], [first], None)


async def test_one_webhook_is_tested_once_at_a_time_and_a_partner_waits_for_few(
    europe: Http, america: Http, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(targets, "ANSWER_S", HANGS_AFTER_S)
    answered = asyncio.Event()

    async def hangs(_: Received) -> int:
        await answered.wait()
        return 200

    async with a_receiver() as receiver, AsyncExitStack() as stack:
        receiver.answers = hangs
        hooks = [(await stack.enter_async_context(a_webhook(europe, receiver.url)))["webhook"] for _ in range(3)]
        others = (await stack.enter_async_context(a_webhook(america, receiver.url)))["webhook"]
        async with asyncio.timeout(HANGS_AFTER_S), asyncio.TaskGroup() as testing:
            try:
                first = testing.create_task(said(europe, f"/{hooks[0]}/test"))
                await until(lambda: len(receiver.received) == 1)
                again = await post(europe, f"/{hooks[0]}/test")
                second = testing.create_task(said(europe, f"/{hooks[1]}/test"))
                await until(lambda: len(receiver.received) == 2)
                refused = [again, await post(europe, f"/{hooks[2]}/test"), await post(europe, "", {"url": receiver.url})]
                for answer in refused:
                    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_webhook_tests"), answer.text
                    assert answer.headers["retry-after"] == "5"
                third = testing.create_task(said(america, f"/{others}/test"))
                await until(lambda: len(receiver.received) == 3)
            finally:
                answered.set()
        assert {(await each)["outcome"] for each in (first, second, third)} == {"delivered"}
        await said(europe, f"/{hooks[0]}/test")


async def test_of_deliveries_the_last_are_kept_of_tests_too_and_none_of_one_that_is_removed(
    europe: Http, ledger: Kernel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "KEPT_DELIVERIES", 3)

    async def kept() -> list[int]:
        return [row["number"] for row in await ledger.pool.fetch(DELIVERIES, registered["webhook"])]

    async with a_receiver() as receiver, a_webhook(europe, receiver.url) as registered:
        path = f"/{registered['webhook']}/test"
        sent = [(await said(europe, path))["number"] for _ in range(5)]
        assert await kept() == sent[-3:]

    async def all_forgotten() -> bool:
        return await kept() == []

    await until(all_forgotten)


async def test_anothers_webhook_is_one_that_is_not_there(stage: LedgerStage, europe: Http, america: Http):
    async with a_webhook(europe, "http://127.0.0.1:9/") as registered:
        path = f"/{registered['webhook']}"
        acts = {"/secrets": {}, "/test": None, "/replay": {}, "/stop": None, "/resume": None, "/remove": None}
        answers = [await post(america, path + act, body) for act, body in acts.items()]
        answers += [await america.get(f"/v1/webhooks{path}"), await america.get(f"/v1/webhooks{path}/deliveries")]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found"), answer.text
        assert registered["webhook"] not in (await america.get("/v1/webhooks")).text
        assert (await shown(europe, registered["webhook"]))["secret"] == 1, "nothing has changed"
        async with stage.client("auditor-1") as auditor:
            assert registered["webhook"] in (await auditor.get("/v1/webhooks")).text
            refused = await post(auditor, "", {"url": "https://hooks.example/"})
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"url": "https://169.254.169.254/latest/"}, 422, "webhook_target_refused", "/url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, 422, "webhook_target_refused", "/url"),
        ({"url": "http://10.0.0.1/"}, 422, "webhook_target_refused", "/url"),
        ({"url": "file:///etc/passwd"}, 422, "webhook_target_refused", "/url"),
        ({"url": "https://ann:secret@127.0.0.1/"}, 422, "webhook_target_refused", "/url"),
        ({"url": ""}, 422, "invalid_request", None),
        ({"url": "https://" + "a" * 600}, 422, "invalid_request", None),
        ({"url": "http://127.0.0.1:9/", "types": ["inventory.no_such"]}, 422, "webhook_type_unknown", "/types/0"),
        ({"url": "http://127.0.0.1:9/", "types": ["inventory.stock_drawn.v1"]}, 422, "invalid_request", None),
        ({"url": "http://127.0.0.1:9/", "after": "123456789"}, 404, "feed_id_unknown", "/after"),
        ({"url": "http://127.0.0.1:9/", "after": "made up"}, 422, "invalid_request", None),
        ({"url": "http://127.0.0.1:9/", "secret": "mine"}, 422, "invalid_request", None),
        ({}, 422, "invalid_request", None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_registered_is_a_problem_and_registers_nothing(
    europe: Http, body: Any, status: int, code: str, field: str | None
):
    answer = await post(europe, "", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert field is None or answer.json()["field"] == field
    assert (await europe.get("/v1/webhooks")).json()["data"] == []


async def test_a_partner_has_so_many_and_no_more(europe: Http):
    async with AsyncExitStack() as stack:
        for _ in range(MOST_WEBHOOKS):
            await stack.enter_async_context(a_webhook(europe, "http://127.0.0.1:9/"))
        one_more = await post(europe, "", {"url": "http://127.0.0.1:9/"})
        assert (one_more.status_code, one_more.json()["code"]) == (409, "too_many_webhooks")


async def test_the_receiver_in_the_partners_page_takes_what_is_signed_and_nothing_else(stage: LedgerStage, europe: Http, tmp_path: Path):
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    assert program.count("\n") <= 24
    (file := tmp_path / "receiver.py").write_text(program)
    url = f"http://127.0.0.1:{(port := free_port())}/"
    async with a_webhook(europe, url) as registered:
        environment = {**os.environ, "WEBHOOK_SECRET": registered["secret"]}
        process = await asyncio.create_subprocess_exec(sys.executable, file, str(port), env=environment, stdout=asyncio.subprocess.PIPE)
        try:
            [first] = await drawn(stage, europe, 1)
            assert process.stdout is not None
            assert (await process.stdout.readline()).decode() == f"{first} inventory.stock_drawn.v1\n"
            async with httpx.AsyncClient() as stranger:
                assert (await stranger.post(url, content=b"{}")).status_code == 401
            [second] = await drawn(stage, europe, 1)
            assert (await process.stdout.readline()).decode().startswith(f"{second} ")
        finally:
            process.kill()
            await process.wait()
