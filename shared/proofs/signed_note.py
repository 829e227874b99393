"""C2SP signed notes: a text and the signatures of those who vouch for it. Ed25519 only (signature type 0x01).

Source: c2sp.org/signed-note. Parsing is strict: what is not exactly a note is refused, so that two readers never see two notes in one text.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.proofs.encoding import decode_base64, encode_base64

MAX_NOTE_BYTES = 256 * 1024  # sixteen signatures of 5 kB by keys that we do not know, and more, as tlog-checkpoint asks for
MAX_SIGNATURES = 64
NOTE_ED25519 = 0x01
_KEY_ID_BYTES = 4
NOTE_KEY_BYTES = 32
_DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Signer(Protocol):
    """Signs with one Ed25519 key (RFC 8032): a key file, or a KMS, since a signer only ever signs and names its public key."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        ...


class NoteMalformed(ValueError):
    """The text is not a signed note, or not a verifier key."""


class NoteUnverified(Exception):
    """No trusted key signed the note."""


class SignatureWrong(NoteUnverified):
    """A signature that names a trusted key is not that key's: the text or the signature was altered."""


class VerifierKey(msgspec.Struct, frozen=True):
    """A key to check notes with: who signs with it, and its 32 public bytes."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes that tell apart the keys of one name; an identifier, no fingerprint to trust."""
        return key_id_of(self.name, NOTE_ED25519, self.public_key)

    def __str__(self) -> str:
        return write_key(self.name, NOTE_ED25519, self.public_key)


class Signature(msgspec.Struct, frozen=True):
    """A line below a note. The bytes are of the algorithm of the key that `name` and `key_id` name, known to us or not."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """A text, its last newline included, and the signatures below it."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def signature_lines(self) -> str:
        return "".join(f"{_DASH}{line.name} {encode_base64(line.key_id + line.signature)}\n" for line in self.signatures)

    def __str__(self) -> str:
        return f"{self.text}\n{self.signature_lines}"


def verifier_key(name: str, signer: Signer) -> VerifierKey:
    return VerifierKey(check_key_name(name), signer.public_key)


def parse_verifier_key(text: str) -> VerifierKey:
    """`name+hex key id+base64(type, key)`. Raises NoteMalformed, also when the id is not the key's."""
    name, _, public_key = read_key(text, {NOTE_ED25519: NOTE_KEY_BYTES})
    return VerifierKey(name, public_key)


def parse_verifier_keys(text: str) -> tuple[VerifierKey, ...]:
    """Of a log and those before it, as they are pinned: the newest first, with spaces between them. Raises NoteMalformed."""
    return tuple(map(parse_verifier_key, text.split() or [""]))


def key_id_of(name: str, algorithm: int, public_key: bytes) -> bytes:
    """4 bytes. `algorithm`: the signature type, a byte."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:_KEY_ID_BYTES]


def write_key(name: str, algorithm: int, public_key: bytes) -> str:
    """As a verifier key is written, whatever its signature type."""
    return f"{name}+{key_id_of(name, algorithm, public_key).hex()}+{encode_base64(bytes([algorithm]) + public_key)}"


def read_key(text: str, lengths: Mapping[int, int]) -> tuple[str, int, bytes]:
    """(name, signature type, public key) of what `write_key` wrote. `lengths`: the bytes of a public key, by the types that are accepted.
    Raises NoteMalformed."""
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")  # base64 has `+` of its own
    try:
        algorithm, *_ = key = decode_base64(material)
    except ValueError as error:
        raise NoteMalformed(f"not a verifier key: {error}") from error
    if len(key) != 1 + lengths.get(algorithm, -1):
        raise NoteMalformed(f"not a verifier key of a type that counts here: {', '.join(map(str, lengths))}")
    if key_id != key_id_of(check_key_name(name), algorithm, key[1:]).hex():
        raise NoteMalformed("the verifier key's id is not the hash of its name and key")
    return name, algorithm, key[1:]


def sign_note(text: str, name: str, signer: Signer) -> Note:
    """`text` (it ends in a newline) with one signature. Raises NoteMalformed for a text or a name that cannot stand in a note."""
    _check_text(text)
    key = verifier_key(name, signer)
    return Note(text, (Signature(key.name, key.key_id, signer.sign(text.encode())),))


def parse_note(text: str) -> Note:
    """Split a note into its text and signatures; verifies none of them. Raises NoteMalformed."""
    if len(text) > MAX_NOTE_BYTES:
        raise NoteMalformed(f"a note has at most {MAX_NOTE_BYTES} bytes")
    body, blank, block = text.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise NoteMalformed("a note is a text, an empty line, and lines of signatures")
    body += "\n"
    _check_text(body)
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteMalformed(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(body, tuple(map(_parse_signature, lines)))


def verify_note(note: Note, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Those of the trusted `keys` that signed the note: at least one.

    Raises SignatureWrong if a signature that names a trusted key does not verify, NoteUnverified if none names one. Lines of other keys
    say nothing.
    """
    signed_by = []
    for key in keys:
        lines = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
        for line in lines:
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(line.signature, note.text.encode())
            except InvalidSignature as error:
                raise SignatureWrong(f"the signature of {key.name} does not fit the text") from error
        if lines:
            signed_by.append(key)
    if not signed_by:
        raise NoteUnverified("no trusted key signed the note")
    return tuple(signed_by)


def check_key_name(name: str) -> str:
    """The name, if it can stand in a note: not empty, no spaces, no plus. Raises NoteMalformed."""
    if not name or "+" in name or any(letter.isspace() or letter < " " for letter in name):
        raise NoteMalformed("a key's name is not empty and has no spaces and no plus")
    return name


def _parse_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise NoteMalformed("a line of a signature starts with a dash (U+2014) and a space")
    try:
        signature = decode_base64(encoded)
    except ValueError as error:
        raise NoteMalformed(f"a signature is {error}") from error
    if len(signature) <= _KEY_ID_BYTES:
        raise NoteMalformed("a signature is a key id of 4 bytes and what the key signed")
    return Signature(check_key_name(name), signature[:_KEY_ID_BYTES], signature[_KEY_ID_BYTES:])


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteMalformed("a note's text ends in a newline")
    if _CONTROL.search(text):
        raise NoteMalformed("a note has no control characters but newlines")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoteMalformed("a note is UTF-8") from error
