"""Witnesses of the audit's small history, and the policy that names two of them."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.proofs.cosignature import Cosigner
from shared.proofs.policy import parse_policy

TOKYO, GENEVA, NOBODY = (Cosigner(f"witness.example/{name}", Ed25519PrivateKey.generate()) for name in ("tokyo", "geneva", "nobody"))
POLICY_TEXT = f"witness tokyo {TOKYO.key}\nwitness geneva {GENEVA.key}\ngroup both all tokyo geneva\nquorum both\n"
POLICY = parse_policy(POLICY_TEXT)
