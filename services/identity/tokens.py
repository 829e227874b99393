"""Access tokens (RFC 9068) and the key that signs them."""

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, KeySetSerialization

from shared.engines.private_files import private_folder, write_private

LIFETIME_S = 15 * 60
BY_KEY_S = (
    40  # of a partner's client that comes with a key: whoever revokes the key is rid of it within a minute, with LEEWAY_S of services
)
SHIFT_S = 12 * 3600  # of whoever is on duty, and of services: they go on while no issuer answers
ALGORITHM = "ES256"  # every OAuth library knows it; JOSE's name for Ed25519 has just changed (RFC 9864)


def signing_key(folder: Path) -> ECKey:
    """The deployment's key, made at the first start, in `folder`/issuer.pem; its `kid` is its RFC 7638 thumbprint."""
    file = private_folder(folder) / "issuer.pem"
    if not file.exists():
        write_private(file, ECKey.generate_key("P-256").as_pem(private=True))
    return ECKey.import_key(file.read_bytes(), {"use": "sig", "alg": ALGORITHM})


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of its holder. No personal data: subjects are opaque."""

    subject: str
    client_id: str
    roles: Sequence[str]
    scopes: Sequence[str] = ()
    partner: str | None = None  # whom it acts for, if for one
    borrower: str | None = None
    nominee: str | None = None
    lifetime_s: int = LIFETIME_S


class TokenSigner:
    def __init__(self, key: ECKey, *, issuer: str, audience: str, now: Callable[[], float] = time.time) -> None:
        key.ensure_kid()
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._now = now

    def sign(self, holder: Claims) -> str:
        """A token for as long as its holder's last."""
        issued = int(self._now())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": holder.subject,
            "client_id": holder.client_id,
            "scope": " ".join(holder.scopes),
            "roles": list(holder.roles),
            "iat": issued,
            "exp": issued + holder.lifetime_s,
            "jti": uuid.uuid4().hex,
        }
        for name in ("partner", "borrower", "nominee"):
            if (acts_for := getattr(holder, name)) is not None:
                claims[name] = acts_for
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": self._key.kid}, claims, self._key, algorithms=[ALGORITHM])

    def published(self) -> KeySetSerialization:
        """The public half, as a JWK Set (RFC 7517)."""
        return KeySet([self._key]).as_dict(private=False)
