"""Bar: one person keeps another from acting: declares their conflict of interest, revokes their key, ends an instrument. It counts at once.

A second person confirms it, who has a key of their own, as another approver has endorsed it: two accounts of one administrator are not two
persons. Else it lapses after 72 hours, and who began it begins none for seven days, of whatever kind and against whomever: else one
administrator would keep everybody from acting by turns. What somebody says of themselves needs nobody else.
"""

from datetime import datetime

import msgspec

from services.allocation.events.ids import SubjectId
from shared.journal.decider import Reasons, Refused
from shared.terms.protecting import RENEWED_AFTER_DAYS, Word, again_from, lapses_at, unconfirmed


class Barring(msgspec.Struct, frozen=True, kw_only=True):
    """Who bars, as looked up: every account of theirs, and when the last that they began lapsed."""

    by: SubjectId
    accounts: frozenset[str]
    at: datetime
    lapsed_at: datetime | None = None  # None: none has


class Confirming(msgspec.Struct, frozen=True, kw_only=True):
    """Who confirms, as looked up. `has_key`: one that is enrolled, by any account of theirs."""

    by: SubjectId
    accounts: frozenset[str]
    has_key: bool


class Reason(Reasons):
    """Why somebody bars nobody, or confirms no bar."""

    RENEWED = "bar_renewed_by_same_person", 403, "A bar that lapsed is not renewed by the same person"
    OWN = "bar_confirmed_by_same_person", 403, "A bar is confirmed by a second person"
    WITHOUT_KEY = "bar_confirmed_without_key", 403, "Whoever confirms a bar needs an enrolled key"
    CONFIRMED = "bar_stands_already", 409, "The bar needs no confirmation"


def begun(barring: Barring, whose: SubjectId | None) -> datetime | Refused[Reason] | None:
    """When it lapses; None: never. `whose` word alone bars for good: who is barred; None: nobody's."""
    if whose in barring.accounts:
        return None
    if barring.lapsed_at is not None and barring.at < (again := again_from(barring.lapsed_at)):
        accepted = f"another person's word, or theirs from {again:%Y-%m-%d %H:%M} UTC on, {RENEWED_AFTER_DAYS} days after that"
        return Refused(Reason.RENEWED, unconfirmed(barring.lapsed_at), accepted=accepted)
    return lapses_at(barring.at)


def unfit(word: Word | None, confirming: Confirming, whose: SubjectId | None) -> Refused[Reason] | None:
    """Why they do not confirm it; None: they do. `word`: whose it is, as long as nobody has confirmed it."""
    if word is None:
        return Refused(Reason.CONFIRMED, "it needs nobody's confirmation")
    if word.by in confirming.accounts:
        return Refused(Reason.OWN, "the same person has begun it", accepted="a second person")
    if whose not in confirming.accounts and not confirming.has_key:
        accepted = "an approver who has a key" if whose is None else "an approver who has a key, or whom it bars"
        return Refused(Reason.WITHOUT_KEY, f"{confirming.by} has no key that is enrolled", accepted=accepted)
    return None
