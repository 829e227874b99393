# Made from _async/transport.py by generate.py: change it there.
"""Transport: a call with a token, sent until it is answered."""

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx
import msgspec

from reserve_partner.problems import NoAnswer, NoToken, ProblemError, read_problem
from reserve_partner.retrying import AGAIN, Grant, Patience, retry_after_s

TIMEOUT_S = 60.0
RENEWED_AT = 0.8  # of a token's life

type Query = Mapping[str, str | int | bool | None]


class Tokens:
    """Access tokens by client credentials (RFC 6749 4.4), renewed before they end, by one request at a time."""

    def __init__(self, http: httpx.Client, token_url: str, client_id: str, client_secret: str) -> None:
        self._http = http
        self._url = token_url
        self._credentials = httpx.BasicAuth(client_id, client_secret)
        self._renewing = threading.Lock()
        self._token = ""
        self._renew_at = time.monotonic()

    def token(self) -> str:
        """One with time left. Raises NoToken, NoAnswer."""
        with self._renewing:
            if time.monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def refused(self, token: str) -> None:
        """It is believed no more: the next call asks for another."""
        if token == self._token:
            self._renew_at = time.monotonic()

    def _renew(self) -> None:
        asked = time.monotonic()
        try:
            answer = self._http.post(self._url, auth=self._credentials, data={"grant_type": "client_credentials"})
        except httpx.TransportError as error:
            raise NoAnswer(f"{self._url}: {error!r}") from error
        if answer.status_code in AGAIN:
            raise ProblemError(read_problem(answer.status_code, answer.content), retry_after_s(answer))
        try:
            answer.raise_for_status()
            grant = msgspec.json.decode(answer.content, type=Grant)
        except (httpx.HTTPStatusError, msgspec.MsgspecError) as error:
            raise NoToken(f"{self._url} gave no token: {answer.status_code} {answer.text[:200]}") from error
        self._token, self._renew_at = grant.access_token, asked + RENEWED_AT * grant.expires_in


class Transport:
    """`patience_s`: for how long a call is repeated that got no answer, or one that says to come back: 429, 502, 503, 504, Retry-After."""

    def __init__(self, base_url: str, tokens: Tokens, http: httpx.Client, patience_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._http = http
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | bool | None) -> httpx.Response:
        """Paths are the edge's: `/inventory/v1/releases`. Raises ProblemError, NoAnswer, NoToken."""
        return self._send(self._request("GET", path, query=query))

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """`body` is sent as JSON. `key`: its Idempotency-Key, a fresh one if none is given. Raises as `get` does."""
        headers = {"idempotency-key": key or uuid.uuid4().hex}
        return self._send(self._request("POST", path, body=body, headers=headers))

    def lines(self, path: str, headers: Mapping[str, str], **query: str | int | bool | None) -> Iterator[str]:
        """Of an answer that goes on: it ends when the connection does. Raises ProblemError, NoAnswer, NoToken."""
        request = self._request("GET", path, query=query, headers=headers)
        try:
            answer = self._attempt(request, stream=True)
            try:
                for line in answer.iter_lines():
                    yield line
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise NoAnswer(f"{request.url}: {error!r}") from error

    def _request(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Request:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        sent = dict(headers or {}) | ({} if body is None else {"content-type": "application/json"})
        content = None if body is None else msgspec.json.encode(body)
        return self._http.build_request(method, f"{self._base_url}{path}", params=params, content=content, headers=sent)

    def _send(self, request: httpx.Request) -> httpx.Response:
        patience = Patience(self._patience_s)
        while True:
            asked_s = None
            try:
                return self._attempt(request)
            except ProblemError as error:
                failed: Exception = error
                asked_s = error.retry_after_s
                if error.status not in AGAIN and asked_s is None:
                    raise
            except NoAnswer as error:
                failed = error
            except httpx.TransportError as error:
                failed = NoAnswer(f"{request.method} {request.url}: {error!r}")
                failed.__cause__ = error
            if (pause_s := patience.pause_s(asked_s)) is None:
                raise failed
            time.sleep(pause_s)

    def _attempt(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """A token that the API believes no more is exchanged for another, once."""
        for last in (False, True):
            token = self._tokens.token()
            request.headers["authorization"] = f"Bearer {token}"
            answer = self._http.send(request, stream=stream)
            if answer.status_code != 401 or last:
                break
            self._tokens.refused(token)
            answer.close()
        if answer.status_code >= 400:
            content = answer.read()
            raise ProblemError(read_problem(answer.status_code, content), retry_after_s(answer))
        return answer
