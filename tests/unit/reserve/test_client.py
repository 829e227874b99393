"""The client of the APIs, against a server that answers as it is told to."""

import asyncio
import gzip
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from reserve.client import Client, GivenToken, ProblemAnswer
from reserve.inflating import ANSWER_BYTES, AnswerRefused
from shared.delivery.tokens import TokenSource
from tests.waiting import HANGS_AFTER_S

type Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Gives its answers one after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.tokens = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 300})
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)

    def client(self, patience_s: float = 0.0) -> Client:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        tokens = TokenSource("http://reserve/oauth/token", "operator-1", "secret", http=http)
        return Client("http://reserve/", tokens, patience_s=patience_s, http=http)


def ok(content: object) -> Answer:
    return lambda _: httpx.Response(200, json=content)


def unavailable(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json={"code": "overloaded", "detail": "too many commands wait"})


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody listens", request=request)


async def test_every_call_carries_a_token_that_is_fetched_once() -> None:
    server = Server(ok({"lot": "lot_1"}))
    async with server.client() as client:
        assert await client.get("/inventory/v1/lots/lot_1", at_least="inventory/0/3", cursor=None) == {"lot": "lot_1"}
        await client.get("/inventory/v1/lots/lot_1")
    assert server.tokens == 1
    assert {request.headers["authorization"] for request in server.asked} == {"Bearer token-1"}
    assert str(server.asked[0].url) == "http://reserve/inventory/v1/lots/lot_1?at_least=inventory%2F0%2F3"


async def test_each_post_has_an_idempotency_key_of_its_own_or_the_one_given() -> None:
    server = Server(ok({}))
    async with server.client() as client:
        await client.post("/inventory/v1/lots", {"units": 1})
        await client.post("/inventory/v1/lots", {"units": 1})
        await client.post("/inventory/v1/lots", key="mine", if_match='"3"')
    first, second, third = (request.headers["idempotency-key"] for request in server.asked)
    assert first != second
    assert third == "mine"
    assert server.asked[2].headers["if-match"] == '"3"'
    assert server.asked[0].content == b'{"units":1}'


async def test_a_problem_is_raised_with_its_code_status_field_and_document() -> None:
    document = {"code": "release_exceeded", "status": 409, "detail": "3 g are left", "field": "/mass_g", "accepted": "at most 3"}
    async with Server(lambda _: httpx.Response(409, json=document)).client() as client:
        with pytest.raises(ProblemAnswer, match="release_exceeded") as raised:
            await client.post("/inventory/v1/releases/rel_1/draws", {"mass_g": 4})
    problem = raised.value
    assert (problem.code, problem.status, problem.field, problem.document) == ("release_exceeded", 409, "/mass_g", document)


@pytest.mark.parametrize("body", [b"Bad gateway", b"", b"[1]"])
async def test_an_error_that_is_no_problem_document_has_its_status_as_code(body: bytes) -> None:
    async with Server(lambda _: httpx.Response(500, content=body)).client() as client:
        with pytest.raises(ProblemAnswer) as raised:
            await client.get("/inventory/v1/lots")
    assert (raised.value.code, raised.value.status) == ("http_500", 500)


async def test_without_patience_the_first_answer_counts() -> None:
    server = Server(unavailable)
    async with server.client() as client:
        with pytest.raises(ProblemAnswer, match="overloaded"):
            await client.post("/inventory/v1/lots", {})
    assert len(server.asked) == 1


def limited(_: httpx.Request) -> httpx.Response:
    return httpx.Response(429, json={"code": "rate_limited", "detail": "wait"}, headers={"retry-after": "1"})


async def test_a_call_that_came_too_soon_is_repeated_without_any_patience() -> None:
    server = Server(limited, ok({"lot": "lot_1"}))
    async with server.client() as client:
        assert await client.post("/inventory/v1/lots", {}) == {"lot": "lot_1"}
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 1
    assert len(server.asked) == 2


async def test_with_patience_a_post_is_repeated_under_the_same_key_until_it_is_answered() -> None:
    server = Server(unreachable, unavailable, ok({"lot": "lot_1"}))
    async with server.client(patience_s=HANGS_AFTER_S) as client:
        assert await client.post("/inventory/v1/lots", {}) == {"lot": "lot_1"}
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 1
    assert len(server.asked) == 3


async def test_what_takes_long_to_be_answered_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("reserve.client.SAY_EVERY_S", 0.0)
    server = Server(unreachable, unavailable, ok({}))
    async with server.client(patience_s=math.inf) as client:
        await client.post("/inventory/v1/lots", {})
    first, second = capsys.readouterr().err.splitlines()
    asked = re.escape("POST /inventory/v1/lots")
    assert re.fullmatch(rf"reserve: still waiting for an answer to {asked}, \d+ s \(ConnectError\('nobody listens'\)\)", first)
    assert second.endswith("(503 too many commands wait)")


