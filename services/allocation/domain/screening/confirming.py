"""Confirming a hit: by one person at once, for 72 hours. A second one makes it stand, or the hit is as it was before."""

from typing import Literal

import msgspec

from shared.journal.decider import Reasons, Refused
from shared.terms.protecting import ByOne, Word, renewed

type HitState = Literal["open", "cleared", "confirmed"]


class ConfirmingReason(Reasons):
    """Why a hit is not confirmed."""

    OWN = "hit_confirmed_by_same_person", 403, "A second person confirms a hit once more"
    RENEWED = "hit_renewed_by_same_person", 403, "Nobody renews what they confirmed of a hit"


class OneWord(msgspec.Struct, frozen=True):
    """Who confirmed a hit, and how it was `before`: as long as no second person has, and after it lapsed."""

    last: Word
    before: HitState


def fault_of_confirming(by: ByOne, status: HitState, word: OneWord | None) -> Refused[ConfirmingReason] | None:
    """`word`: of the hit, if one person has confirmed it."""
    if word is None:
        return None
    if status == "confirmed":
        if word.last.by in by.accounts:
            return Refused(ConfirmingReason.OWN, "the same person has confirmed it", accepted="a second person")
        return None
    if (again := renewed(word.last, by.accounts, by.at)) is not None:
        return Refused(ConfirmingReason.RENEWED, again[0], accepted=again[1])
    return None


def is_alone(by: ByOne | None, status: HitState) -> bool:
    """Whether it is confirmed by one person's word: not where somebody has confirmed it already."""
    return by is not None and status != "confirmed"


def with_word(words: dict[str, OneWord], hit: str, status: HitState, outcome: str, word: Word | None) -> dict[str, OneWord]:
    """The words on hits once one is decided. Cleared by two people, it still is not confirmed again by who had confirmed it alone."""
    if word is not None:
        return words | {hit: OneWord(word, status)}
    return words if outcome == "cleared" else {name: each for name, each in words.items() if name != hit}
