"""Sign-in at the OpenID provider: authorization code with PKCE (RFC 6749 4.1, RFC 7636, RFC 9207, RFC 9700)."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlencode

import httpx
import msgspec
import structlog

from services.console.session import SIGN_IN_S, Session, SignIn
from shared.settings import Settings
from shared.tls import trusted

CLIENT = "console"  # as the local issuer knows it; elsewhere RESERVE_CLIENT_ID
TIMEOUT_S = 10.0
CODES_AT_ONCE = 4  # are asked about: who sends many that are none holds the issuer up no more than so
LEEWAY_S = 60  # between the provider's clock and ours

log = structlog.get_logger(__name__)


class NotSignedIn(Exception):
    """Why not, in words for the person who tried."""


class _Answer(msgspec.Struct, frozen=True):
    access_token: str


class _Claims(msgspec.Struct, frozen=True):
    sub: str
    exp: int
    auth_time: int | None = None  # when the person was asked, where the provider says so (RFC 9068 2.2.1)
    roles: tuple[str, ...] = ()
    partner: str | None = None
    borrower: str | None = None
    nominee: str | None = None


class Provider:
    """The issuer, as this console reaches it."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
        self._issuer = settings.issuer
        self._authorize_url = settings.authorize_url or f"{settings.issuer}/oauth/authorize"
        self._token_url = settings.token_url
        self._client = settings.client_id or CLIENT
        self._secret = settings.client_secret
        self._callback = f"{settings.console_url}/callback"
        self._turn = asyncio.Semaphore(CODES_AT_ONCE)
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S, verify=trusted())

    async def close(self) -> None:
        await self._http.aclose()

    def begin(self, back: str, now: float, *, anew: bool = False) -> tuple[SignIn, str]:
        """What to keep until the answer comes, and the address to send the person to. `anew`: they are asked who they are, whether the
        provider still knows them or not (OpenID Connect Core 3.1.2.1)."""
        sign_in = SignIn(state=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48), back=back, began=int(now), anew=anew)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sign_in.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._callback,
            "state": sign_in.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        query |= {"prompt": "login", "max_age": "0"} if anew else {}
        return sign_in, f"{self._authorize_url}?{urlencode(query)}"

    async def finish(self, sign_in: SignIn | None, answer: dict[str, str], now: float) -> Session:
        """Of the issuer's answer, the query of the callback. Raises NotSignedIn."""
        if sign_in is None or now >= sign_in.began + SIGN_IN_S:
            raise NotSignedIn("This sign-in was begun in another browser, or too long ago")
        if not hmac.compare_digest(answer.get("state", "").encode(), sign_in.state.encode()):
            raise NotSignedIn("The answer belongs to another sign-in")
        if answer.get("iss", self._issuer) != self._issuer:
            raise NotSignedIn("The answer is another issuer's")
        if "code" not in answer:
            raise NotSignedIn("The issuer refused it")
        token = await self._redeem(answer["code"], sign_in.verifier)
        claims = _claims(token)
        if sign_in.anew and claims.auth_time is not None and claims.auth_time < sign_in.began - LEEWAY_S:
            raise NotSignedIn("The issuer has not asked again who you are")
        return Session(
            token=token,
            subject=claims.sub,
            roles=claims.roles,
            acts_for=claims.nominee or claims.partner or claims.borrower,
            began=int(now),
            renewed=int(now),
            seen=int(now),
            until=claims.exp,
        )

    async def _redeem(self, code: str, verifier: str) -> str:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._callback, "code_verifier": verifier}
        form |= {"client_id": self._client} | ({"client_secret": self._secret} if self._secret else {})
        try:
            async with self._turn:
                answer = await self._http.post(self._token_url, data=form)
            if answer.status_code == 200:
                return msgspec.json.decode(answer.content, type=_Answer).access_token
            log.warning("sign_in_refused", status=answer.status_code)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            log.warning("sign_in_failed", error=repr(error))
            raise NotSignedIn("The issuer does not answer") from error
        raise NotSignedIn("The issuer does not take this code any more")


def _claims(token: str) -> _Claims:
    """As they are written: the token came from the issuer itself, and each service verifies it. Raises NotSignedIn."""
    try:
        payload = token.split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
    except (IndexError, ValueError, msgspec.DecodeError) as error:
        raise NotSignedIn("The issuer's token cannot be read") from error
