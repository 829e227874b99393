"""A fork, proven to anyone: two checkpoints of one log that cannot both be true.

The key signed that the first n leaves have one root; and it signed a log at least as large, of which a consistency proof shows that its
first n leaves have another. Who holds the log's verifier key needs nothing else to see it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from shared.proofs.checkpoint import ROOT_BYTES, TreeHead, open_checkpoint
from shared.proofs.encoding import decode_base64, encode_base64
from shared.proofs.merkle import verify_consistency
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey


class NoFork(ValueError):
    """The file does not prove that the key signed two histories."""


class Consistency(msgspec.Struct, frozen=True):
    """What the log of `size` leaves has as its first `old_size`: their root, and the RFC 6962 proof of it. Hashes are base64."""

    old_size: int
    old_root: str
    size: int
    proof: tuple[str, ...]

    def holds(self, head: TreeHead) -> bool:
        """Whether this is shown to be so of the tree `head`."""
        try:
            old = TreeHead(self.old_size, decode_base64(self.old_root))
            proof = [decode_base64(each) for each in self.proof]
        except ValueError:
            return False
        return len(old.root) == ROOT_BYTES and self.size == head.size and verify_consistency(old, head, proof)


class ForkProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`seen` and `served`: signed notes, as the log's key made them."""

    seen: str
    served: str
    shown: Consistency
    format: Literal["reserve.fork.v1"] = "reserve.fork.v1"


def consistency(head: TreeHead, size: int, proof: Sequence[bytes]) -> Consistency:
    """`head`: of the first leaves of a log of `size`."""
    return Consistency(head.size, encode_base64(head.root), size, tuple(map(encode_base64, proof)))


def prove_fork(fork: ForkProof, log_keys: Sequence[VerifierKey]) -> tuple[TreeHead, TreeHead]:
    """The two trees that the log's key signed, neither of which has the other in it. Raises NoFork, and nothing else."""
    try:
        seen, served = open_checkpoint(fork.seen, log_keys), open_checkpoint(fork.served, log_keys)
    except (NoteMalformed, NoteUnverified) as error:
        raise NoFork(f"a checkpoint of it is not the log's: {error}") from error
    if seen.origin != served.origin:
        raise NoFork(f"{seen.origin} and {served.origin} are two logs")
    if fork.shown.old_size != seen.head.size or not fork.shown.holds(served.head):
        raise NoFork(f"it is not shown what the first {seen.head.size} leaves are in the log of {served.head.size}")
    if fork.shown.old_root == encode_base64(seen.head.root):
        raise NoFork(f"the log of {served.head.size} leaves goes on from the one of {seen.head.size}")
    return seen.head, served.head
