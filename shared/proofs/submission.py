"""What a log sends to a witness, as C2SP tlog-witness writes it. Source: c2sp.org/tlog-witness."""

from hashlib import sha256
from typing import Self

import msgspec

from shared.proofs.checkpoint import ROOT_BYTES
from shared.proofs.encoding import decode_base64, decode_decimal, encode_base64

MAX_PROOF_LINES = 63
SIZE_TYPE = "text/x.tlog.size"  # the content type of a size that is not the one submitted


class Submission(msgspec.Struct, frozen=True):
    """What a log sends: that the checkpoint goes on from the tree of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parsed(cls, body: bytes) -> Self:
        """Raises ValueError."""
        head, blank, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        if not blank or not first.startswith("old "):
            raise ValueError("a request is `old` and a size, a proof, an empty line and a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise ValueError(f"a proof has at most {MAX_PROOF_LINES} lines")
        proof = tuple(decode_base64(line) for line in lines)
        if any(len(each) != ROOT_BYTES for each in proof):
            raise ValueError(f"a line of a proof is {ROOT_BYTES} bytes")
        return cls(decode_decimal(first.removeprefix("old ")), proof, note)

    def __str__(self) -> str:
        return "\n".join((f"old {self.old_size}", *map(encode_base64, self.proof), "", self.note))


def origin_hash(origin: str) -> str:
    """What a witness names a log by where it shows what it has cosigned: hex."""
    return sha256(origin.encode()).hexdigest()
