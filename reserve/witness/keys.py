"""A witness's keys, in its folder: one of Ed25519 and one of ML-DSA-44, and what others pin (`witness.vkeys`, a line a key)."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.ledger.signers import KeyUnsafe, read_key_file, write_key_file
from shared.engines.private_files import private_folder, write_private
from shared.proofs.cosignature import Cosigner, PrivateKey, parse_cosigner_key
from shared.proofs.signed_note import NoteMalformed

VERIFIER_KEYS = "witness.vkeys"
_FILES = ("witness-ed25519.pem", "witness-ml-dsa-44.pem")


def make_keys(folder: Path, name: str) -> tuple[str, ...]:
    """New keys of a witness of that name. Gives what others pin. Raises FileExistsError (a key is never overwritten), NoteMalformed."""
    private: tuple[PrivateKey, ...] = (Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
    pinned = tuple(str(Cosigner(name, key).key) for key in private)
    if any((private_folder(folder) / file).exists() for file in _FILES):
        raise FileExistsError(f"{folder} has the keys of a witness already")
    for file, key in zip(_FILES, private, strict=True):
        write_key_file(folder / file, key)
    write_private(folder / VERIFIER_KEYS, "".join(f"{key}\n" for key in pinned).encode())
    return pinned


def open_keys(folder: Path) -> list[Cosigner]:
    """Raises KeyUnsafe."""
    try:
        pinned = [parse_cosigner_key(line) for line in (folder / VERIFIER_KEYS).read_text().splitlines()]
        cosigners = [Cosigner(pinned[0].name, read_key_file(folder / file)) for file in _FILES]
    except (OSError, ValueError, NoteMalformed, IndexError) as error:
        raise KeyUnsafe(f"{folder} has no keys of a witness: {error}") from error
    if [cosigner.key for cosigner in cosigners] != pinned:
        raise KeyUnsafe(f"the keys in {folder} are not those that were given out")
    return cosigners
