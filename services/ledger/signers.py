"""Who holds a private key of a log or a witness: a file here. A KMS can stand in as another `shared.proofs.signed_note.Signer`."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from shared.proofs.cosignature import PrivateKey


class KeyUnsafe(Exception):
    """The key file can be read by others, or is not a key of a kind that signs here."""


class FileSigner:
    """Signs with the Ed25519 key in a PEM file (PKCS #8) that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Raises KeyUnsafe, FileNotFoundError."""
        key = read_key_file(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnsafe(f"{path} is not an Ed25519 key")
        self._key = key

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def read_key_file(path: Path) -> PrivateKey:
    """Raises KeyUnsafe, FileNotFoundError."""
    with path.open("rb") as file:
        # The open file's mode, not the path's: what is checked is what is read.
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise KeyUnsafe(f"{path} can be read by others: chmod 600 it")
        pem = file.read()
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnsafe(f"{path} is not a PEM key without a password") from error
    if not isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise KeyUnsafe(f"{path} is no Ed25519 and no ML-DSA-44 key")
    return key


def create_key_file(path: Path) -> FileSigner:
    """A new Ed25519 key in a new file. Raises FileExistsError: a key is never overwritten."""
    write_key_file(path, Ed25519PrivateKey.generate())
    return FileSigner(path)


def write_key_file(path: Path, key: PrivateKey) -> None:
    """The key in a new file, mode 0600. Raises FileExistsError."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