async def test_the_rows_of_a_list_come_through_all_of_its_pages() -> None:
    server = Server(ok({"data": [1, 2], "next": "abc"}), ok({"data": [3], "next": None}))
    async with server.client() as client:
        assert [row async for row in client.rows("/ledger/v1/entries", limit=2)] == [1, 2, 3]
    assert [request.url.params.get("cursor") for request in server.asked] == [None, "abc"]


@asynccontextmanager
async def listening(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on a socket; `b""` closes the connection in place of an answer. Gives its address, and what it is asked."""
    left, asked = list(answers), list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left:
            try:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                break
            if not (given := left.pop(0)):
                break
            writer.write(given)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base", asked


def written(status: str, body: bytes, *headers: bytes) -> bytes:
    more = b"".join(b"%s\r\n" % header for header in headers)
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status.encode(), more, len(body), body)


async def test_who_asks_for_very_many_gets_the_bytes_on_a_connection_that_is_kept() -> None:
    async with listening(written("200 OK", b"one"), written("200 OK", b"two")) as (url, asked), Client(url, GivenToken("t")) as client:
        assert [await client.content("/a", after=3, cursor=None), await client.content("/b")] == [b"one", b"two"]
    assert [line.split(b"\r\n")[0] for line in asked] == [b"GET /base/a?after=3 HTTP/1.1", b"GET /base/b HTTP/1.1"]
    assert all(b"authorization: Bearer t" in each for each in asked)


async def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with listening(written("200 OK", b"one"), b"", written("200 OK", b"two")) as (url, asked), Client(url, GivenToken("t")) as client:
        assert [await client.content("/a"), await client.content("/b")] == [b"one", b"two"]
    assert len(asked) == 3


async def test_very_many_end_at_the_first_problem_and_where_nobody_answers() -> None:
    problem = written("404 Not Found", b'{"code": "tile_not_found", "detail": "none"}')
    async with listening(problem, b"", b"") as (url, _), Client(url, GivenToken("t")) as client:
        with pytest.raises(ProblemAnswer, match="tile_not_found"):
            await client.content("/a")
        with pytest.raises(httpx.TransportError):
            await client.content("/b")


GZIPPED = b"Content-Encoding: gzip"


async def test_who_is_far_away_asks_for_gzip_and_gets_what_was_zipped() -> None:
    answer = written("200 OK", gzip.compress(b'{"a": 1}'), GZIPPED)
    async with listening(answer, answer) as (url, asked), Client(url, GivenToken("t"), gzip=True) as client:
        assert await client.content("/a") == b'{"a": 1}'
        assert await client.get("/b") == {"a": 1}
    assert all(b"accept-encoding: gzip\r\n" in each.lower() for each in asked)
    async with listening(written("200 OK", b"{}"), written("200 OK", b"{}")) as (url, asked), Client(url, GivenToken("t")) as client:
        assert (await client.content("/a"), await client.get("/b")) == (b"{}", {})
    assert all(b"accept-encoding: identity\r\n" in each.lower() for each in asked)


BOMB = gzip.compress(bytes(ANSWER_BYTES + 1))


@pytest.mark.parametrize(
    ("sent", "coding", "said"),
    [
        (BOMB, GZIPPED, "larger than"),
        (bytes(ANSWER_BYTES + 2), b"X-Plain: 1", "larger than"),
        (BOMB[:-20], GZIPPED, "not one whole piece|larger than"),
        (gzip.compress(b"{}")[:-5], GZIPPED, "not one whole piece"),
        (gzip.compress(b"{}") * 2, GZIPPED, "not one whole piece"),
        (b"{}", GZIPPED, "is gzip, and is not"),
        (b"{}", b"Content-Encoding: br", "coded as 'br'"),
    ],
    ids=["a bomb", "too much", "a bomb cut short", "cut short", "two", "no gzip", "another coding"],
)
async def test_what_is_too_large_or_wrongly_coded_is_refused_on_either_way(sent: bytes, coding: bytes, said: str) -> None:
    answer = written("200 OK", sent, coding)
    async with listening(answer, answer) as (url, _), Client(url, GivenToken("t"), gzip=True) as client:
        with pytest.raises(AnswerRefused, match=said):
            await client.content("/a")
        with pytest.raises(AnswerRefused, match=said):
            await client.get("/b")


async def test_what_breaks_off_is_no_answer() -> None:
    async with listening(written("200 OK", b"one two")[:-3]) as (url, _), Client(url, GivenToken("t")) as client:
        with pytest.raises(httpx.TransportError, match="IncompleteRead"):
            await client.content("/a")
