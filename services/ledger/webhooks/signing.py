"""Signatures of webhooks, and the secrets that they are by. Source: Standard Webhooks 1.0.0 (standardwebhooks.com).

Each secret is derived from the deployment's `keys/webhooks.key`, the webhook and the secret's number: nothing of it is in a journal, a
table or a backup, and a retry of a request is given the same one again.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Secret(msgspec.Struct, frozen=True):
    """`shared`: 32 bytes that the receiver has too, for HMAC-SHA256. `own`: 32 bytes of the Ed25519 key that only the Reserve has."""

    shared: bytes
    own: bytes

    @property
    def text(self) -> str:
        return f"whsec_{b64encode(self.shared).decode()}"

    @property
    def public_key(self) -> str:
        return f"whpk_{b64encode(Ed25519PrivateKey.from_private_bytes(self.own).public_key().public_bytes_raw()).decode()}"


def secret_of(key: bytes, webhook: str, number: int) -> Secret:
    """The secret of this number of a webhook. `key`: the deployment's."""
    shared, own = (hmac.digest(key, f"{kind}/{webhook}/{number}".encode(), "sha256") for kind in ("v1", "v1a"))
    return Secret(shared, own)


def signed(secrets: Sequence[Secret], message: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers. `message`: its id, without a full stop; `timestamp`: of the attempt, in seconds since 1970."""
    content = f"{message}.{timestamp}.".encode() + body
    shared = [f"v1,{b64encode(hmac.digest(each.shared, content, 'sha256')).decode()}" for each in secrets]
    own = [f"v1a,{b64encode(Ed25519PrivateKey.from_private_bytes(each.own).sign(content)).decode()}" for each in secrets]
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(shared + own)}
