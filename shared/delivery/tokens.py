"""Tokens for our own calls to other services."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from shared.engines.private_files import private_folder, write_private
from shared.tls import trusted

RETRY_S = 1.0
RENEWED_AFTER_S = 12 * 60.0  # also where it would last longer: then it still has all that time when no issuer answers
FETCH_TIMEOUT_S = 5.0
ASSERTED_S = 60  # for how long an assertion is good
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

type Key = ECKey | OKPKey  # P-256 or Ed25519

log = structlog.get_logger(__name__)


def key_of(written: bytes | Mapping[str, str]) -> Key:
    """Of PEM, or of a JWK's members. Raises ValueError for any but P-256 and Ed25519."""
    for kind in (OKPKey, ECKey):
        with suppress(JoseError, ValueError, TypeError, KeyError):
            if (key := kind.import_key(written if isinstance(written, bytes) else dict(written))).curve_name in ("Ed25519", "P-256"):
                return key
    raise ValueError("no key on P-256 or Ed25519")


class TokenUnavailable(Exception):
    """The issuer gave no token; the cause says why."""


class _Grant(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 60.0


class _Kept(msgspec.Struct, frozen=True):
    access_token: str
    expires_at: float  # seconds since 1970


class TokenSource:
    """A client's own access tokens (client credentials, RFC 6749 4.4), renewed before they expire, by one request at a time. `credential`:
    its secret, or its private key, which signs an assertion for each request (RFC 7523)."""

    def __init__(
        self,
        token_url: str,
        client_id: str,
        credential: str | Key,
        *,
        scope: str | None = None,
        http: httpx.AsyncClient | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = token_url
        self._form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        self._client_id = client_id
        self._credential = credential
        self._http = http or httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, verify=trusted())
        self._renewing = asyncio.Lock()
        self._kept: Path | None = None
        self._token = ""
        self._now = now
        self._renew_at = self._useless_at = now()

    def kept_in(self, file: Path) -> Self:
        """With a private file of the last token, for a process that starts while no issuer answers."""
        self._kept = file
        return self

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

    def refused(self) -> None:
        """The token is believed no more, as when the issuer's key was made anew: the next call asks for another."""
        self._renew_at = self._now()

    async def _renew(self) -> None:
        asked = self._now()
        try:
            if isinstance(self._credential, str):
                answer = await self._http.post(self._url, auth=(self._client_id, self._credential), data=self._form)
            else:
                answer = await self._http.post(self._url, data=self._form | self._asserted(self._credential))
            answer.raise_for_status()
            grant = msgspec.json.decode(answer.content, type=_Grant)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            if not self._token:
                self._remember(asked)
            if self._now() < self._useless_at:
                self._renew_at = self._now() + RETRY_S  # the old one still works: try again soon, let this call go on
                return
            raise TokenUnavailable(f"{self._url} gave no token") from error
        self._token = grant.access_token
        self._renew_at = asked + min(grant.expires_in * 0.8, RENEWED_AFTER_S)
        self._useless_at = asked + grant.expires_in
        self._keep(_Kept(grant.access_token, time.time() + grant.expires_in))

    def _asserted(self, key: Key) -> dict[str, str]:
        now = int(time.time())
        claims: dict[str, object] = {"iss": self._client_id, "sub": self._client_id, "aud": self._url, "jti": uuid.uuid4().hex}
        algorithm = "ES256" if isinstance(key, ECKey) else "Ed25519"
        header = {"alg": algorithm, "kid": key.thumbprint()}
        signed = jwt.encode(header, claims | {"iat": now, "exp": now + ASSERTED_S}, key, algorithms=[algorithm])
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}

    def _keep(self, token: _Kept) -> None:
        if self._kept is not None:
            try:
                write_private(private_folder(self._kept.parent) / self._kept.name, msgspec.json.encode(token))
            except OSError as error:
                log.warning("a token could not be kept", file=str(self._kept), error=repr(error))

    def _remember(self, asked: float) -> None:
        try:
            kept = None if self._kept is None else msgspec.json.decode(self._kept.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return
        if kept is not None:
            self._token, self._useless_at = kept.access_token, asked + kept.expires_at - time.time()

    async def aclose(self) -> None:
        await self._http.aclose()
