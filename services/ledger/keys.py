"""The log's key: `keys/ledger.pem` in the deployment's folder, and beside it the verifier key that others pin."""

from hashlib import sha256
from pathlib import Path

from services.ledger.signers import FileSigner, KeyUnsafe, create_key_file
from shared.engines.private_files import private_folder, write_private
from shared.proofs.signed_note import VerifierKey, parse_verifier_key, verifier_key


def seed_key(folder: Path, domain: str = "reserve.localhost") -> str:
    """The verifier key of the deployment in `folder`; its private key is made if there is none, for a log of `domain`.

    Raises KeyUnsafe when the key file is not private, not an Ed25519 key, or not the one whose verifier key was given out before.
    """
    keys = private_folder(folder / "keys")
    pem, public = keys / "ledger.pem", keys / "ledger.vkey"
    if not pem.exists():
        if public.exists():
            raise KeyUnsafe(f"{public} was given out, and its private key {pem} is gone")
        create_key_file(pem)
    signer = FileSigner(pem)
    if not public.exists():
        # The name is the log's origin, and stays when the key is rotated: two deployments never share one.
        origin = f"{domain}/ledger/{sha256(signer.public_key).hexdigest()[:16]}"
        write_private(public, f"{verifier_key(origin, signer)}\n".encode())
    return str(open_key(folder)[0])


def open_key(folder: Path) -> tuple[VerifierKey, FileSigner]:
    """The log's key, as `seed_key` made it. Raises KeyUnsafe, FileNotFoundError."""
    signer = FileSigner(folder / "keys" / "ledger.pem")
    key = parse_verifier_key((folder / "keys" / "ledger.vkey").read_text().strip())
    if key.public_key != signer.public_key:
        raise KeyUnsafe(f"{folder / 'keys' / 'ledger.pem'} is not the key of {key}")
    return key, signer
