"""Checkpoints: a log signs how many leaves it has, and the root over them. Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.

What is not exactly a note is refused, so that two readers never see two notes in one text.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST_BYTES = 256 * 1024
MOST_SIGNATURES = 64
_DASH = "\u2014 "
_ED25519 = 1
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteMalformed(ValueError):
    """The text is no signed checkpoint, or no verifier key."""


class NoteUnsigned(Exception):
    """No pinned key signed it."""


class SignatureWrong(NoteUnsigned):
    """A signature names a pinned key and is not that key's."""


@dataclass(frozen=True)
class VerifierKey:
    """A log's key: its name, which is the log's origin, and 32 bytes."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([_ED25519]) + self.public_key).digest()[:4]


@dataclass(frozen=True)
class Checkpoint:
    """The first `size` leaves of the log `origin` have this root (RFC 6962)."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Note:
    """A text, its last newline included, and (name, key id, signature) of each line below it."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


def read_key(text: str) -> VerifierKey:
    """`name+key id+base64`, as the Reserve gives it out. Raises NoteMalformed."""
    name, _, rest = text.strip().partition("+")
    key_id, _, material = rest.partition("+")
    try:
        algorithm, *_ = key = decode_base64(material)
    except ValueError as error:
        raise NoteMalformed(f"not a verifier key: {error}") from error
    found = VerifierKey(_name(name), key[1:])
    if (algorithm, len(key)) != (_ED25519, 33) or found.key_id.hex() != key_id:
        raise NoteMalformed("not a verifier key of Ed25519, or its id is not that of its name and key")
    return found


def read_note(text: str) -> tuple[Note, Checkpoint]:
    """A checkpoint, unverified, and what signed it. Raises NoteMalformed."""
    body, blank, block = text.rpartition("\n\n")
    if len(text) > MOST_BYTES or not blank or not block.endswith("\n"):
        raise NoteMalformed("a note is a text, an empty line, and lines of signatures")
    body += "\n"
    lines = block[:-1].split("\n")
    if _CONTROL.search(body) or len(lines) > MOST_SIGNATURES:
        raise NoteMalformed("a note has a control character, or too many signatures")
    return Note(body, tuple(map(_signature, lines))), _checkpoint(body)


def check_signed(note: Note, origin: str, keys: Sequence[VerifierKey]) -> None:
    """By one of `keys`, of the log of that origin. Lines of other keys say nothing. Raises NoteUnsigned, SignatureWrong."""
    signed = False
    for key in keys:
        for name, key_id, signature in note.signatures:
            if key.name == origin and (name, key_id) == (key.name, key.key_id):
                try:
                    Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, note.text.encode())
                except InvalidSignature as error:
                    raise SignatureWrong(f"the signature of {key.name} does not fit the text") from error
                signed = True
    if not signed:
        raise NoteUnsigned(f"no pinned key of {origin} signed the checkpoint")


def decode_base64(text: str) -> bytes:
    """The one spelling (RFC 4648 section 4). Raises ValueError."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 is not canonical")
    return data


def decode_decimal(text: str) -> int:
    """0 to 2^63-1, without leading zeroes. Raises ValueError."""
    if not _DECIMAL.fullmatch(text) or (value := int(text)) >= 2**63:
        raise ValueError("not a decimal number in 0..2^63-1 without leading zeroes")
    return value


def _checkpoint(text: str) -> Checkpoint:
    origin, size, root, *extensions = text[:-1].split("\n") if text.count("\n") >= 3 else ("", "", "")
    if not all((origin, size, root, *extensions)):
        raise NoteMalformed("a checkpoint is three or more lines, none of them empty: origin, size, root")
    try:
        found = Checkpoint(origin, decode_decimal(size), decode_base64(root))
        text.encode()
    except ValueError as error:
        raise NoteMalformed(f"a checkpoint's size or root is {error}") from error
    if len(found.root) != 32:
        raise NoteMalformed("a checkpoint's root has 32 bytes")
    return found


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        raise NoteMalformed(f"a signature is {error}") from error
    if not line.startswith(_DASH) or len(data) <= 4:
        raise NoteMalformed("a line of a signature is a dash (U+2014), a name, and a key id of 4 bytes with what the key signed")
    return _name(name), data[:4], data[4:]


def _name(name: str) -> str:
    if not name or "+" in name or any(letter.isspace() or letter < " " for letter in name):
        raise NoteMalformed("a key's name is not empty and has no spaces and no plus")
    return name
