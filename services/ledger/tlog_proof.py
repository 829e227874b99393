"""C2SP tlog-proof: the text that carries an inclusion proof and the checkpoint it leads to. Source: c2sp.org/tlog-proof."""

import msgspec

from shared.proofs.encoding import decode_base64, decode_decimal, encode_base64
from shared.proofs.merkle import HASH_BYTES

MAX_PROOF_BYTES = 512 * 1024  # its note is at most half of it
MAX_HASHES = 63
_HEADER = "c2sp.org/tlog-proof@v1"


class ProofMalformed(ValueError):
    """The text is not a tlog-proof."""


class TlogProof(msgspec.Struct, frozen=True):
    """Leaf `index` is in the tree of the signed `checkpoint`: `hashes` lead there. `extra` is the application's, and unauthenticated."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __str__(self) -> str:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines += [f"index {self.index}", *map(encode_base64, self.hashes), "", self.checkpoint]
        return "\n".join(lines)


def parse_tlog_proof(text: str) -> TlogProof:
    """Raises ProofMalformed. The checkpoint is taken as it stands, unread."""
    if len(text) > MAX_PROOF_BYTES:
        raise ProofMalformed(f"a proof has at most {MAX_PROOF_BYTES} bytes")
    head, blank, checkpoint = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != _HEADER or not blank:
        raise ProofMalformed(f"a proof starts with {_HEADER}, and an empty line stands before its checkpoint")
    try:
        extra = decode_base64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index "):
            raise ValueError("without its index")
        index = decode_decimal(lines[0].removeprefix("index "))
        hashes = tuple(map(decode_base64, lines[1:]))
    except ValueError as error:
        raise ProofMalformed(f"the proof is {error}") from error
    if len(hashes) > MAX_HASHES or any(len(sibling) != HASH_BYTES for sibling in hashes):
        raise ProofMalformed(f"a proof has at most {MAX_HASHES} hashes of 32 bytes")
    return TlogProof(index, hashes, checkpoint, extra)
