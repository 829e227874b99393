"""An attack: an operator with every key rewrites one draw, and signs the history again. One receipt that its partner kept proves it."""

from pathlib import Path

import msgspec

from reserve.audit.live import LiveEvidence
from reserve.demo.scenario import PARTNERS
from reserve.demo.stage import Stage
from services.ledger.keys import open_key
from services.ledger.receipt import Opening, VerifiedReceipt, make_receipt, verify_receipt
from shared.journal.record import event_hash
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, sign_checkpoint
from shared.proofs.fork import ForkProof, NoFork, consistency, prove_fork
from shared.proofs.merkle import consistency_proof, hash_leaf, inclusion_proof, root_of

FORK = "fork.json"


class _Forged:
    """The log's leaves with one event of it changed, signed with the log's own key."""

    def __init__(self, leaves: list[bytes], kept: VerifiedReceipt, event: bytes, data: Path) -> None:
        self.opening = Opening(kept.opening.place, kept.opening.salt, event_hash(kept.opening.salt, event), event)
        self._hashes = [hash_leaf(leaf) for leaf in leaves]
        self._hashes[kept.index] = hash_leaf(self.opening.leaf)
        key, signer = open_key(data)
        self.size = len(leaves)
        self.note = sign_checkpoint(Checkpoint(key.name, TreeHead(self.size, root_of(self._hashes))), signer)
        self.receipt = make_receipt(self.opening, kept.index, inclusion_proof(self._node, kept.index, self.size), self.note)

    def fork_from(self, kept: VerifiedReceipt) -> ForkProof:
        """What the receipt's checkpoint and this one prove together."""
        old = TreeHead(kept.head.size, root_of(self._hashes[: kept.head.size]))
        return ForkProof(kept.note, self.note, consistency(old, self.size, consistency_proof(self._node, old.size, self.size)))

    def _node(self, height: int, index: int) -> bytes:
        return root_of(self._hashes[index << height : (index + 1) << height])


async def rewrite_and_be_found(stage: Stage, data: Path) -> bool:
    """Whether a partner finds it. `data`: the deployment's folder, whose keys the operator has. Nothing that serves is changed."""
    drawn = stage.draws[0]
    kept = verify_receipt((stage.folder / f"{drawn['draw']}.receipt").read_text(), [stage.log_key])
    evidence = LiveEvidence(stage.parties.auditor)
    note = await evidence.checkpoint()
    assert note is not None and kept.opening.event is not None, "its receipts were verified before"
    size = open_checkpoint(note, [stage.log_key]).head.size
    leaves = [leaf async for bundle in evidence.leaves(size) for leaf in bundle]
    forged = _Forged(leaves, kept, _halved(kept.opening.event), data)
    verify_receipt(forged.receipt, [stage.log_key])
    name = PARTNERS[drawn["partner"]].name
    stage.screen.say(
        f"Suppose that the operator, who has every key, halves what {name} drew, and signs all {size} entries again. "
        "Every hash, proof and signature of that history is right."
    )
    fork = forged.fork_from(kept)
    try:
        prove_fork(fork, [stage.log_key])
    except NoFork:
        return False
    (stage.folder / FORK).write_bytes(msgspec.json.encode(fork))
    stage.screen.say(
        f"{name} holds the receipt that it was given on the day. The two cannot both be true, and one key has signed both: "
        f"parties/{FORK} proves that to anybody (reserve audit fork)."
    )
    return True


def _halved(event: bytes) -> bytes:
    """The draw's event, as it would have been hashed."""
    record = msgspec.json.decode(event)
    record["data"]["mass_g"] //= 2
    return msgspec.json.encode(record)
