"""Asking: what the other services answer to the reader's own token. One that fails is a value: its panel says so, the rest is shown."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx
import msgspec

TIMEOUT_S = 10.0
LONG_TIMEOUT_S = 25.0  # of an act that works out a large round; the edge gives up after 30 without a byte
ROWS = 200  # of a list, at most


class Answer(msgspec.Struct, frozen=True):
    """`data`: the body, decoded if it is JSON. `problem`: a problem document (RFC 9457) in its place; `status` 0: there was no answer."""

    service: str
    status: int
    data: Any = None
    problem: dict[str, Any] | None = None
    headers: Mapping[str, str] = {}

    @property
    def rows(self) -> Sequence[Any]:
        """Of a list; none where it failed."""
        return [] if self.problem is not None else self.data["data"]

    @property
    def more(self) -> bool:
        return self.problem is None and self.data["next"] is not None

    @property
    def is_open(self) -> bool:
        """Of an act: nobody knows whether it was done."""
        return self.problem is not None and (self.status == 0 or self.status >= 500)

    @classmethod
    def refused(cls, title: str, detail: str, accepted: str, field: str | None = None) -> Self:
        """By the console itself, of what no service need be asked."""
        return cls("console", 422, problem=_problem("not_readable", title, detail) | {"accepted": accepted, "field": field})


class Services:
    """Each by its name, at its own address."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=50))

    async def close(self) -> None:
        await self._http.aclose()

    def reader(self, token: str) -> "Reader":
        return Reader(self, token)

    async def send(self, request: "Wanted", token: str) -> Answer:
        service = request.service
        headers = {"Authorization": f"Bearer {token}", "Accept": request.accept}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        try:
            answer = await self._http.request(
                request.method,
                f"{self._urls[service]}{request.path}",
                params=request.query,
                json=request.body,
                headers=headers,
                timeout=request.timeout_s,
            )
            is_read = "json" in answer.headers.get("content-type", "") and not (request.as_is and answer.is_success)
            data: Any = msgspec.json.decode(answer.content) if is_read else answer.content
        except (httpx.HTTPError, KeyError, msgspec.DecodeError):
            return Answer(service, 0, problem=_problem("no_answer", f"{service} does not answer", "Try again in a moment."))
        if answer.is_success:
            return Answer(service, answer.status_code, data, headers=answer.headers)
        is_problem = isinstance(data, dict) and "title" in data and "detail" in data
        known = data if is_problem else _problem("http_error", f"{service} answered {answer.status_code}", "")
        return Answer(service, answer.status_code, problem={"accepted": None, "field": None} | known)


def _problem(code: str, title: str, detail: str) -> dict[str, Any]:
    return {"code": code, "title": title, "detail": detail, "accepted": None, "field": None}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A request: `path` as its service knows it; `key`: an idempotency key, of a post."""

    service: str
    path: str
    method: str = "GET"
    query: Mapping[str, str | int] | None = None
    body: Any = None
    key: str | None = None
    accept: str = "application/json"
    as_is: bool = False  # the body's bytes, whatever they are
    timeout_s: float = TIMEOUT_S


class Reader:
    """The services, as one person asks them."""

    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self._token = token

    async def get(self, service: str, path: str, **query: str | int | None) -> Answer:
        """What is None is left out of the query."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self.send(Wanted(service=service, path=path, query=given))

    async def post(self, service: str, path: str, body: Any, key: str, timeout_s: float = TIMEOUT_S) -> Answer:
        """Sent again under the same key it gets the same answer, and nothing is done twice."""
        return await self.send(Wanted(service=service, path=path, method="POST", body=body, key=key, timeout_s=timeout_s))

    async def send(self, wanted: Wanted) -> Answer:
        return await self._services.send(wanted, self._token)

    async def several(self, service: str, paths: Sequence[str]) -> list[Answer]:
        return list(await asyncio.gather(*(self.get(service, path) for path in paths)))
