"""C2SP cosignatures: a witness vouches, at a time, that a checkpoint goes on from all that it has seen of that log.

Source: c2sp.org/tlog-cosignature. Two kinds of keys: Ed25519 (0x04), which signs the note's text, and ML-DSA-44 (0x06), which a quantum
computer does not break, and which signs the tree's head.
"""

import struct
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from shared.proofs.checkpoint import Checkpoint
from shared.proofs.signed_note import NoteMalformed, Signature, SignatureWrong, check_key_name, key_id_of, read_key, write_key

ED25519, ML_DSA_44 = 0x04, 0x06
COSIGNER_KEY_BYTES = {ED25519: 32, ML_DSA_44: 1312}
_SIGNATURE_BYTES = {ED25519: 64, ML_DSA_44: 2420}
_LATEST = 2**63 - 1

type PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey


class CosignerKey(msgspec.Struct, frozen=True):
    """A key to check cosignatures with. `algorithm`: ED25519 or ML_DSA_44."""

    name: str
    algorithm: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return key_id_of(self.name, self.algorithm, self.public_key)

    def __str__(self) -> str:
        return write_key(self.name, self.algorithm, self.public_key)


class Cosigner:
    """Who cosigns: a witness's name and its private key."""

    def __init__(self, name: str, private_key: PrivateKey) -> None:
        """Raises NoteMalformed for a name that cannot stand in a note."""
        algorithm = ED25519 if isinstance(private_key, Ed25519PrivateKey) else ML_DSA_44
        self.key = CosignerKey(check_key_name(name), algorithm, private_key.public_key().public_bytes_raw())
        self._private_key = private_key

    def cosign(self, checkpoint: Checkpoint, time: int) -> Signature:
        """`time`: in seconds since 1970. The caller has seen that the checkpoint goes on from the last one, and has written it down."""
        signature = self._private_key.sign(_message(self.key, checkpoint, time))
        return Signature(self.key.name, self.key.key_id, struct.pack(">Q", time) + signature)


class Cosignature(msgspec.Struct, frozen=True):
    """What a witness said, and when, in seconds since 1970."""

    key: CosignerKey
    time: int

    @classmethod
    def verified(cls, checkpoint: Checkpoint, line: Signature, key: CosignerKey) -> Self:
        """Raises SignatureWrong. `line` names the key."""
        time, signature = int.from_bytes(line.signature[:8]), line.signature[8:]
        if len(line.signature) != 8 + _SIGNATURE_BYTES[key.algorithm] or not 0 < time <= _LATEST:
            raise SignatureWrong(f"what {key.name} gave is no cosignature of a time")
        if checkpoint.extensions and key.algorithm == ML_DSA_44:
            raise SignatureWrong(f"what {key.name} gave does not cover the checkpoint's further lines")
        public: Ed25519PublicKey | MLDSA44PublicKey
        if key.algorithm == ED25519:
            public = Ed25519PublicKey.from_public_bytes(key.public_key)
        else:
            public = MLDSA44PublicKey.from_public_bytes(key.public_key)
        try:
            public.verify(signature, _message(key, checkpoint, time))
        except InvalidSignature as error:
            raise SignatureWrong(f"the cosignature of {key.name} does not fit the checkpoint") from error
        return cls(key, time)


def parse_cosigner_key(text: str) -> CosignerKey:
    """`name+hex key id+base64(type, key)`. Raises NoteMalformed, also when the id is not the key's."""
    return CosignerKey(*read_key(text, COSIGNER_KEY_BYTES))


def _message(key: CosignerKey, checkpoint: Checkpoint, time: int) -> bytes:
    if key.algorithm == ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            _vector(key.name),
            struct.pack(">Q", time),
            _vector(checkpoint.origin),
            struct.pack(">QQ", 0, checkpoint.head.size),
            checkpoint.head.root,
        )
    )


def _vector(text: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= 255:
        raise NoteMalformed("a name has 1 to 255 bytes")
    return bytes([len(data)]) + data
