"""Signing: who has keys of its own signs its draws, and nobody draws in its name."""

from collections.abc import Set

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.events import SignedDraw
from shared.journal.decider import Refused


def fault_of_signature(partner: str, signers: Set[str], signed: SignedDraw | None) -> Refusal | None:
    """Of a draw under a release to `partner`. `signers`: the partners that have keys; `signed`: by one of the key's own, as verified."""
    if partner not in signers or signed is not None:
        return None
    accepted = f"a draw by {partner} itself, with the `signature` of one of its keys over its paper (reserve.draw.v1)"
    return Refused(Reason.SIGNATURE_MISSING, f"{partner} has keys: nobody draws in its name", "/signature", accepted)
