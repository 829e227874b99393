"""What happens to the ledger's log, and to webhooks. A stored shape never changes: a new one is a new version."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1

WebhookId = NewType("WebhookId", str)  # "whk_01j..."


class CheckpointSigned(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.checkpoint_signed.v1"):
    """The log's key vouches for the first `size` leaves. They are a consistent cut: each shard of each source up to its `covers`."""

    size: Count
    root: str  # of the RFC 6962 tree, 64 hex digits
    note: str  # the C2SP signed note, whole: what a client checks with its pinned key
    covers: dict[str, Count]  # "inventory/0" -> the last position covered


class CheckpointWitnessed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.checkpoint_witnessed.v1"):
    """Enough witnesses vouch that the log of `size` leaves goes on from all that they have seen of it: published, and the same to everyone.
    Of a size that is published already, it says that the log has not grown until then."""

    size: Count
    root: str  # 64 hex digits
    note: str  # the checkpoint with the log's two signatures and the cosignatures, which carry the witnesses' times
    covers: dict[str, Count]  # as of the signed one


class StopCause(StrEnum):
    """Why nothing is sent to a webhook."""

    ASKED = "asked"  # its partner wanted so
    FAILING = "failing"  # for days it has taken nothing
    GONE = "gone"  # it has answered 410
    RESTORED = "restored"  # a new history has begun since its partner wanted it sent: it says so again
    RESERVE = "reserve"  # the Reserve wanted so, and alone ends it


class WebhookRegistered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_registered.v1"):
    """A partner has its events sent to an address. Its first secret is number 1."""

    webhook: WebhookId
    partner: str
    url: str
    types: tuple[str, ...]  # of events, without versions: "inventory.stock_drawn"; none: all
    begins: Count  # the ledger's number of the first leaf that may be sent


class WebhookSecretRotated(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_secret_rotated.v1"):
    """What is sent is signed by the secret of this number, and until an instant by the one before as well. Neither is in any journal."""

    webhook: WebhookId
    partner: str
    secret: Count
    before_until: datetime


class WebhookStopped(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_stopped.v1"):
    """Nothing is sent to it until it is resumed; then what it has missed."""

    webhook: WebhookId
    partner: str
    cause: StopCause


class WebhookResumed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_resumed.v1"):
    webhook: WebhookId
    partner: str


class WebhookReplayed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_replayed.v1"):
    """It is sent everything again from a leaf on."""

    webhook: WebhookId
    partner: str
    begins: Count  # the ledger's number of that leaf


class WebhookRemoved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger.webhook_removed.v1"):
    webhook: WebhookId
    partner: str


type WebhookEvent = WebhookRegistered | WebhookSecretRotated | WebhookStopped | WebhookResumed | WebhookReplayed | WebhookRemoved
type Event = (
    CheckpointSigned
    | CheckpointWitnessed
    | WebhookRegistered
    | WebhookSecretRotated
    | WebhookStopped
    | WebhookResumed
    | WebhookReplayed
    | WebhookRemoved
)
