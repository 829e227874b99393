"""The feed: a partner's events in the log's order, as pages and as a stream, each proving itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from datetime import date
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from services.inventory.events import ProductId
from services.ledger.news import MOST, MOST_OF_ONE, News
from services.ledger.tiles import decode_bundle, parse_tile_path
from shared.http.problems import Problem
from shared.journal.record import leaf_data
from shared.process.service import Kernel
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.merkle import hash_leaf, root_of
from tests.contract.ledger_stage import LedgerStage, bundle_of, receipts_of, rows, tiles_of
from tests.stories.stockpile import a_round, award, draw, lot, register
from tests.waiting import HANGS_AFTER_S, until

type Http = httpx.AsyncClient

PRODUCT = ProductId("tungsten")
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
async def ledger(stage: LedgerStage) -> AsyncIterator[Kernel]:
    """A stockpile that no other test draws from."""
    registered = msgspec.structs.replace(register(), product=PRODUCT)
    released = msgspec.structs.replace(a_round(award("feed", "EU", 8), expires_on=date(2999, 1, 1)), product=PRODUCT, round="rnd_feed")
    async with stage.ledger() as kernel:
        await stage.happen(registered, lot("lot_feed", 8), released, product=PRODUCT)
        yield kernel


@pytest.fixture
async def europe(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[Http]:
    async with stage.client("partner-eu") as http:
        yield http


@pytest.fixture
async def auditor(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[Http]:
    async with stage.client("auditor-1") as http:
        yield http


async def page(http: Http, **query: Any) -> Any:
    answer = await http.get("/v1/feed", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def whole(http: Http, limit: int) -> list[Any]:
    """The feed from its first event, in pages of so many."""
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        read = await page(http, limit=limit, **after)
        found += read["data"]
        after = {"after": read["cursor"]}
        if not read["more"]:
            return found


async def drawn(stage: LedgerStage, http: Http, name: str) -> str:
    [place] = await stage.happen(draw(name, "rel_feed", 1, partner="EU"), product=PRODUCT)
    await receipts_of(http, [place])
    return place


async def test_a_partner_has_all_of_its_events_in_the_logs_order_and_no_others(stage: LedgerStage, europe: Http, auditor: Http):
    await drawn(stage, europe, "drw_feed")
    found = await whole(europe, 2)
    entries = [row for row in await rows(auditor, "/v1/entries") if row["partner"] == "EU"]
    assert [(each["place"], each["leafindex"], each["hashed"]) for each in found] == [
        (row["place"], row["leaf_index"], row["hashed"]) for row in entries
    ]
    assert {each["partner"] for each in found} == {"EU"}
    numbers = [each["partnerseq"] for each in found if each["source"] == "/inventory/0"]
    assert numbers == list(range(1, len(numbers) + 1)), "gapless: it knows that it has all"
    assert found[-1]["data"]["draw"] == "drw_feed" and found[-1]["type"] == "inventory.stock_drawn.v1"
    assert len(await whole(auditor, 1000)) > len(found)


async def test_each_item_opens_its_leaf_under_the_pages_checkpoint(stage: LedgerStage, europe: Http):
    place = await drawn(stage, europe, "drw_proves")
    read = await page(europe, limit=1000)
    item = read["data"][-1]
    salt = bytes.fromhex(item["salt"])
    own = sha256(b"\x01" + salt + item["hashed"].encode()).digest()
    assert (item["place"], item["eventhash"]) == (place, own.hex()) and msgspec.json.decode(item["hashed"])["data"] == item["data"]
    head = open_checkpoint(read["checkpoint"], [stage.key]).head
    tiles = tiles_of(head.size)
    leaves = [leaf for tile in tiles for leaf in decode_bundle((await bundle_of(europe, tile)).content)]
    assert leaves[item["leafindex"]] == leaf_data(salt, item["place"], own)
    assert root_of([hash_leaf(leaf) for leaf in leaves]) == head.root
    assert [parse_tile_path(tile.path) for tile in tiles] == tiles


async def test_who_waits_is_given_what_comes_and_nothing_of_others(stage: LedgerStage, europe: Http):
    cursor = (await page(europe, limit=1000))["cursor"]
    async with asyncio.timeout(HANGS_AFTER_S):
        waiting = asyncio.create_task(page(europe, after=cursor, wait=25))
        place = await drawn(stage, europe, "drw_awaited")
        assert [each["place"] for each in (await waiting)["data"]] == [place]
    empty = await page(europe, after=(await page(europe, limit=1000))["cursor"])
    assert empty["data"] == [] and empty["cursor"] is not None and not empty["more"]


async def test_a_stream_goes_on_after_the_last_item_that_arrived(stage: LedgerStage, europe: Http):
    first = await drawn(stage, europe, "drw_streamed")
    last = (await page(europe, limit=1000))["data"][-1]
    before = str(last["leafindex"] - 1)
    async with asyncio.timeout(HANGS_AFTER_S), europe.stream("GET", "/v1/feed", headers=STREAM | {"Last-Event-ID": before}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        told = [await _event(lines)]
        second = await drawn(stage, europe, "drw_live")
        told.append(await _event(lines))
    assert [msgspec.json.decode(each["data"])["place"] for each in told] == [first, second]
    assert (told[0]["id"], told[0]["event"]) == (last["id"], last["type"])


async def _event(lines: AsyncIterator[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    async for line in lines:
        if not line and fields:
            break
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
    return fields


async def test_one_client_has_few_streams_and_waits_at_once(europe: Http, auditor: Http):
    last = {"after": (await page(europe, limit=1000))["cursor"]}
    async with asyncio.timeout(HANGS_AFTER_S), AsyncExitStack() as open_ones:
        for _ in range(MOST_OF_ONE):
            answer = await open_ones.enter_async_context(europe.stream("GET", "/v1/feed", params=last, headers=STREAM))
            assert answer.status_code == 200
        for query, headers in (({}, STREAM), ({"wait": 25}, {})):
            refused = await europe.get("/v1/feed", params=last | query, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_readers")
            assert refused.headers["retry-after"] == "5"
        await page(europe, **last)
        async with auditor.stream("GET", "/v1/feed", headers=STREAM) as another:
            assert another.status_code == 200

    async def is_let_in_again() -> bool:
        async with europe.stream("GET", "/v1/feed", params=last, headers=STREAM) as answer:
            return answer.status_code == 200

    await until(is_let_in_again)


async def test_all_readers_together_are_bounded(ledger: Kernel):
    news = News(ledger)
    with ExitStack() as waiting:
        for number in range(MOST):
            waiting.enter_context(news.of("EU", f"client {number}"))
        with pytest.raises(Problem) as refused, news.of("EU", "another"):
            pass
        assert refused.value.code == "too_many_readers"
    with news.of("EU", "another"):
        pass


async def test_a_process_that_has_just_started_wakes_whoever_waits(ledger: Kernel):
    news = News(ledger)
    with news.of("of whom nothing is logged", "client") as told:
        await news._tell(0)
        assert told.is_set()


@pytest.mark.parametrize("headers", [{}, STREAM], ids=["page", "stream"])
@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"after": "999999999"}, 404, "feed_id_unknown", "query:after"),
        ({"after": "2-0"}, 404, "feed_id_unknown", "query:after"),
        ({"after": "1-0"}, 422, "invalid_request", "query:after"),
        ({"after": "007"}, 422, "invalid_request", "query:after"),
        ({"after": "eyJhIjoxfQ"}, 422, "invalid_request", "query:after"),
    ],
)
async def test_an_id_that_the_feed_never_gave_is_a_problem(
    europe: Http, headers: dict[str, str], query: dict[str, str], status: int, code: str, field: str
):
    answer = await europe.get("/v1/feed", params=query, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert field in answer.text


async def test_no_feed_without_a_token_or_of_somebody_else(stage: LedgerStage, ledger: Kernel):
    async with httpx.AsyncClient(base_url=stage.urls["ledger"]) as nobody:
        assert (await nobody.get("/v1/feed")).status_code == 401
    for name in ("operator-1", "allocation"):
        async with stage.client(name) as other:
            assert (await other.get("/v1/feed", headers=STREAM)).json()["code"] == "forbidden", name
