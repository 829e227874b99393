"""Direct routes: every request gets the answer that FastAPI alone would give, and what comes by the thousand never reaches FastAPI."""

import json
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from starlette.types import ASGIApp, Receive, Scope, Send

from services.inventory.main import SERVICE
from services.registry import JOURNALED, service
from shared.http import problems
from shared.http.direct import DirectRoutes
from shared.http.problems import Problem

type Short = Annotated[str, Field(min_length=1, max_length=8)]


class Colour(StrEnum):
    GREY = "grey"
    WHITE = "white"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mass_g: StrictInt = Field(ge=1)
    names: tuple[Short, ...] = ()


class View(BaseModel):
    place: str
    mass_g: int
    on: date | None


class Known:
    def __init__(self, response: Response, limit: int) -> None:
        self.response = response
        self.limit = limit


async def caller(request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False))]) -> str:
    if (who := request.headers.get("authorization")) is None:
        raise Problem("route_not_found", "say who you are", headers={"www-authenticate": "Bearer"})
    return who


async def known(
    response: Response,
    caller: Annotated[str, Depends(caller)],
    limit: Annotated[int, Query(ge=1, le=9)] = 5,
    if_match: Annotated[str | None, Header(max_length=20)] = None,
) -> Known:
    response.headers["Limit"] = f"{limit}/{if_match}/{caller}"
    return Known(response, limit)


router = APIRouter(prefix="/v1")


@router.post("/things/{thing}", status_code=201)
async def make(thing: Short, body: Body, caller: Annotated[str, Depends(caller)], known: Annotated[Known, Depends(known)]) -> View:
    if thing == "broken":
        raise RuntimeError("a bug")
    if thing == "http":
        raise HTTPException(404)
    if thing == "odd":
        return {"place": 1}  # type: ignore[return-value]
    known.response.headers.append("Limit", "again")
    return View(place=f"{caller}/{thing}/{'+'.join(body.names)}", mass_g=body.mass_g * known.limit, on=date(2026, 1, 6))


@router.get("/things/first")
async def first() -> dict[str, str]:
    return {"thing": "first"}


@router.get("/things/{thing}")
async def show(thing: Short, response: Response, colour: Annotated[Colour | None, Query()] = None) -> View | None:
    response.status_code = 200 if thing != "hidden" else 203
    return View(place=f"{thing}/{colour}", mass_g=0, on=None) if thing != "none" else None


@router.get("/text")
async def text() -> Response:
    return PlainTextResponse("plain", status_code=202)


@router.get("/lists")
async def lists(of: Annotated[list[int], Query()] = [1]) -> list[int]:  # noqa: B006
    return of


@router.get("/tiles/{path:path}")
async def tile(path: str) -> str:
    return path


@router.get("/after")
async def after(tasks: BackgroundTasks) -> str:
    return type(tasks).__name__


@router.get("/blocking")
def blocking() -> str:
    return "in a thread"


def application(middleware: Any = None) -> FastAPI:
    app = FastAPI(responses=problems.RESPONSES)
    app.include_router(router)
    problems.install(app)
    if middleware is not None:
        app.add_middleware(middleware)
    return app


class Wall:
    """In the place of FastAPI: what reaches it is not served directly."""

    def __init__(self, _app: ASGIApp) -> None:
        pass

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("FastAPI", status_code=418)(scope, receive, send)


def walled(app: ASGIApp) -> DirectRoutes:
    return DirectRoutes(Wall(app))


JSON = {"content-type": "application/json"}
ME = {"authorization": "me"}
GOOD = b'{"mass_g": 2, "names": ["a", "b"]}'

DIRECT: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", "/v1/things/one", JSON | ME, GOOD),
    ("POST", "/v1/things/one?limit=9", JSON | ME | {"if-match": "x"}, GOOD),
    ("POST", "/v1/things/%C3%A9", JSON | ME, GOOD),
    ("POST", "/v1/things/http", JSON | ME, GOOD),
    ("POST", "/v1/things/one", JSON, GOOD),  # refused by the first dependency
    ("GET", "/v1/things/first", {}, b""),
    ("GET", "/v1/things/second?colour=white", {}, b""),
    ("GET", "/v1/things/hidden", {}, b""),
    ("GET", "/v1/things/none", {}, b""),
    ("GET", "/v1/text", {}, b""),
]

UNUSUAL: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", "/v1/things/far-too-long", JSON | ME, GOOD),
    ("POST", "/v1/things/one?limit=10", JSON | ME, GOOD),
    ("POST", "/v1/things/one?limit=", JSON | ME, GOOD),
    ("POST", "/v1/things/one", JSON | ME | {"if-match": "x" * 21}, GOOD),
    ("POST", "/v1/things/one", JSON | ME, b'{"mass_g": 0}'),
    ("POST", "/v1/things/one", JSON | ME, b'{"mass_g": 1.0, "x": "", "names": "a"}'),
    ("POST", "/v1/things/one", JSON | ME, b'{"mass_g": '),
    ("POST", "/v1/things/one", JSON | ME, b"\xff"),
    ("POST", "/v1/things/one", JSON | ME, b'{"mass_g": 1, "names": ["\xff\xfe"]}'),
    ("POST", "/v1/things/one", JSON | ME, b"[" * 100_000),
    ("POST", "/v1/things/one", JSON | ME, b"null"),
    ("POST", "/v1/things/one", JSON | ME, b""),
    ("POST", "/v1/things/one", ME, GOOD),
    ("POST", "/v1/things/one", ME | {"content-type": "text/plain"}, GOOD),
    ("POST", "/v1/things/one", ME | {"content-type": "application/json; charset=utf-8"}, GOOD),
    ("POST", "/v1/things/one", ME | {"content-type": "application/merge-patch+json"}, GOOD),
    ("POST", "/v1/things/one?limit=0", JSON, b"{"),  # of several faults, the same one is told
    ("POST", "/v1/things/far-too-long?limit=0", JSON, b"{}"),
    ("GET", "/v1/things/second?colour=red", {}, b""),
    ("GET", "/v1/things/a/b", {}, b""),
    ("GET", "/v1/things/", {}, b""),
    ("PUT", "/v1/things/one", {}, b""),
    ("HEAD", "/v1/things/one", {}, b""),
    ("GET", "/v1/lists?of=1&of=2", {}, b""),
    ("GET", "/v1/tiles/a/b", {}, b""),
    ("GET", "/v1/after", {}, b""),
    ("GET", "/v1/blocking", {}, b""),
    ("GET", "/docs", {}, b""),
    ("GET", "/nowhere", {}, b""),
]


