"""The feed: a partner's events in the log's order, as pages and as a stream, each proving itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import date
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from services.identity.tokens import Claims, TokenSigner
from services.inventory.events import ProductId
from services.ledger.api.feed import KEEPALIVE_S
from services.ledger.news import MOST, MOST_OF_ONE, News
from services.ledger.tiles import decode_bundle, parse_tile_path
from services.registry import service
from shared.http.auth import FRESH_S, LEEWAY_S, TokenVerifier
from shared.http.problems import Problem
from shared.journal.record import leaf_data
from shared.process.app import create_app
from shared.process.service import Kernel
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.merkle import hash_leaf, root_of
from tests.contract.ledger_stage import LedgerStage, bundle_of, receipts_of, rows, tiles_of
from tests.kernel.stage import free_port, serve
from tests.stories.stockpile import a_round, award, draw, lot, register
from tests.waiting import HANGS_AFTER_S, until

type Http = httpx.AsyncClient

PRODUCT = ProductId("tungsten")
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
async def ledger(stage: LedgerStage) -> AsyncIterator[Kernel]:
    """A stockpile that no other test draws from."""
    registered = msgspec.structs.replace(register(), product=PRODUCT)
    released = msgspec.structs.replace(a_round(award("feed", "EU", 20), expires_on=date(2999, 1, 1)), product=PRODUCT, round="rnd_feed")
    async with stage.ledger() as kernel:
        await stage.happen(registered, lot("lot_feed", 20), released, product=PRODUCT)
        yield kernel


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


class Elsewhere(msgspec.Struct):
    """Another process of the ledger, with an issuer of its own."""

    url: str
    signer: TokenSigner
    verifier: TokenVerifier
    issuer: "Issuer"
    serving: AsyncExitStack
    kernel: Kernel

    def client(self, left_s: int = 900) -> Http:
        """With a token of a partner that holds for so many seconds yet."""
        claims = Claims(subject="sub_eu", client_id="partner-eu", roles=("partner",), partner="EU", lifetime_s=left_s - LEEWAY_S)
        bearer = {"Authorization": f"Bearer {self.signer.sign(claims)}"}
        return httpx.AsyncClient(base_url=self.url, headers=bearer, timeout=HANGS_AFTER_S)


class Issuer:
    def __init__(self) -> None:
        self.published: Any = {"keys": []}
        self.app = FastAPI()
        self.app.get("/jwks")(self.jwks)

    async def jwks(self) -> Any:
        return self.published


@pytest.fixture
async def elsewhere(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[Elsewhere]:
    issuer, own_issuer, port = Issuer(), free_port(), free_port()
    signer = TokenSigner(ECKey.generate_key("P-256"), issuer=stage.urls["identity"], audience="reserve")
    issuer.published = signer.published()
    app = create_app(service("ledger"), stage.settings("ledger", jwks_url=f"http://127.0.0.1:{own_issuer}/jwks"))
    async with serve(issuer.app, own_issuer), AsyncExitStack() as serving:
        await serving.enter_async_context(serve(app, port))
        yield Elsewhere(f"http://127.0.0.1:{port}", signer, app.state.verifier, issuer, serving, app.state.kernel)


async def at_the_end(stage: LedgerStage, europe: Http, http: Http, name: str) -> dict[str, str]:
    """After all that there is of the partner, once the other process knows it."""
    place = await drawn(stage, europe, name)

    async def known() -> str | None:
        read = await page(http, limit=1000)
        return read["cursor"] if [each["place"] for each in read["data"][-1:]] == [place] else None

    found = await until(known)
    assert found is not None
    return {"after": found}


async def expires(elsewhere: Elsewhere, _http: Http) -> None:
    now = elsewhere.verifier._now
    elsewhere.verifier._now = lambda: now() + 3600


async def loses_its_key(elsewhere: Elsewhere, http: Http) -> None:
    keys = elsewhere.verifier._keys
    elsewhere.issuer.published = TokenSigner(ECKey.generate_key("P-256"), issuer="another", audience="reserve").published()
    keys._now = lambda now=keys._now: now() + FRESH_S  # type: ignore[misc]

    async def is_known() -> bool:
        return (await http.get("/v1/feed")).status_code == 401

    await until(is_known)


@pytest.mark.parametrize("ends", [expires, loses_its_key])
async def test_a_stream_ends_with_its_token_and_gives_nothing_that_comes_later(
    stage: LedgerStage, elsewhere: Elsewhere, europe: Http, ends: Callable[[Elsewhere, Http], Awaitable[None]]
):
    async with asyncio.timeout(HANGS_AFTER_S), elsewhere.client() as http:
        last = await at_the_end(stage, europe, http, f"drw_before_{ends.__name__}")
        async with http.stream("GET", "/v1/feed", params=last, headers=STREAM) as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith(":")
            await ends(elsewhere, http)
            await drawn(stage, europe, f"drw_{ends.__name__}")
            async for line in lines:
                assert not line.startswith("data:"), "its token does not hold any more"


async def test_what_waits_ends_when_its_token_does(stage: LedgerStage, elsewhere: Elsewhere, europe: Http):
    async with elsewhere.client() as http:
        last = await at_the_end(stage, europe, http, "drw_before_waiting")
    left_s = 1
    while True:
        left_s *= 2  # on a slow machine a token is over before its request is there
        async with (
            asyncio.timeout(HANGS_AFTER_S),
            elsewhere.client(left_s) as http,
            http.stream("GET", "/v1/feed", params=last, headers=STREAM) as stream,
        ):
            if stream.status_code == 401:
                continue
            waited = await http.get("/v1/feed", params=last | {"wait": 25})
            assert (waited.status_code, waited.json()["code"]) == (401, "token_expired")
            said = [line async for line in stream.aiter_lines() if line]
            assert len(said) <= 1 + left_s / KEEPALIVE_S and all(line.startswith(":") for line in said)
            return


async def test_streams_and_waits_end_with_their_service(stage: LedgerStage, elsewhere: Elsewhere, europe: Http):
    """Cleanly, and without its waiting for them until it cuts them off."""
    async with asyncio.timeout(HANGS_AFTER_S), elsewhere.client() as http, asyncio.TaskGroup() as waiting:
        last = await at_the_end(stage, europe, http, "drw_before_the_end")
        async with http.stream("GET", "/v1/feed", params=last, headers=STREAM) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            read = waiting.create_task(page(http, **last, wait=25))
            receipt = waiting.create_task(http.get("/v1/receipts/inventory/0/999999", params={"wait": 10}))
            await until(lambda: len(elsewhere.kernel._waits) == 3)
            await elsewhere.serving.aclose()
            assert [line async for line in lines if line] == []
        assert (await read)["data"] == []
        assert (await receipt).json()["code"] == "receipt_not_ready"


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
