"""The local issuer's rules: client credentials and authorization codes with PKCE (RFC 6749, RFC 7636, RFC 9700).

Errors are OAuth's own (RFC 6749 5.2), as Authlib's exceptions; descriptions never repeat what was sent.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import errors
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN, CODE_VERIFIER_PATTERN, create_s256_code_challenge

from services.identity.assertions import ALGORITHMS, Assertions
from services.identity.clients import Client, Directory, User
from services.identity.scrypt import matches
from services.identity.tokens import BY_KEY_S, LIFETIME_S, SHIFT_S, Claims, TokenSigner
from shared.delivery.tokens import ASSERTION_TYPE
from shared.http.duty import duty_in, scope_of

CODE_LIFETIME_S = 60
WAITING_CODES = 10_000


class TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    scope: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = LIFETIME_S


class Login(msgspec.Struct, frozen=True):
    """A checked authorization request that waits for its person to log in."""

    client: Client
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...] | None  # None: all that the person has
    state: str | None


class _Code(msgspec.Struct, frozen=True):
    client_id: str
    redirect_uri: str
    challenge: str
    user: User
    scopes: tuple[str, ...]
    expires: float


class Issuer:
    """One process, codes in memory: a restart forgets the codes of a minute, and people log in again."""

    def __init__(self, url: str, known: Callable[[], Directory], signer: TokenSigner, *, now: Callable[[], float] = time.time) -> None:
        """`known`: the clients and users of now."""
        self.url = url
        self._known = known
        self._assertions = Assertions((url, f"{url}/oauth/token"), now)
        self._signer = signer
        self._now = now
        self._codes: dict[str, _Code] = {}

    def token(self, form: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> TokenAnswer:
        """POST /oauth/token. Slow (scrypt): call it in a thread. Raises OAuth2Error."""
        given = _once(form)
        client = self._authenticate(given, headers)
        match given.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(client, given)
            case "authorization_code":
                return self._redeem(client, given)
            case None:
                raise errors.InvalidRequestError("grant_type is missing")
            case _:
                raise errors.UnsupportedGrantTypeError("")

    def begin(self, query: Sequence[tuple[str, str]]) -> Login:
        """GET /oauth/authorize. Raises OAuth2Error; only one with a `redirect_uri` may be sent there, the others stay on our page."""
        client, redirect_uri = self._destination(query)
        state = next((value for name, value in query if name == "state"), None)
        try:
            given = _once(query)
            if given.get("response_type") != "code":
                raise errors.UnsupportedResponseTypeError("")
            challenge = given.get("code_challenge", "")
            if given.get("code_challenge_method") != "S256" or not CODE_CHALLENGE_PATTERN.match(challenge):
                raise errors.InvalidRequestError("PKCE is required: code_challenge with code_challenge_method=S256")
            scopes = tuple(given["scope"].split()) if "scope" in given else None
        except errors.OAuth2Error as error:
            error.state, error.redirect_uri = state, redirect_uri
            raise
        return Login(client, redirect_uri, challenge, scopes, state)

    def finish(self, login: Login, name: str, password: str) -> str | None:
        """The address to send the person back to, with a code; None if name or password are wrong. Slow (scrypt). Raises OAuth2Error."""
        user = self._known().users.get(name)
        if not matches(password, user.password_hash if user else None) or user is None:
            return None
        try:
            scopes = _granted(login.scopes, user.scopes)
        except errors.InvalidScopeError as error:
            error.state, error.redirect_uri = login.state, login.redirect_uri
            raise
        code = secrets.token_urlsafe(32)
        self._forget_old_codes()
        self._codes[code] = _Code(
            login.client.client_id, login.redirect_uri, login.challenge, user, scopes, expires=self._now() + CODE_LIFETIME_S
        )
        answer = [("code", code), ("iss", self.url)]  # iss against mix-up (RFC 9207)
        if login.state is not None:
            answer.append(("state", login.state))
        return str(add_params_to_uri(login.redirect_uri, answer))

    def metadata(self) -> dict[str, object]:
        """RFC 8414."""
        clients = self._known().clients.values()
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["client_credentials", "authorization_code"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post", "none"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": sorted({scope for each in clients for scope in (*each.scopes, *map(scope_of, each.duties))}),
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> dict[str, object]:
        return {"keys": self._signer.published()["keys"]}

    def _authenticate(self, given: Mapping[str, str], headers: Mapping[str, str]) -> Client:
        """private_key_jwt, client_secret_basic, client_secret_post, or none for a public client (RFC 6749 2.3, RFC 7591 2, RFC 7523).

        From its first key on a client's secret is worth nothing."""
        basic = "authorization" in headers
        if "client_assertion" in given or "client_assertion_type" in given:
            return self._by_key(given, secret_too=basic or "client_secret" in given)
        if basic and "client_secret" in given:
            raise errors.InvalidRequestError("two ways of client authentication at once")
        client_id, secret = _basic(headers) if basic else (given.get("client_id"), given.get("client_secret"))
        if basic and given.get("client_id", client_id) != client_id:
            raise errors.InvalidRequestError("client_id is not the authenticated client")
        client = self._known().clients.get(client_id or "")
        if secret is None and client is not None and client.secret_hash is None:
            return client
        if not matches(secret or "", client.secret_hash if client else None) or client is None:
            raise errors.InvalidClientError("unknown client or wrong secret", status_code=401)
        if client.by_key:
            raise errors.InvalidClientError("the client has keys: its secret counts no more", status_code=401)
        return client

    def _by_key(self, given: Mapping[str, str], *, secret_too: bool) -> Client:
        if secret_too:
            raise errors.InvalidRequestError("two ways of client authentication at once")
        if given.get("client_assertion_type") != ASSERTION_TYPE:
            raise errors.InvalidRequestError(f"client_assertion_type must be {ASSERTION_TYPE}")
        client = self._assertions.authenticated(given.get("client_assertion", ""), self._known().clients)
        if given.get("client_id", client.client_id) != client.client_id:
            raise errors.InvalidRequestError("client_id is not the authenticated client")
        return client

    def _client_credentials(self, client: Client, given: Mapping[str, str]) -> TokenAnswer:
        if client.secret_hash is None:
            raise errors.UnauthorizedClientError("a public client has no credentials of its own")
        if "scope" not in given:
            return self._answer(client.client_id, client, client.scopes)
        wanted = tuple(given["scope"].split())
        return self._answer(client.client_id, client, _granted(wanted, (*client.scopes, *map(scope_of, client.duties))))

    def _redeem(self, client: Client, given: Mapping[str, str]) -> TokenAnswer:
        # Taken out before it is looked at: whatever happens next, a code is tried once.
        code = self._codes.pop(given.get("code", ""), None)
        if code is None or self._now() >= code.expires:
            raise errors.InvalidGrantError("the code is unknown, used or expired")
        if code.client_id != client.client_id or code.redirect_uri != given.get("redirect_uri"):
            raise errors.InvalidGrantError("the code was given to another client or for another redirect_uri")
        verifier = given.get("code_verifier", "")
        if not CODE_VERIFIER_PATTERN.match(verifier) or not hmac.compare_digest(create_s256_code_challenge(verifier), code.challenge):
            raise errors.InvalidGrantError("code_verifier does not answer the challenge")
        return self._answer(client.client_id, code.user, code.scopes)

    def _answer(self, client_id: str, party: Client | User, scopes: tuple[str, ...]) -> TokenAnswer:
        lifetime_s = SHIFT_S if "service" in party.roles or duty_in(scopes) is not None else LIFETIME_S
        if isinstance(party, Client) and party.by_key and party.partner is not None:
            lifetime_s = BY_KEY_S
        holder = Claims(
            subject=party.subject,
            client_id=client_id,
            roles=party.roles,
            scopes=scopes,
            partner=party.partner,
            borrower=party.borrower,
            nominee=party.nominee,
            lifetime_s=lifetime_s,
        )
        token = self._signer.sign(holder)
        return TokenAnswer(token, scope=" ".join(scopes), expires_in=lifetime_s)

    def _destination(self, query: Sequence[tuple[str, str]]) -> tuple[Client, str]:
        """Where an answer may go: nowhere but to an address that the client registered, compared character by character (RFC 9700 2.1)."""
        clients = [value for name, value in query if name == "client_id"]
        addresses = [value for name, value in query if name == "redirect_uri"]
        client = self._known().clients.get(clients[0]) if len(clients) == 1 else None
        if client is None:
            raise errors.InvalidRequestError("client_id is not a known client")
        if len(addresses) != 1 or addresses[0] not in client.redirect_uris:
            raise errors.InvalidRequestError("redirect_uri is not one that the client registered")
        return client, addresses[0]

    def _forget_old_codes(self) -> None:
        now = self._now()
        for old in [code for code, given in self._codes.items() if now >= given.expires]:
            self._codes.pop(old, None)
        if len(self._codes) >= WAITING_CODES:
            raise errors.OAuth2Error("too many logins at once", error="temporarily_unavailable", status_code=503)


def _once(parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    """No parameter may come twice; an empty one counts as left out (RFC 6749 3.1, 3.2)."""
    given = dict(parameters)
    if len(given) != len(parameters):
        raise errors.InvalidRequestError("a parameter comes twice")
    return {name: value for name, value in given.items() if value}


def _granted(wanted: tuple[str, ...] | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    if wanted is None:
        return allowed
    if not set(wanted) <= set(allowed):
        raise errors.InvalidScopeError("a scope is not one that may be granted here")
    return wanted


def _basic(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    try:
        client_id, secret = extract_basic_authorization({"Authorization": headers["authorization"]})
    except ValueError:  # credentials that are neither base64 nor UTF-8
        return None, None
    return client_id, secret
