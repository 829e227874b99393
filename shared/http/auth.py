"""Who is calling: bearer access tokens (RFC 6750, RFC 9068), verified by the issuer's published keys."""

import asyncio
import base64
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import msgspec
import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry
from starlette.requests import HTTPConnection
from starlette.types import Scope

from shared.engines.private_files import private_folder, write_private
from shared.http.crowd import enter
from shared.http.duty import duty_in
from shared.http.problems import Problem, register
from shared.journal.decider import Reasons
from shared.journal.record import canonical
from shared.tls import trusted

# Asymmetric only: a shared-secret algorithm would let anyone sign with the public key, "none" would need no key (RFC 8725, 3.1).
ALGORITHMS = frozenset({"ES256", "Ed25519", "EdDSA"})
TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})  # RFC 9068, 4: an ID token is not an access token
LEEWAY_S = 10  # of clocks; a token of 40 s is worth nothing within a minute
TOKEN_LIMIT_BYTES = 8192
SCHEMES = ("Bearer", "bearer", "BEARER")  # that the edge finds a token by: one that it did not find would count as a stranger's
CACHED_TOKENS = 10_000
REFETCH_S = 10.0  # an unknown key id asks the issuer again, but a flood of forged ones must not
FRESH_S = 60.0  # a key that the issuer publishes no more is believed for no longer, while it answers
LONGEST_S = 24 * 3600  # the longest that a token may still last: a shift's has 12 h
OUTSIDE = frozenset({"partner", "nominee", "borrower"})  # the roles of who speaks for someone outside
RETRY_S = 1.0
FETCH_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class AuthReason(Reasons):
    TOKEN_MISSING = "token_missing", 401, "An access token is needed"
    TOKEN_INVALID = "token_invalid", 401, "The access token is not valid here"
    TOKEN_EXPIRED = "token_expired", 401, "The access token has expired"
    FORBIDDEN = "forbidden", 403, "The caller may not do this"
    KEYS_UNAVAILABLE = "keys_unavailable", 503, "Tokens cannot be verified at the moment"


register(AuthReason)


_SIGNED = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # as RFC 7515 writes one: what a decoder passes over, the edge does not
_CALLER = "reserve.caller"  # in a request's scope
_READS = frozenset({"GET", "HEAD"})


class Caller(msgspec.Struct, frozen=True):
    """Who a verified token speaks for. `partner`, `borrower` and `nominee` are None for the Reserve's own people and services; who has
    one of them has no role of the Reserve's own, whatever the issuer wrote.

    A nominee is one of its partner: its token names both.
    """

    subject: str
    client_id: str
    partner: str | None
    roles: frozenset[str]
    scopes: frozenset[str]
    borrower: str | None = None
    nominee: str | None = None

    @property
    def for_whom(self) -> str:
        """A client, for whom it speaks."""
        return f"{self.client_id} {self.nominee or self.partner or self.borrower or ''}"

    @property
    def takes_turns_as(self) -> str:
        """Whose commands wait for one another, over however many connections they come: those of a person where people share a client, for
        its own token names itself."""
        return f"{self.subject} {self.for_whom}"

    @property
    def party(self) -> bytes:
        """For whom it speaks, the Reserve too, as 8 bytes."""
        return sha256(canonical([self.partner, self.borrower, self.nominee])).digest()[:8]

    @property
    def outside(self) -> bool:
        """Whether it speaks for somebody else than the Reserve, whatever roles it has besides."""
        return self.partner is not None or self.borrower is not None or self.nominee is not None


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str


class _Claims(msgspec.Struct, frozen=True):
    sub: str
    client_id: str
    exp: int | float
    partner: str | None = None
    borrower: str | None = None
    nominee: str | None = None
    roles: list[str] = []
    scope: str = ""


class _Verified(msgspec.Struct, frozen=True):
    """Whom a token names, until when (seconds of UNIX), and the key that has signed it."""

    caller: Caller
    expires: float
    kid: str


