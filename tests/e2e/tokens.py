"""Access tokens that the issuer did not give for the asking: of people with two roles, and all that must not be believed."""

import base64
import hmac
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from services.identity.tokens import ALGORITHM, Claims, TokenSigner, signing_key
from tests.e2e.world import World


def of_two_roles(world: World, subject: str, *roles: str) -> str:
    """What an issuer gives to a person who holds several offices."""
    key = signing_key(world.running.folder / "keys")
    signer = TokenSigner(key, issuer=world.running.endpoints.issuer, audience="reserve")
    return signer.sign(Claims(subject=subject, client_id="console", roles=roles))


def bad_tokens(world: World) -> dict[str, tuple[str, str]]:
    """{what is wrong with it: (token, the problem's code)}. Each but for its fault would let an operator in."""
    key = signing_key(world.running.folder / "keys")
    key.ensure_kid()
    stranger = ECKey.generate_key("P-256")
    stranger.ensure_kid()
    now = int(time.time())
    claims = {
        "iss": world.running.endpoints.issuer,
        "aud": "reserve",
        "sub": "sub_stranger",
        "client_id": "operator-1",
        "scope": "",
        "roles": ["operator"],
        "iat": now,
        "exp": now + 600,
        "jti": "1",
    }

    def signed(by: Any = key, kid: str | None = key.kid, typ: str = "at+jwt", **changed: Any) -> str:
        header = {"alg": ALGORITHM, "typ": typ, "kid": kid}
        return jwt.encode(header, claims | changed, by, algorithms=[ALGORITHM])

    good = signed()
    head, body, signature = good.split(".")
    raised = base64url(base64.urlsafe_b64decode(body + "==").replace(b"sub_stranger", b"sub_operator"))
    unsigned = base64url(b'{"alg":"none","typ":"at+jwt","kid":"%s"}' % str(key.kid).encode())
    shared = base64url(b'{"alg":"HS256","typ":"at+jwt","kid":"%s"}' % str(key.kid).encode())
    by_public_key = base64url(hmac.digest(key.as_pem(private=False), f"{shared}.{body}".encode(), "sha256"))
    return {
        "expired": (signed(exp=now - 120), "token_expired"),
        "foreign key": (signed(by=stranger, kid=stranger.kid), "token_invalid"),
        "foreign issuer": (signed(iss="https://login.example.org"), "token_invalid"),
        "foreign audience": (signed(aud="another-system"), "token_invalid"),
        "forged with another key": (signed(by=stranger), "token_invalid"),
        "forged with the public key": (f"{shared}.{body}.{by_public_key}", "token_invalid"),
        "changed after signing": (f"{head}.{raised}.{signature}", "token_invalid"),
        "not signed": (f"{unsigned}.{body}.", "token_invalid"),
        "an ID token": (signed(typ="JWT"), "token_invalid"),
        "no token": ("abc", "token_invalid"),
        "without an expiry": (signed(exp=None), "token_invalid"),
    }


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
