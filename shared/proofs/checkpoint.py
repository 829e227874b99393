"""C2SP checkpoints: a signed note that says "this log has so many leaves, and this root".

Source: c2sp.org/tlog-checkpoint. The log's key carries the log's origin as its name, so a key can only vouch for its own log.
"""

from collections.abc import Sequence

import msgspec

from shared.proofs.encoding import decode_base64, decode_decimal, encode_base64
from shared.proofs.signed_note import NoteMalformed, Signer, VerifierKey, parse_note, sign_note, verify_note

ROOT_BYTES = 32


class TreeHead(msgspec.Struct, frozen=True):
    """A tree in two values: how many leaves, and the 32-byte root over them."""

    size: int
    root: bytes


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself. Extensions are further lines, none of them empty: we write none."""

    origin: str
    head: TreeHead
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, str(self.head.size), encode_base64(self.head.root), *self.extensions))


def parse_checkpoint(text: str) -> Checkpoint:
    """A note's text as a checkpoint, unverified. Raises NoteMalformed."""
    origin, size, root, *extensions = text.removesuffix("\n").split("\n") if text.count("\n") >= 3 else ("", "", "")
    if not all((origin, size, root, *extensions)) or not text.endswith("\n"):
        raise NoteMalformed("a checkpoint is three or more lines, none of them empty: origin, size, root")
    try:
        head = TreeHead(decode_decimal(size), decode_base64(root))
    except ValueError as error:
        raise NoteMalformed(f"a checkpoint's size or root is {error}") from error
    if len(head.root) != ROOT_BYTES:
        raise NoteMalformed("a checkpoint's root has 32 bytes")
    return Checkpoint(origin, head, tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note. Raises NoteMalformed for an origin that cannot be a key's name.

    Whoever calls this has made the tree's tiles durable, and never signed another root at this size.
    """
    parse_checkpoint(checkpoint.text)  # nothing is signed that no one could read
    return str(sign_note(checkpoint.text, checkpoint.origin, signer))


def open_checkpoint(signed: str, log_keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a signed note, if one of `log_keys` for its origin signed it.

    Raises NoteMalformed, NoteUnverified, SignatureWrong (a NoteUnverified).
    """
    note = parse_note(signed)
    checkpoint = parse_checkpoint(note.text)
    verify_note(note, [key for key in log_keys if key.name == checkpoint.origin])
    return checkpoint