class Keys:
    """The issuer's public keys by id, fetched when first needed, again when a token names one that is not known, and each minute in which
    they are asked for. `kept`: a file with those that were fetched last, for a process that starts while no issuer answers."""

    def __init__(
        self,
        jwks_url: str,
        http: httpx.AsyncClient | None = None,
        *,
        kept: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = jwks_url
        self._http = http or httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, verify=trusted())
        self._kept = kept
        self._keys: dict[str, Key] = {}
        self._fetching = asyncio.Lock()
        self._now = now
        self._next_fetch = now()
        self._fresh_until = now()
        self._looking: asyncio.Task[None] | None = None
        self._fetched = b""

    def known(self, kid: str) -> bool:
        """Whether the issuer publishes the key, as far as is known. What is older than a minute is asked for meanwhile."""
        if self._now() >= self._fresh_until and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
        return kid in self._keys

    async def _look(self) -> None:
        async with self._fetching:
            if self._now() >= self._fresh_until:
                await self._fetch()

    async def get(self, kid: str) -> Key | None:
        """The key, or None if the issuer does not publish it. Raises Problem `keys_unavailable` if no keys could be had at all."""
        if self.known(kid):
            return self._keys[kid]
        async with self._fetching:
            if kid not in self._keys and self._now() >= self._next_fetch:
                await self._fetch()
        if not self._keys:
            raise Problem("keys_unavailable", "The issuer's keys cannot be fetched", headers={"retry-after": "1"})
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        self._next_fetch = self._now() + RETRY_S
        self._fresh_until = self._now() + REFETCH_S
        try:
            answer = await self._http.get(self._url)
            answer.raise_for_status()
            self._keys = _public_keys(answer.content)
        except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("the issuer's keys could not be fetched", url=self._url, error=repr(error))
            self._keys = self._keys or self._remembered()
            return
        self._next_fetch = self._now() + REFETCH_S
        self._fresh_until = self._now() + FRESH_S
        if answer.content != self._fetched:
            self._keep(answer.content)
            self._fetched = answer.content

    def _keep(self, published: bytes) -> None:
        if self._kept is not None:
            try:
                write_private(private_folder(self._kept.parent) / self._kept.name, published)
            except OSError as error:
                log.warning("the issuer's keys could not be kept", file=str(self._kept), error=repr(error))

    def _remembered(self) -> dict[str, Key]:
        try:
            return {} if self._kept is None else _public_keys(self._kept.read_bytes())
        except (OSError, JoseError, ValueError, TypeError, KeyError):
            return {}

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._http.aclose()


def _public_keys(published: bytes) -> dict[str, Key]:
    """Of a JWK Set (RFC 7517). Raises JoseError, ValueError, TypeError, KeyError."""
    return {key.kid: key for key in KeySet.import_key_set(msgspec.json.decode(published)) if key.kid and key.key_type in ("EC", "OKP")}


class TokenVerifier:
    """Turns an Authorization header into a Caller. Each token is verified once and remembered, by its hash, until it expires or its key is
    published no more."""

    def __init__(self, *, issuer: str, audience: str, keys: Keys, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now
        self._seen: OrderedDict[bytes, _Verified] = OrderedDict()
        self._registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
            client_id={"essential": True},
        )

    async def caller(self, authorization: str | None) -> Caller:
        """Raises Problem: token_missing, token_invalid, token_expired, keys_unavailable."""
        return (await self._verified(authorization)).caller

    async def left(self, authorization: str | None) -> float:
        """For how many seconds yet the token holds. Raises Problem as `caller`, once it does not."""
        return (await self._verified(authorization)).expires - self._now()

    async def _verified(self, authorization: str | None) -> _Verified:
        if authorization is None:
            raise _unauthorized("token_missing", "Send an access token as `Authorization: Bearer ...`")
        scheme, _, token = authorization.partition(" ")
        if scheme not in SCHEMES or not token:
            raise _unauthorized("token_missing", "The Authorization header holds no bearer token")
        digest = sha256(token.encode()).digest()
        if (remembered := self._seen.get(digest)) is not None:
            if self._now() >= remembered.expires:
                del self._seen[digest]
                raise _expired()
            if self._keys.known(remembered.kid):
                self._seen.move_to_end(digest)
                return remembered
            del self._seen[digest]
        verified = self._seen[digest] = await self._verify(token)
        if len(self._seen) > CACHED_TOKENS:
            self._seen.popitem(last=False)
        return verified

    async def _verify(self, token: str) -> _Verified:
        header = _read_header(token)
        key = await self._keys.get(header.kid)
        if key is None:
            raise _unauthorized("token_invalid", "The issuer does not publish the key that the token names")
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
            self._claims.validate(claims)
            known = msgspec.convert(claims, _Claims)
        except ExpiredTokenError:
            raise _expired() from None
        except (InvalidClaimError, MissingClaimError) as error:
            raise _unauthorized("token_invalid", f"A claim of the token is not valid here: {error.description}") from None
        except (JoseError, ValueError, TypeError):  # a claim or header of a shape that joserfc does not expect
            raise _unauthorized("token_invalid", "The token or its signature is not valid") from None
        if not known.exp <= self._now() + LONGEST_S + LEEWAY_S:
            raise _unauthorized("token_invalid", f"The token lasts longer than {LONGEST_S // 3600} h")
        parties = (known.partner, known.borrower, known.nominee)
        if not all(text is None or text.isprintable() for text in (known.sub, known.client_id, known.scope, *parties, *known.roles)):
            raise _unauthorized("token_invalid", "A claim of the token holds what is no text")  # PostgreSQL has no NUL, UTF-8 no half pair
        roles = frozenset(known.roles)
        caller = Caller(
            subject=known.sub,
            client_id=known.client_id,
            partner=known.partner,
            roles=roles if parties == (None, None, None) else roles & OUTSIDE,
            scopes=frozenset(known.scope.split()),
            borrower=known.borrower,
            nominee=known.nominee,
        )
        return _Verified(caller, known.exp + LEEWAY_S, header.kid)

    async def aclose(self) -> None:
        await self._keys.aclose()


