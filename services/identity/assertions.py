"""Assertions: a client shows that it has its private key, in place of a secret that it would have to send (private_key_jwt: RFC 7523,
OpenID Connect Core 9).

An assertion is for this issuer, lasts five minutes at most, and is good once. What was used is remembered until it has expired; one that is
from before this process began is refused, since nobody remembers whether it was used.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import TypeGuard

import msgspec
from authlib.oauth2.rfc6749.errors import InvalidClientError, OAuth2Error
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from services.identity.clients import Client
from shared.delivery.tokens import key_of

ALGORITHMS = ("ES256", "Ed25519", "EdDSA")  # the third is what many libraries still call the second (RFC 9864)
LONGEST_S = 300
SKEW_S = 10
REMEMBERED = 100_000  # used ones that have not expired


class Assertions:
    """`audiences`: what an assertion may name as whom it is for."""

    def __init__(self, audiences: tuple[str, ...], now: Callable[[], float] = time.time) -> None:
        self._audiences = audiences
        self._now = now
        self._since = now()
        self._used: dict[tuple[str, str], float] = {}
        self._one_at_a_time = Lock()  # two threads may have the same one

    def authenticated(self, assertion: str, clients: Mapping[str, Client]) -> Client:
        """Who has signed it. Raises InvalidClientError, which says no more than that: whoever asks may be anybody."""
        if (client := clients.get(_claimed(assertion))) is not None:
            for key in client.keys:
                with suppress(JoseError, ValueError, TypeError):
                    claims = jwt.decode(assertion, key_of(key), algorithms=list(ALGORITHMS)).claims
                    self._look_at(client.client_id, claims)
                    return client
        raise _refused("unknown client, or no signature of a key of its")

    def _look_at(self, client_id: str, claims: Mapping[str, object]) -> None:
        now = self._now()
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        expires, issued, name = claims.get("exp"), claims.get("iat"), claims.get("jti")
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise _refused("iss and sub must be the client_id")
        if not set(self._audiences) & {each for each in named if isinstance(each, str)}:
            raise _refused(f"aud must be {self._audiences[0]}")
        if not _is_time(expires) or not now - SKEW_S < expires <= now + LONGEST_S + SKEW_S:
            raise _refused(f"exp must be within the next {LONGEST_S} s")
        if not _is_time(issued) or not self._since - SKEW_S <= issued <= now + SKEW_S:
            raise _refused("iat must be the time at which it was made; make a new one")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise _refused("jti must be a name of 1 to 255 characters that no other has")
        with self._one_at_a_time:
            self._use(client_id, name, expires, now)

    def _use(self, client_id: str, name: str, expires: float, now: float) -> None:
        if self._used.get((client_id, name), 0.0) > now:
            raise _refused("it was used before; make a new one")
        if len(self._used) >= REMEMBERED:
            self._used = {key: until for key, until in self._used.items() if until > now}
            if len(self._used) >= REMEMBERED:
                raise OAuth2Error("too many assertions at once", error="temporarily_unavailable", status_code=503)
        self._used[client_id, name] = expires + SKEW_S


def _claimed(assertion: str) -> str:
    """Whose it says it is, before anything of it is believed. "": it says nobody's."""
    with suppress(JoseError, ValueError, TypeError):
        return str(msgspec.json.decode(extract_compact(assertion.encode()).payload, type=dict[str, object]).get("sub"))
    return ""


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(why: str) -> InvalidClientError:
    return InvalidClientError(why, status_code=401)
