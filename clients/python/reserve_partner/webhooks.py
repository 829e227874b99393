"""Webhooks as they arrive: whether the Reserve sent it, now. Source: Standard Webhooks 1.0.0 (standardwebhooks.com)."""

import hmac
import time
from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reserve_partner.models import Event

TOLERANCE = timedelta(minutes=5)
TEST = "reserve.webhook_test.v1"
SECRET, PUBLIC_KEY = "whsec_", "whpk_"


class WebhookTest(msgspec.Struct, frozen=True):
    """What `client.test_webhook` has sent: no event, and at no place in the log."""

    id: str
    type: str
    subject: str  # the webhook
    time: str


class WebhookInvalid(Exception):
    """It is not from the Reserve, or not of now: answer 401 and do nothing."""


def verify_webhook(body: bytes, headers: Mapping[str, str], *keys: str, now: float | None = None) -> Event | WebhookTest:
    """The event of a request. `body`: as it arrived; `headers`: by any spelling of their names; `keys`: what was given at registration, of
    which one has to have signed: the secret (`whsec_`, HMAC-SHA256) or the public key (`whpk_`, Ed25519), each of both while it rotates.

    It is sent at least once: take each `id` once. Raises WebhookInvalid, and ValueError for a key that is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identity, timestamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        sent = int(timestamp)
    except (KeyError, ValueError) as error:
        raise WebhookInvalid(f"a header is missing, or no number: {error}") from error
    if abs((time.time() if now is None else now) - sent) > TOLERANCE.total_seconds():
        raise WebhookInvalid(f"it was sent at {sent}, which is not now")
    content = f"{identity}.{timestamp}.".encode() + body
    if not any(_signed(key, content, each) for key in keys for each in signatures.split(" ")):
        raise WebhookInvalid("none of the keys signed it")
    try:
        test = msgspec.json.decode(body, type=WebhookTest)
        return test if test.type == TEST else msgspec.json.decode(body, type=Event)
    except msgspec.MsgspecError as error:
        raise WebhookInvalid(f"it is no event: {error}") from error


def _signed(key: str, content: bytes, signature: str) -> bool:
    version, _, encoded = signature.partition(",")
    try:
        given = b64decode(encoded, validate=True)
    except ValueError:
        return False
    if key.startswith(SECRET):
        expected = hmac.digest(b64decode(key.removeprefix(SECRET), validate=True), content, "sha256")
        return version == "v1" and hmac.compare_digest(given, expected)
    if not key.startswith(PUBLIC_KEY):
        raise ValueError("a key starts with whsec_ or whpk_")
    public = Ed25519PublicKey.from_public_bytes(b64decode(key.removeprefix(PUBLIC_KEY), validate=True))
    try:
        public.verify(given, content)
    except InvalidSignature:
        return False
    return version == "v1a"
