"""What ledger answers, and what it is asked. Made from docs/api by generate.py: change it there."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """A CloudEvent. `data` is the event, as the AsyncAPI document describes it; `hashed` what its hash covers, verbatim. It
    proves itself: SHA-256(0x01 || salt || hashed) is `eventhash`, and SHA-256(0x03 || salt || place || eventhash) is leaf
    `leafindex` of the log."""

    id: str
    # a service and its shard: /inventory/0
    source: str
    type: str
    # the stream
    subject: str
    time: str
    data: dict[str, Any]
    partner: str | None
    # of this partner and source: gapless, from 1
    partnerseq: int | None
    effectiveon: date
    correlationid: str
    place: str
    leafindex: int
    # hex
    salt: str
    # hex
    eventhash: str
    hashed: str
    datacontenttype: str = "application/json"
    specversion: str = "1.0"


class FeedPage(Struct, frozen=True, kw_only=True):
    data: list[Event]
    # ask for what comes after it. There always is one, but where the log has no leaf yet
    cursor: str | None
    # whether there is more already
    more: bool
    # the log's signed note, which covers the page; of a history before: /v1/histories
    checkpoint: str | None


class Webhook(Struct, frozen=True, kw_only=True):
    """`public_keys`: by which it is signed now (`v1a`), the newest first. `cursor`: it has taken all up to this id of the feed;
    none: nothing since it was registered or replayed. `failing_since`: when its next event failed first."""

    webhook: str
    url: str
    types: list[str]
    # why nothing is sent: asked, failing (three days), gone (answered 410), restored (a new history began), reserve
    stopped: str | None
    changed_at: datetime
    # the number of the secret that signs
    secret: int
    # until when the secret before it signs as well
    before_until: datetime | None
    public_keys: list[str]
    cursor: str | None
    # attempts at its next event that have failed
    failures: int
    failing_since: datetime | None


class WebhookSecret(Struct, frozen=True, kw_only=True):
    """The answer to who made the secret, and no other, shows it."""

    webhook: str
    number: int
    # for HMAC-SHA256 (v1): whsec_ and base64
    secret: str
    # for Ed25519 (v1a): whpk_ and base64
    public_key: str
    before_until: datetime | None


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """An attempt. `event`: the id of what was sent, as in the feed; of a test, its own."""

    number: int
    event: str
    at: datetime
    # one of delivered, answered, unreachable, timed_out, refused
    outcome: str
    status: int | None
    took_ms: int


class WebhookDeliveries(Struct, frozen=True, kw_only=True):
    """The newest first. `next`: for `before`, to go on."""

    data: list[WebhookDelivery]
    next: int | None


class WebhookChanged(Struct, frozen=True, kw_only=True):
    webhook: str
