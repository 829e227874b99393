"""What a log holds of a partner, as the ledger counts it for the tally of a day."""

from datetime import date
from functools import partial
from typing import Any

from services.allocation.events.reach import LineTally, PartnerTallied
from services.ledger.receipt import Opening, make_receipt
from shared.journal.record import GENESIS, chain_hash
from shared.proofs.merkle import hash_leaf, inclusion_proof, root_of
from tests.stories.audit import Step, Told


def held_of(story: Told, partner: str) -> dict[str, LineTally]:
    """All that is there now."""
    lines: dict[str, LineTally] = {}
    for entry in story.books:
        if entry.partner == partner:
            before = lines.get(entry.line, LineTally(last=0, chain=GENESIS.hex()))
            chain = chain_hash(bytes.fromhex(before.chain), bytes.fromhex(entry.event_hash)).hex()
            lines[entry.line] = LineTally(last=before.last + 1, chain=chain)
    return lines


def tallied(story: Told, partner: str, day: date, on: date, **changes: Any) -> Step:
    """Of the last checkpoint, recorded at noon of a day."""
    told: dict[str, Any] = {"partner": partner, "day": day, "size": story.signed[-1].size, "lines": held_of(story, partner)} | changes
    return Step(event=PartnerTallied(**told), stream="tally/main", shard=1, on=day, at=f"{on}T12:00:00.{len(story.tree):06}Z")


def opened(story: Told, step: str) -> str:
    """The receipt of a step as its partner gets it, with the event."""
    index, signed = story.leaf_of(step), story.signed[-1]
    entry = story.books[index]
    opening = Opening(entry.place, bytes.fromhex(entry.salt), bytes.fromhex(entry.event_hash), entry.hashed.encode())
    return make_receipt(opening, index, inclusion_proof(partial(_read_node, story.tree), index, signed.size), signed.note)


def _read_node(leaves: list[bytes], height: int, index: int) -> bytes:
    return root_of(map(hash_leaf, leaves[index << height : (index + 1) << height]))
