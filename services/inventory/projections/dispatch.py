"""Read tables of what inventory takes of others, in their cursor's transaction: the checkpoints that dispatch waits for."""

from collections.abc import Sequence

from services.ledger.events import CheckpointSigned
from shared.journal.record import Fact
from shared.journal.waves import InWaves, Wave
from shared.proofs.checkpoint import parse_checkpoint
from shared.proofs.signed_note import parse_note

SERVICE = "inventory"

COVER = """
    INSERT INTO covered (shard, position, log, log_size, root)
    SELECT shard, position, $3::text, $4::bigint, $5::text FROM unnest($1::integer[], $2::bigint[]) AS new(shard, position)
    ON CONFLICT (shard) DO UPDATE
    SET position = excluded.position, log = excluded.log, log_size = excluded.log_size, root = excluded.root"""


def _checkpoints(facts: Sequence[Fact]) -> list[Wave]:
    """From the ledger: how far its last checkpoint covers this journal. Its signature is checked before (`reactions.check_checkpoint`)."""
    last = next((fact.event for fact in reversed(facts) if isinstance(fact.event, CheckpointSigned)), None)
    if last is None:
        return []
    shards = [int(place.removeprefix(f"{SERVICE}/")) for place in last.covers if place.startswith(f"{SERVICE}/")]
    log = parse_checkpoint(parse_note(last.note).text).origin
    positions = [last.covers[f"{SERVICE}/{shard}"] for shard in shards]
    return [Wave((COVER,), (shards, positions, log, last.size, last.root))]


take_checkpoints = InWaves(_checkpoints)
