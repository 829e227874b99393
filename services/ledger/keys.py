"""The log's keys in the deployment's folder, each with the verifier key that others pin beside it.

`keys/ledger.pem` (Ed25519) signs every checkpoint; `keys/ledger-ml-dsa-44.pem` signs those that are published as well, since what is kept
for decades has to outlive Ed25519 (c2sp.org/tlog-checkpoint). The secrets of webhooks are derived from `keys/webhooks.key`: 32 random
bytes.
"""

import os
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.ledger.signers import FileSigner, KeyUnsafe, create_key_file, read_key_file, write_key_file
from shared.engines.private_files import private_folder, write_private
from shared.journal.places import FIRST, history_of_origin, in_history
from shared.proofs.cosignature import Cosigner, parse_cosigner_key
from shared.proofs.signed_note import VerifierKey, parse_verifier_key, verifier_key

KEY_NAMES = ("ledger", "ledger-ml-dsa-44")


def seed_key(folder: Path, domain: str = "reserve.localhost", history: int = FIRST) -> str:
    """The verifier key of the deployment in `folder`; its private keys are made if there are none, for a log of `domain` and this history.

    Raises KeyUnsafe when a key file is not private, not of its kind, or not the one whose verifier key was given out before.
    """
    keys = private_folder(folder / "keys")
    for name in KEY_NAMES:
        if (public := keys / f"{name}.vkey").exists() and not (keys / f"{name}.pem").exists():
            raise KeyUnsafe(f"{public} was given out, and its private key {name}.pem is gone")
    ed25519, ml_dsa = (keys / f"{name}.pem" for name in KEY_NAMES)
    if not ed25519.exists():
        create_key_file(ed25519)
    if not (public := ed25519.with_suffix(".vkey")).exists():
        # The name is the log's origin, and stays when the key is rotated: two deployments never share one.
        signer = FileSigner(ed25519)
        origin = f"{domain}/{in_history('ledger', history)}/{sha256(signer.public_key).hexdigest()[:16]}"
        write_private(public, f"{verifier_key(origin, signer)}\n".encode())
    key, _ = open_key(folder)
    if not ml_dsa.exists():
        write_key_file(ml_dsa, MLDSA44PrivateKey.generate())
    if not (public := ml_dsa.with_suffix(".vkey")).exists():
        write_private(public, f"{Cosigner(key.name, read_key_file(ml_dsa)).key}\n".encode())
    open_publishing_key(folder)
    if not (webhooks := keys / "webhooks.key").exists():
        write_private(webhooks, os.urandom(32))
    return str(key)


def pinned_keys(folder: Path) -> str:
    """The log's verifier key as `seed_key` made it, and after it those of the logs of the histories before, the newest first."""
    files = [folder / "keys" / "ledger.vkey", *(folder / "keys").glob("history-*/ledger.vkey")]
    keys = [parse_verifier_key(file.read_text().strip()) for file in files]
    return " ".join(str(key) for key in sorted(keys, key=lambda key: -history_of_origin(key.name)))


def open_key(folder: Path) -> tuple[VerifierKey, FileSigner]:
    """The key of every checkpoint, as `seed_key` made it. Raises KeyUnsafe, FileNotFoundError."""
    signer = FileSigner(folder / "keys" / "ledger.pem")
    key = parse_verifier_key((folder / "keys" / "ledger.vkey").read_text().strip())
    if key.public_key != signer.public_key:
        raise KeyUnsafe(f"{folder / 'keys' / 'ledger.pem'} is not the key of {key}")
    return key, signer


def open_webhook_key(folder: Path) -> bytes:
    """What the secrets of webhooks are derived from, as `seed_key` made it. Raises KeyUnsafe, FileNotFoundError."""
    with (path := folder / "keys" / "webhooks.key").open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise KeyUnsafe(f"{path} can be read by others: chmod 600 it")
        key = file.read()
    if len(key) != 32:
        raise KeyUnsafe(f"{path} is not 32 bytes")
    return key


def open_publishing_key(folder: Path) -> Cosigner:
    """The second key of published checkpoints, as `seed_key` made it. Raises KeyUnsafe, FileNotFoundError."""
    pem = folder / "keys" / "ledger-ml-dsa-44.pem"
    key = parse_cosigner_key(pem.with_suffix(".vkey").read_text().strip())
    cosigner = Cosigner(key.name, read_key_file(pem))
    if cosigner.key != key:
        raise KeyUnsafe(f"{pem} is not the key of {key}")
    return cosigner
