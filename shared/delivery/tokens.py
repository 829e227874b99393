"""Tokens for our own calls to other services."""

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec

from shared.tls import trusted

RETRY_S = 1.0
FETCH_TIMEOUT_S = 5.0


class TokenUnavailable(Exception):
    """The issuer gave no token; the cause says why."""


class _Grant(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 60.0


class TokenSource:
    """A service's own access tokens (client credentials, RFC 6749 4.4), renewed before they expire, by one request at a time."""

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        http: httpx.AsyncClient | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = token_url
        self._credentials = httpx.BasicAuth(client_id, client_secret)
        self._http = http or httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, verify=trusted())
        self._renewing = asyncio.Lock()
        self._token = ""
        self._now = now
        self._renew_at = self._useless_at = now()

    async def token(self) -> str:
        """A token with time left. Raises TokenUnavailable if there is none and the issuer gives none."""
        if self._now() < self._renew_at:
            return self._token
        async with self._renewing:
            if self._now() >= self._renew_at:
                await self._renew()
        return self._token

    async def authorization(self) -> dict[str, str]:
        """The header for a call: `http.get(url, headers=await source.authorization())`."""
        return {"authorization": f"Bearer {await self.token()}"}

    async def _renew(self) -> None:
        asked = self._now()
        try:
            answer = await self._http.post(self._url, auth=self._credentials, data={"grant_type": "client_credentials"})
            answer.raise_for_status()
            grant = msgspec.json.decode(answer.content, type=_Grant)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            if self._now() < self._useless_at:
                self._renew_at = self._now() + RETRY_S  # the old one still works: try again soon, let this call go on
                return
            raise TokenUnavailable(f"{self._url} gave no token") from error
        self._token = grant.access_token
        self._renew_at = asked + grant.expires_in * 0.8
        self._useless_at = asked + grant.expires_in

    async def aclose(self) -> None:
        await self._http.aclose()
