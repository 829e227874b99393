"""Problem details: bad input, wrong routes and bugs as RFC 9457 documents, and what never gets past the edge."""

import ast
import json
import re
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Header, Query, Request
from pydantic import BaseModel, Field

from services import registry
from shared.http import problems
from shared.http.fields import Day
from shared.http.problems import BODY_LIMIT_BYTES, FAULTS_LISTED, MEMBERS_LIMIT, BodyGuard, EdgeReason, Problem
from shared.journal.decider import Decider, Reasons, Refused


class Line(BaseModel, extra="forbid"):
    mass_g: int = Field(gt=0)
    password: int | None = None


class Order(BaseModel):
    lines: Annotated[list[Line], Field(max_length=2)]
    note: Annotated[str, Field(max_length=40)] = ""
    caps: dict[Annotated[str, Field(pattern="^[A-Z]+$")], int] = {}
    until: Day | None = None


def service() -> FastAPI:
    app = FastAPI(responses=problems.RESPONSES)
    problems.install(app)
    app.add_middleware(BodyGuard, streaming=("/v1/import",))

    @app.post("/v1/orders")
    async def order(order: Order) -> str:
        return order.note

    @app.get("/v1/orders")
    async def orders(limit: Annotated[int, Query(le=200)] = 10, tag: Annotated[str | None, Header(max_length=3)] = None) -> int:
        return limit

    @app.post("/v1/import")
    async def take(request: Request) -> int:
        return len(await request.body())

    @app.get("/v1/bug")
    async def bug() -> None:
        raise ZeroDivisionError("a secret of the inside")

    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 65536):
        yield b"x" * 65536


async def test_bad_input_names_its_field_and_what_would_be_accepted(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/orders", json={"lines": [{"mass_g": 5}, {"mass_g": 0}]})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:reserve:problem:invalid_request",
        "title": "Invalid request",
        "status": 422,
        "code": "invalid_request",
        "detail": "This is too small",
        "field": "/lines/1/mass_g",
        "accepted": "more than 0",
    }


@pytest.mark.parametrize(
    ("body", "field", "accepted"),
    [
        ({"lines": [{"mass_g": 1}] * 3}, "/lines", "at most 2 items"),
        ({"lines": [], "note": "x" * 41}, "/note", "at most 40 characters"),
        ({"lines": [], "caps": {"a": 1}}, "/caps/a", "a text of the form ^[A-Z]+$"),
        ({"lines": [], "until": "3000-01-01"}, "/until", "at most 2999-12-31"),
        ({"lines": [], "until": "2026-13-01"}, "/until", "a day such as 2026-01-31"),
    ],
)
async def test_every_fault_says_what_would_be_accepted(http: httpx.AsyncClient, body: object, field: str, accepted: str) -> None:
    answer = (await http.post("/v1/orders", json=body)).json()
    assert (answer["field"], answer["accepted"]) == (field, accepted)
    assert not re.search("datetime|Input|should|valid", answer["detail"])


async def test_each_fault_is_listed_where_there_are_several(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/v1/orders", json={"lines": [{"a/b~c": 1}]})).json()
    assert answer["detail"].endswith("(and 1 more)")
    assert [fault["field"] for fault in answer["errors"]] == ["/lines/0/mass_g", "/lines/0/a~1b~0c"]


async def test_a_body_of_very_many_faults_has_a_short_answer(http: httpx.AsyncClient) -> None:
    """It is refused for all that it sends: what is listed of it is what a person would read."""
    body = {"lines": [], "caps": {f"no key {number}": "x" for number in range(15_000)}}
    assert 300_000 < len(json.dumps(body)) < BODY_LIMIT_BYTES
    answer = await http.post("/v1/orders", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("(and 29999 more)")
    assert len(answer.json()["errors"]) == FAULTS_LISTED
    assert len(answer.content) < 32_000


async def test_faults_in_the_query_and_headers_are_named_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/orders?limit=1000")).json()["field"] == "query:limit"
    assert (await http.get("/v1/orders", headers={"tag": "long"})).json()["field"] == "header:tag"


async def test_what_was_sent_is_never_repeated(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/orders", json={"lines": [{"mass_g": 1, "password": "hunter2"}]})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b'{"lines": [{"mass_g": ' + b"9" * 5000 + b"}]}",
        b'{"lines": [{"mass_g": NaN}]}',
        b'{"lines": [{"mass_g": 1e400}]}',
        b'{"lines": [{"mass_g": 1.5}]}',
        b'{"lines": [{"mass_g": 1, "\\ud800": 1}]}',
        b'{"lines": [], "note": "\\ud800"}',
    ],
    ids=["cut", "empty", "no UTF-8", "deep", "huge", "NaN", "infinite", "fraction", "surrogate name", "surrogate text"],
)
async def test_a_body_that_is_no_such_json_is_a_problem_and_not_a_bug(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("invalid_request", "malformed_request", "text_not_unicode")


async def test_wrong_routes_and_methods_are_problems(http: httpx.AsyncClient) -> None:
    nowhere = await http.get("/v1/nowhere")
    method = await http.delete("/v1/bug")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "route_not_found")
    assert (method.status_code, method.json()["code"], method.json()["accepted"]) == (405, "method_not_allowed", "GET")
    assert method.headers["allow"] == "GET"


