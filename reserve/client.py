"""Client: a caller of the APIs with its own token, as the `reserve` command, the demonstration and the tests use it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
import msgspec

from reserve.inflating import ANSWER_BYTES, inflated
from reserve.many_gets import ManyGets
from reserve.operate.endpoints import Endpoints, read_endpoints
from shared.delivery.tokens import TokenSource, TokenUnavailable
from shared.http.crowd import MOST_OF_ONE
from shared.observe.waiting import SAY_EVERY_S, say
from shared.tls import trusted

TIMEOUT_S = 60.0
LIMITED = 429
LIMITED_S = 30.0  # a call that is refused for coming too soon is repeated for as long
_OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")  # how an answer was sent, not what it is
_PAUSE_S = 0.2  # between two tries of a call that got no answer


class Tokens(Protocol):
    """Where access tokens are from."""

    async def token(self) -> str: ...

    async def authorization(self) -> dict[str, str]: ...

    async def aclose(self) -> None: ...


class GivenToken(msgspec.Struct, frozen=True):
    """A token that somebody handed over; none is fetched when it has expired. Empty: the caller has none."""

    given: str

    async def token(self) -> str:
        return self.given

    async def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.given}"} if self.given else {}

    async def aclose(self) -> None: ...


class ProblemAnswer(Exception):
    """The API said no. `code` is the problem's stable code (`http_502` for an answer that is no problem document)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("code", f"http_{status}"))
        self.field: str | None = document.get("field")
        self.document = dict(document)
        super().__init__(f"{status} {self.code}: {document.get('detail', '')}")


class Client:
    """Paths are the edge's: `/inventory/v1/lots`. `patience_s`: how long a call is repeated that got no answer, or a 503; where that
    takes long, it is said. One that came too soon after others, or beside too many (429), is repeated for half a minute in any case.

    A repeated POST has the same Idempotency-Key, so it is done once. `gzip`: what is large may come so, for who is far away.
    """

    def __init__(
        self, base_url: str, tokens: Tokens, *, patience_s: float = 0.0, http: httpx.AsyncClient | None = None, gzip: bool = False
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._accepts = {"Accept-Encoding": "gzip" if gzip else "identity"}
        self._patience_s = patience_s
        self._many = ManyGets(self.base_url, TIMEOUT_S)
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=MOST_OF_ONE), verify=trusted())

    @classmethod
    def of(cls, where: Path | Endpoints, client_id: str, *, patience_s: float = 0.0, scope: str | None = None) -> Self:
        """The client of that id in a deployment's endpoints, or in its folder's `endpoints.json`. Raises FileNotFoundError, LookupError."""
        endpoints = read_endpoints(where) if isinstance(where, Path) else where
        client = endpoints.client(client_id)
        tokens = TokenSource(f"{endpoints.issuer}/oauth/token", client.client_id, client.client_secret, scope=scope)
        return cls(endpoints.base_url, tokens, patience_s=patience_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._many.close()
        await self._http.aclose()
        await self._tokens.aclose()

    async def token(self) -> str:
        """An access token with time left. Raises TokenUnavailable."""
        return await self._tokens.token()

    async def get(self, path: str, **query: str | int | bool | None) -> Any:
        """The answer's JSON. Raises ProblemAnswer, httpx.TransportError, TokenUnavailable."""
        return _content(await self.request("GET", path, query=query))

    async def post(self, path: str, body: Any = None, *, key: str | None = None, if_match: str | None = None) -> Any:
        """The answer's JSON. `key`: the Idempotency-Key, a fresh one if it is not given. Raises as `get` does."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        if if_match is not None:
            headers["If-Match"] = if_match
        return _content(await self.request("POST", path, body=body, headers=headers))

    async def content(self, path: str, **query: str | int | bool | None) -> bytes:
        """The answer's bytes, for who asks for very many and has no patience. Raises as `get` does."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        status, content = LIMITED, b""
        if not self._patience_s and self._many.possible:
            status, content = await self._many.get(path, params, self._accepts | await self._tokens.authorization())
        if status == LIMITED:
            return (await self.request("GET", path, query=params)).content
        if status >= 400:
            raise ProblemAnswer(status, _problem(content))
        return content

    async def rows(self, path: str, **query: str | int | bool | None) -> AsyncIterator[Any]:
        """Each row of a list, through all of its pages."""
        cursor: str | None = None
        while True:
            page = await self.get(path, **{**query, "cursor": cursor})
            for row in page["data"]:
                yield row
            cursor = page["next"]
            if cursor is None:
                return

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | bool | None] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The whole answer, for its headers. `body` is encoded as JSON, None: there is none. Raises as `get` does."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        sent = self._accepts | ({"Content-Type": "application/json"} if body is not None else {})
        content = msgspec.json.encode(body) if body is not None else None
        began = said_at = time.monotonic()
        while True:
            try:
                sent |= await self._tokens.authorization()
                answer = await self._answer(
                    self._http.build_request(
                        method, f"{self.base_url}{path}", params=params, content=content, headers={**sent, **(headers or {})}
                    )
                )
                patience_s = max(self._patience_s, LIMITED_S) if answer.status_code == LIMITED else self._patience_s
                if answer.status_code not in (LIMITED, 502, 503, 504) or time.monotonic() >= began + patience_s:
                    break
                heard = f"{answer.status_code} {_problem(answer.content).get('detail', '')}"
            except (httpx.TransportError, TokenUnavailable) as error:
                if time.monotonic() >= began + self._patience_s:
                    raise
                heard = repr(error)
            if (now := time.monotonic()) - said_at > SAY_EVERY_S:
                said_at = now
                say(f"still waiting for an answer to {method} {path}, {now - began:.0f} s ({heard})")
            await asyncio.sleep(_PAUSE_S)
        if answer.status_code >= 400:
            raise ProblemAnswer(answer.status_code, _problem(answer.content))
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Whole, as far as it is bounded. httpx by itself would inflate whatever comes."""
        answer = await self._http.send(request, stream=True)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        sent = bytearray()
        try:
            async for piece in answer.stream:
                sent += piece
                if len(sent) > ANSWER_BYTES:
                    break
        finally:
            await answer.aclose()
        content = inflated(bytes(sent), answer.headers.get("content-encoding"))
        headers = [each for each in answer.headers.multi_items() if each[0] not in _OF_THE_WAY]
        return httpx.Response(answer.status_code, headers=headers, content=content, request=request)


def _content(answer: httpx.Response) -> Any:
    return msgspec.json.decode(answer.content) if answer.content else None


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"detail": content[:200].decode(errors="replace")}
