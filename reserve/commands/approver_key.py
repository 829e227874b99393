"""`reserve approver-key new`: a key of an approver's own. Only its public half is ever given to a service."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.commands.failure import fail
from shared.terms.approval import fingerprint, key_id, private_key_pem, public_key_hex


def new_key(file: Path) -> tuple[str, str, str]:
    """(public key, key id, fingerprint), in hex, of a new key in a new file that only its owner may read. A key is never overwritten."""
    key = Ed25519PrivateKey.generate()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(private_key_pem(key))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    public = public_key_hex(key)
    return public, key_id(public), fingerprint(public)