async def test_a_method_that_is_not_served_is_answered_with_all_that_are(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/v1/orders")
    assert (answer.status_code, answer.headers["allow"], answer.json()["accepted"]) == (405, "GET, POST", "GET, POST")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"lines": [], "lines": [{"mass_g": 1}]}', "/lines"),
        (b'{"lines": [{"mass_g": 1}, {"mass_g": 1, "mass_g": 2}]}', "/lines/1/mass_g"),
        (b'{"lines": [], "note": "a", "\\u006eote": "b"}', "/note"),
        (b'\xef\xbb\xbf{"lines": [], "note": "a", "note": "b"}', "/note"),
    ],
    ids=["at the top", "in a list", "written otherwise", "after a mark of its encoding"],
)
async def test_a_member_that_is_there_twice_is_refused_by_name(http: httpx.AsyncClient, body: bytes, field: str) -> None:
    answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "member_repeated", field)


@pytest.mark.parametrize("kind", ["application/x+json", "Application/JSON; charset=utf-8", "application/problem+json ;a=b"])
async def test_a_member_that_is_there_twice_is_refused_under_each_name_of_json(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/v1/orders", content=b'{"lines": [], "lines": []}', headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (422, "member_repeated")


async def test_a_body_of_very_many_members_is_refused_before_each_is_looked_at(http: httpx.AsyncClient) -> None:
    for members, code in ((MEMBERS_LIMIT + 1, "body_too_large"), (MEMBERS_LIMIT - 1, "invalid_request")):
        body = b'{"lines":[{%s}]}' % b",".join(b'"%d":1' % number for number in range(members))
        answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"})
        assert answer.json()["code"] == code
    assert MEMBERS_LIMIT > 500 * 20, "a bulk is no such body"


async def test_a_member_is_there_twice_at_any_depth_and_before_anything(http: httpx.AsyncClient) -> None:
    twice = b'{"a":1,"a":2}'
    for body, told in (
        (b"[" * 2000 + twice + b"]" * 2000, (422, "member_repeated")),
        (b"[" + twice + b"," + b"[" * 200_000, (400, "malformed_request")),
        (b"[" + twice + b", no JSON", (422, "invalid_request")),
    ):
        answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == told


async def test_the_same_member_of_several_objects_is_no_repetition(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/orders", json={"lines": [{"mass_g": 1}, {"mass_g": 1}], "note": '"lines": "lines":'})).status_code == 200


class Tokens:
    """A verifier that knows one."""

    async def caller(self, authorization: str | None) -> str:
        if authorization != "Bearer good":
            raise Problem("invalid_request", "no token")
        return "somebody"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"lines": [], "lines": []}', "member_repeated"), (b'{"note": "\\ud800"}', "text_not_unicode"), (b"\0", "nul_in_text")],
)
async def test_a_body_is_looked_through_for_whose_token_is_good(body: bytes, code: str) -> None:
    """To look through one takes a service's time, and a stranger has all the time that there is."""
    app = service()
    app.state.verifier = Tokens()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        for token, looked in (("good", True), ("bad", False), (None, False)):
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"} | headers)
            assert (code in answer.text) == looked, token


