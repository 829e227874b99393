"""What happens to the ledger's log. A stored shape never changes: a new one is a new version."""

import msgspec

from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1


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


type Event = CheckpointSigned | CheckpointWitnessed
