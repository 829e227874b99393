"""Reactions: what other services' events make a stockpile do."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from services.allocation.events import RoundCertified
from services.inventory.domain.releases import AwardedRelease, ReleaseRound
from services.inventory.events import ProductId, ReleaseId
from services.ledger.events import CheckpointSigned
from shared.checkpoint import TreeHead, open_checkpoint
from shared.inbox import Reaction
from shared.record import Fact
from shared.signed_note import NoteUnverified, VerifierKey


def react_to_allocation(fact: Fact, _documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """A certified round is released as one command. An award names its release, so the same award is never released twice."""
    event: Any = fact.event
    if not isinstance(event, RoundCertified):
        return ()
    product = ProductId(event.product)
    command = ReleaseRound(
        product=product,
        round=event.round,
        decision=event.decision,
        awards=tuple(
            AwardedRelease(
                release=release_of(award.award), award=award.award, request=award.request, partner=award.partner, mass_g=award.mass_g
            )
            for award in event.awards
        ),
        expires_on=event.expires_on,
        on=date.fromisoformat(fact.record.effective_on),
    )
    return (Reaction(f"stockpile/{product}", command),)


def release_of(award: str) -> ReleaseId:
    """`awd_01j...` -> `rel_01j...`"""
    return ReleaseId(f"rel_{award.removeprefix('awd_')}")


def check_checkpoint(log_key: Callable[[], VerifierKey], fact: Fact, _documents: Mapping[str, bytes]) -> Sequence[Reaction]:
    """Nothing follows from a checkpoint, but the line stops at one that the pinned key did not sign: dispatch rests on it.

    Raises NoteMalformed or NoteUnverified.
    """
    event: Any = fact.event
    if isinstance(event, CheckpointSigned):
        signed = open_checkpoint(event.note, (log_key(),))
        if signed.head != TreeHead(event.size, bytes.fromhex(event.root)):
            raise NoteUnverified("the note vouches for another tree than the event says")
    return ()