async def test_a_bug_gives_an_id_to_quote_and_nothing_of_the_inside(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/bug", headers={"x-request-id": "demo-0001"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["instance"] == "urn:reserve:request:demo-0001"
    assert "secret" not in answer.text


async def test_a_body_over_the_limit_is_refused_with_and_without_its_length(http: httpx.AsyncClient) -> None:
    announced = await http.post("/v1/orders", content=b"x" * (BODY_LIMIT_BYTES + 1))
    chunked = await http.post("/v1/orders", content=chunks(BODY_LIMIT_BYTES + 65536))
    for answer in (announced, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.json()["accepted"] == "at most 1048576 bytes"


async def test_an_import_route_takes_more(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/import", content=chunks(2 * BODY_LIMIT_BYTES))).json() == 2 * BODY_LIMIT_BYTES


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/v1/orders", b'{"lines": [], "note": "a\\u0000b"}', "application/json"),
        ("/v1/orders", b'{"lines": [], "note": "a\\\\\\u0000b"}', "application/json"),
        ("/v1/orders", b'{"lines": [], "note": "a\x00b"}', "application/json"),
        ("/v1/orders", b"note=a%00b", "application/x-www-form-urlencoded"),
        ("/v1/orders?tag=%00", b"{}", "application/json"),
        ("/v1/orders/%00", b"{}", "application/json"),
    ],
)
async def test_a_nul_in_a_text_is_refused(http: httpx.AsyncClient, path: str, body: bytes, content_type: str) -> None:
    answer = await http.post(path, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (422, "nul_in_text")


@pytest.mark.parametrize("note", [rb"\ud800", rb"\udc00", rb"\ud800x\udc00", rb"\ud800\n", rb"\\ud800\udc00", rb"\udc00\ud800"])
async def test_half_of_a_surrogate_pair_is_refused(http: httpx.AsyncClient, note: bytes) -> None:
    answer = await http.post("/v1/orders", content=b'{"lines": [], "note": "%b"}' % note, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "text_not_unicode")


async def test_a_whole_pair_is_text(http: httpx.AsyncClient) -> None:
    body = rb'{"lines": [], "note": "\ud83d\ude00\ud83d\ude00 \\ud800 \u30ac"}'
    answer = await http.post("/v1/orders", content=body, headers={"content-type": "application/json"})
    assert answer.json() == "\U0001f600\U0001f600 \\ud800 \u30ac"


async def test_a_text_about_nul_is_no_nul(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await http.post("/v1/orders", content=rb'{"lines": [], "note": "a\\u0000b%00"}', headers=headers)
    assert answer.json() == r"a\u0000b%00"


async def test_the_openapi_document_tells_of_problems(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    answers = document["paths"]["/v1/orders"]["post"]["responses"]
    assert answers.keys() == {"200", "default"}
    assert "application/problem+json" in answers["default"]["content"]


def test_a_code_means_one_thing() -> None:
    class Other(Reasons):
        INVALID = "invalid_request", 400, "Something else"

    problems.register(EdgeReason)
    with pytest.raises(ValueError, match="another meaning"):
        problems.register(Other)


def test_an_unregistered_code_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Problem("never_registered", "nobody knows what it means")


class Depot(Reasons):
    OPEN = "depot_open", 409, "The depot is open"
    SHUT = "depot_shut", 409, "The depot is shut"


class Lorry(Reasons):
    LATE = "lorry_late", 422, "The lorry is late"


type Refusal = Refused[Depot] | Refused[Lorry]


def test_a_reason_is_its_code_and_carries_its_status_and_title() -> None:
    assert (Depot.SHUT.status, Depot.SHUT.says) == (409, "The depot is shut")
    assert msgspec.json.encode(Refused(Depot.SHUT, "since noon")).startswith(b'{"code":"depot_shut","detail"')
    assert msgspec.json.decode(b'"depot_shut"', type=Depot) is Depot.SHUT
    assert {Depot.SHUT: 1}["depot_shut"] == 1
    assert f"{Depot.SHUT}" == "depot_shut"


def test_why_a_stream_may_refuse_is_what_the_type_of_its_decide_says() -> None:
    def decide(_command: str, _state: None) -> list[str] | Refusal:
        return []

    assert Decider(kind="depot", initial=None, commands=str, decide=decide, evolve=lambda state, _: state).reasons == {Depot, Lorry}


@pytest.mark.parametrize("name", registry.JOURNALED)
def test_a_service_has_a_status_and_a_title_for_all_that_it_refuses(name: str) -> None:
    service = registry.service(name)
    kinds = Reasons.__subclasses__()
    kernels = [kind for kind in kinds if kind.__module__.startswith("shared.")]
    known = {reason.value for reason in (*service.refusals, *chain.from_iterable(kernels))}
    for kind in kinds:
        if kind.__module__.startswith(f"services.{name}."):
            assert set(kind) <= known, f"nobody registers {kind.__module__}.{kind.__name__}"
    for path in Path(registry.__file__).parent.joinpath(name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Problem"), args=[ast.Constant(value=code), *_]):
                    assert code in known, f"{path}: {code}"


@pytest.mark.parametrize("name", registry.JOURNALED)
def test_a_code_means_the_same_in_all_streams_of_a_service(name: str) -> None:
    problems.register(registry.service(name).refusals)
