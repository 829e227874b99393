"""Confirming a hit: by one person at once, for 72 hours. A second one makes it stand, or the hit is as it was before.

Nobody goes on by turns: whoever's word on one hit of a request, or of a consignee, has lapsed confirms none of its others for a while.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, Self

import msgspec

from shared.journal.decider import Reasons, Refused
from shared.terms.protecting import ByOne, Word, begins, confirmed, said

type HitState = Literal["open", "cleared", "confirmed"]


class ConfirmingReason(Reasons):
    """Why a hit is not confirmed."""

    OWN = "hit_confirmed_by_same_person", 403, "A hit is confirmed by a second person"
    RENEWED = "hit_renewed_by_same_person", 403, "A confirmation that lapsed is not renewed by the same person"


class OneWord(msgspec.Struct, frozen=True):
    """Who confirmed a hit, and how it was `before`: as long as no second person has, and after it lapsed."""

    last: Word
    before: HitState


class Confirmations(msgspec.Struct, frozen=True):
    """Of a request's hits, or a consignee's, by one person each: by hit, and all of late, also of hits that are none any more."""

    of: dict[str, OneWord] = {}
    words: tuple[Word, ...] = ()

    def begins(self, by: ByOne | None, hit: str, status: HitState) -> datetime | Refused[ConfirmingReason] | None:
        """When what somebody confirms lapses, or why they do not. None: it stands, since somebody has confirmed it already."""
        if by is None or status != "confirmed":
            return begins(self.words, by, ConfirmingReason.RENEWED, hit)
        if (word := self.of.get(hit)) is not None and word.last.by in by.accounts:
            return Refused(ConfirmingReason.OWN, "the same person has confirmed it", accepted="a second person")
        return None

    def decided(self, hit: str, status: HitState, outcome: str, word: Word | None) -> Self:
        """`word`: whose it is. Cleared by two people, a hit still is not confirmed again by who had confirmed it alone."""
        if word is not None:
            return msgspec.structs.replace(self, of=self.of | {hit: OneWord(word, status)}, words=said(self.words, word))
        if outcome == "cleared" or (before := self.of.get(hit)) is None:
            return self
        left = {name: each for name, each in self.of.items() if name != hit}
        return msgspec.structs.replace(self, of=left, words=confirmed(self.words, before.last))

    def among(self, hits: Collection[str]) -> Self:
        """Once these are the hits."""
        return msgspec.structs.replace(self, of={hit: word for hit, word in self.of.items() if hit in hits})