async def ask(app: ASGIApp, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path, headers=headers, content=content or None)
        return answer.status_code, sorted(answer.headers.multi_items()), answer.content


@pytest.mark.parametrize("request_parts", DIRECT + UNUSUAL, ids=str)
async def test_a_request_is_answered_as_fastapi_answers_it(request_parts: Any) -> None:
    assert await ask(application(DirectRoutes), *request_parts) == await ask(application(), *request_parts)


@pytest.mark.parametrize("request_parts", DIRECT, ids=str)
async def test_what_is_ordinary_is_served_directly(request_parts: Any) -> None:
    status, *_ = await ask(application(walled), *request_parts)
    assert status != 418


@pytest.mark.parametrize(
    ("method", "path", "field", "accepted"),
    [
        ("GET", "/v1/things/second?color=white", "query:color", "colour"),
        ("GET", "/v1/things/second?colour=white&limit=9", "query:limit", "colour"),
        ("GET", "/v1/things/second?=white", "query:", "colour"),
        ("GET", "/v1/things/first?colour=", "query:colour", "no query"),
        ("POST", "/v1/things/one?limits=9", "query:limits", "limit"),  # which a dependency declares
        ("GET", "/v1/lists?off=1", "query:off", "of"),  # and what FastAPI serves
        ("GET", "/v1/tiles/a/b?x=1", "query:x", "no query"),
        ("GET", "/v1/blocking?x=1", "query:x", "no query"),
    ],
)
async def test_a_parameter_that_no_route_declares_is_refused_by_name(method: str, path: str, field: str, accepted: str) -> None:
    """Ignored, a filter with a slip of the pen would answer with everything."""
    status, _headers, content = await ask(application(DirectRoutes), method, path, JSON | ME, GOOD if method == "POST" else b"")
    problem = json.loads(content)
    assert (status, problem["code"], problem["field"], problem["accepted"]) == (422, "query_parameter_unknown", field, accepted)


@pytest.mark.parametrize("query", ["colour=white&colour=black", "colour=white&colour=white", "colour=&c%6flour="])
async def test_a_parameter_that_is_there_twice_is_refused_by_name(query: str) -> None:
    """Of two filters, one alone would count."""
    status, _headers, content = await ask(application(DirectRoutes), "GET", f"/v1/things/second?{query}", JSON | ME, b"")
    problem = json.loads(content)
    assert (status, problem["code"], problem["field"]) == (422, "query_parameter_repeated", "query:colour")


@pytest.mark.parametrize("thing", ["broken", "odd"])
async def test_a_bug_is_a_500_with_an_id_to_quote(thing: str) -> None:
    headers = JSON | ME | {"x-request-id": "quote-me-please"}
    answers = [await ask(app, "POST", f"/v1/things/{thing}", headers, GOOD) for app in (application(DirectRoutes), application())]
    assert answers[0] == answers[1]
    assert answers[0][0] == 500 and "quote-me-please" in json.loads(answers[0][2])["detail"]


async def test_a_body_that_comes_in_pieces_is_one_body() -> None:
    async def pieces() -> Any:
        for at in range(0, len(GOOD), 5):
            yield GOOD[at : at + 5]

    transport = httpx.ASGITransport(application(walled))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/v1/things/one", headers=JSON | ME, content=pieces())
    assert (answer.status_code, answer.json()["place"]) == (201, "me/one/a+b")


def test_every_route_of_inventory_is_served_directly() -> None:
    app = FastAPI()
    app.include_router(SERVICE.router())
    direct = DirectRoutes(app)
    direct._read(app)
    assert direct._candidates is not None
    ours = [each for each in direct._candidates if "/v1/" in each.pattern.pattern]
    assert ours and not [each.pattern.pattern for each in ours if each.plan is None]


@pytest.mark.parametrize("name", JOURNALED)
def test_every_route_of_every_service_says_what_its_query_may_name(name: str) -> None:
    app = FastAPI()
    app.include_router(service(name).router())
    direct = DirectRoutes(app)
    direct._read(app)
    assert direct._candidates is not None
    ours = {each.pattern.pattern: each for each in direct._candidates if "/v1/" in each.pattern.pattern}
    assert ours and not [path for path, each in ours.items() if each.query is None]
    lists = [each.query for each in ours.values() if each.query is not None and "cursor" in each.query]
    assert all({"cursor", "limit", "at_least"} <= query.keys() for query in lists)
