"""Dispatch: the checkpoints that it waits for, which are taken of the ledger in its cursor's transaction and believed by the key and the
witnesses that are pinned here; and what is corrected of it."""

from collections.abc import Sequence
from functools import cache

import msgspec
import structlog

from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from shared.journal.connection import Connection, as_json
from shared.journal.places import history_of_origin
from shared.journal.record import Fact
from shared.journal.waves import InWaves, Wave
from shared.proofs.checkpoint import TreeHead, open_checkpoint, parse_checkpoint
from shared.proofs.policy import WitnessPolicy, open_witnessed, pinned_policy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey, parse_note, parse_verifier_keys
from shared.settings import Settings

log = structlog.get_logger()

SERVICE = "inventory"

COVER = """
    INSERT INTO covered (shard, position, log, log_size, root)
    SELECT shard, position, $3::text, $4::bigint, $5::text FROM unnest($1::integer[], $2::bigint[]) AS new(shard, position)
    ON CONFLICT (shard) DO UPDATE
    SET position = excluded.position, log = excluded.log, log_size = excluded.log_size, root = excluded.root"""
WITNESS = """
    INSERT INTO witnessed (shard, position, note, log_size, root)
    SELECT shard, position, $3::text, $4::bigint, $5::text FROM unnest($1::integer[], $2::bigint[]) AS new(shard, position)
    ON CONFLICT (shard) DO UPDATE
    SET position = excluded.position, note = excluded.note, log_size = excluded.log_size, root = excluded.root"""


def _checkpoints(facts: Sequence[Fact]) -> list[Wave]:
    """From the ledger: how far its last checkpoint, and the last witnessed one, cover this journal. The first one's signature is checked
    before (`reactions.check_checkpoint`); what witnesses have cosigned is looked at where goods leave by it (`Pinned.vouches`)."""
    waves = []
    for kind, statement in ((CheckpointSigned, COVER), (CheckpointWitnessed, WITNESS)):
        last = next((fact.event for fact in reversed(facts) if isinstance(fact.event, kind)), None)
        if last is not None:
            shards = [int(place.removeprefix(f"{SERVICE}/")) for place in last.covers if place.startswith(f"{SERVICE}/")]
            positions = [last.covers[f"{SERVICE}/{shard}"] for shard in shards]
            third = parse_checkpoint(parse_note(last.note).text).origin if statement is COVER else last.note
            waves.append(Wave((statement,), (shards, positions, third, last.size, last.root)))
    return waves


take_checkpoints = InWaves(_checkpoints)


class Pinned(msgspec.Struct, frozen=True):
    """What is believed of the ledger's log, and of those of the histories before: their keys and, where there are any, the witnesses."""

    log_keys: tuple[VerifierKey, ...]
    policy: WitnessPolicy | None = None

    def check(self, event: CheckpointSigned, history: int) -> None:
        """`history`: that the event is of. Raises NoteMalformed or NoteUnverified: it is not that history's log's."""
        signed = open_checkpoint(event.note, [key for key in self.log_keys if history_of_origin(key.name) == history])
        if signed.head != TreeHead(event.size, bytes.fromhex(event.root)):
            raise NoteUnverified("the note vouches for another tree than the event says")

    def vouches(self, note: str, head: TreeHead) -> bool:
        """Whether the witnesses that are pinned here have cosigned this tree. What others have, such as those of before, says nothing."""
        if self.policy is None:
            return False
        try:
            return open_witnessed(note, self.policy.of_logs(*self.log_keys)).checkpoint.head == head
        except (NoteMalformed, NoteUnverified) as error:
            log.warning("not_witnessed_by_who_is_pinned", size=head.size, error=str(error))
            return False


@cache
def pinned() -> Pinned:
    """The keys as the settings have them, and the policy in the data folder. Raises NoteMalformed if there is no key, PolicyMalformed."""
    settings = Settings()
    return Pinned(parse_verifier_keys(settings.ledger_public_key), pinned_policy(settings.data_dir))


async def correct(connection: Connection, fact: Fact) -> None:
    event = fact.event
    told = {"carrier": event.carrier, "reference": event.reference, "reason": event.reason, "corrected_by": event.corrected_by}
    await connection.execute(
        """UPDATE draws SET carrier = coalesce($2, carrier), reference = coalesce($3, reference),
                            corrections = coalesce(corrections, '[]') || $4::jsonb
           WHERE draw = $1""",
        event.draw,
        event.carrier,
        event.reference,
        as_json([told | {"corrected_on": fact.record.effective_on}]),
    )
