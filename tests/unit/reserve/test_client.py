"""The client of the APIs, against a server that answers as it is told to."""

import math
import re
from collections.abc import Callable

import httpx
import pytest

from reserve.client import Client, ProblemAnswer
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
