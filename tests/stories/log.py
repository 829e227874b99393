"""A log that approvals are signed for: its verifier key, as a deployment pins it."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.proofs.signed_note import VerifierKey

ORIGIN = "reserve/ledger/0123456789abcdef"
LOG_KEY = VerifierKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([7] * 32)).public_key().public_bytes_raw())