def _read_header(token: str) -> _Header:
    """The protected header, not yet trusted: only to pick the key, and to refuse early what no key could make right."""
    if len(token) > TOKEN_LIMIT_BYTES or _SIGNED.fullmatch(token) is None:
        raise _unauthorized("token_invalid", "The token is not a signed JWT")
    try:
        encoded = token.partition(".")[0]
        header = msgspec.json.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), type=_Header)
    except ValueError:  # not base64, not JSON, or not these members
        raise _unauthorized("token_invalid", "The token's header needs alg, kid and typ") from None
    if header.alg not in ALGORITHMS:
        raise _unauthorized("token_invalid", "The token's algorithm is not accepted")
    if header.typ.lower() not in TOKEN_TYPES:
        raise _unauthorized("token_invalid", "The token is not an access token (typ at+jwt)")
    return header


def _expired() -> Problem:
    return _unauthorized("token_expired", "The token has expired")


def _unauthorized(code: str, detail: str) -> Problem:
    # RFC 6750, 3.1: a request without a token gets no error code, only the challenge.
    challenge = 'Bearer realm="reserve"'
    if code != "token_missing":
        challenge += f', error="invalid_token", error_description="{_quotable(detail)}"'
    return Problem(code, detail, field="header:authorization", headers={"www-authenticate": challenge})


def _quotable(text: str) -> str:
    return text.replace('"', "'")


class _Described(HTTPBearer):
    """For the OpenAPI document alone: the verifier reads the header itself."""

    async def __call__(self, request: HTTPConnection) -> None:
        return None


_BEARER = _Described(scheme_name="HTTPBearer", bearerFormat="JWT", auto_error=False, description="An access token of the issuer (RFC 9068)")


def allow(*roles: str, scope: str | None = None, on_duty: bool = False) -> Any:
    """A FastAPI dependency that gives the Caller: `caller: Annotated[Caller, allow("operator", "approver")]`.

    The caller needs one of the roles (any, if none is named) and the scope, if one is named. A token of somebody on duty reads, and changes
    something only where the route says `on_duty`. The application's `state.verifier` is a TokenVerifier. Raises Problem: 401 as
    `TokenVerifier.caller` does, 429 `too_many_at_once`, 403 `forbidden`.
    """
    wanted = frozenset(roles)

    async def caller_allowed(request: Request, _: Annotated[object, Security(_BEARER)]) -> Caller:
        if (caller := request.scope.get(_CALLER)) is None:  # a request has one, whichever of its dependencies asks first
            verifier: TokenVerifier = request.app.state.verifier
            given = request.headers.getlist("authorization")
            if len(given) > 1:
                raise _unauthorized("token_invalid", "There is more than one Authorization header")
            caller = await verifier.caller(given[0] if given else None)
            enter(request.scope, caller.takes_turns_as)
            request.scope[_CALLER] = caller
        if wanted and wanted.isdisjoint(caller.roles):
            raise _forbidden(f"This needs the role {' or '.join(sorted(wanted))}")
        if scope is not None and scope not in caller.scopes:
            raise _forbidden(f"This needs the scope {scope}", scope)
        if not on_duty and request.method not in _READS and duty_in(caller.scopes) is not None:
            raise _forbidden("This needs the token of an ordinary session: it can wait for one")
        return caller

    # For the list of what may be done on duty, and for the API's documents.
    caller_allowed.roles, caller_allowed.scope, caller_allowed.on_duty = wanted, scope, on_duty  # type: ignore[attr-defined]
    return Depends(caller_allowed)


async def token_left(request: Request) -> float:
    """Of a request that goes on: for how many seconds yet its token holds. Raises Problem, once it does not."""
    verifier: TokenVerifier = request.app.state.verifier
    return await verifier.left(request.headers["authorization"])


def caller_of(scope: Scope) -> Caller | None:
    """Who a request is known to be of; None: it has not come so far."""
    found: Caller | None = scope.get(_CALLER)
    return found


def whose(caller: Caller, party: Literal["partner", "borrower"], readers: Collection[str], *, nominees: bool = False) -> str | None:
    """The one partner, or borrower, whose things the caller may see; None: everybody's, which takes one of the roles `readers`.

    A claim always limits, whatever roles stand beside it: who speaks for someone outside is not one of the Reserve's own. So a token that
    speaks for another kind of party sees nothing here, nor does a nominee's, but where `nominees` says that the caller of this function
    looks at `nominee` too. Raises Problem `forbidden`.
    """
    if (own := getattr(caller, party)) is not None and (nominees or caller.nominee is None):
        return str(own)
    if not caller.outside and not caller.roles.isdisjoint(readers):
        return None
    raise Problem("forbidden", f"the token names no {party} whose things these are")


def _forbidden(needed: str, scope: str | None = None) -> Problem:
    challenge = 'Bearer realm="reserve", error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
    return Problem("forbidden", needed, accepted=needed.removeprefix("This needs the "), headers={"www-authenticate": challenge})
