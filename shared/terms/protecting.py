"""Protecting: who stops something does so alone and at once, for a while. A second person makes it stand, and nobody renews their own."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec

from shared.journal.decider import Reasons, Refused
from shared.zone import ZONE

LAPSES_AFTER = timedelta(hours=72)
RENEWED_AFTER_DAYS = 7  # by the same person, once theirs has ended without another's word


class Word(msgspec.Struct, frozen=True):
    """One person's, by which something is stopped, until another confirms it: kept after its end, since nobody renews theirs."""

    by: str
    lapses_at: datetime
    what: str = ""  # of several that stop the same thing: "default", "dscr"


def to_confirm(word: Word | None) -> str | None:
    """What would do, where somebody begins what stands by one person's word already; None: nothing would."""
    return None if word is None else f"to confirm it, until {word.lapses_at:%Y-%m-%d %H:%M} UTC"


def lapses_at(at: datetime) -> datetime:
    """When what was stopped at that instant goes on, unless a second person confirms it."""
    return at.replace(microsecond=0) + LAPSES_AFTER


def day_of_lapse(lapses_at: datetime) -> date:
    """The Reserve's day in which it goes on."""
    return lapses_at.astimezone(ZONE).date()


def again_from(lapsed_at: datetime) -> datetime:
    """When whoever's word lapsed at that instant may stop something again."""
    return lapsed_at + timedelta(days=RENEWED_AFTER_DAYS)


def unconfirmed(lapsed_at: datetime) -> str:
    """Why the same person may not: what a refusal says in detail."""
    return f"theirs was to lapse at {lapsed_at:%Y-%m-%d %H:%M} UTC, and nobody had confirmed it"


class ByOne(msgspec.Struct, frozen=True, kw_only=True):
    """Who stops something, and when. `accounts`: all of theirs, `by` among them. `beside`: words that stop the same thing by another
    stream, as looked up."""

    by: str
    accounts: frozenset[str]
    at: datetime
    beside: tuple[Word, ...] = ()

    @property
    def lapses_at(self) -> datetime:
        return lapses_at(self.at)


def alone(by: str | None, lapses_at: datetime | None, what: str = "") -> Word | None:
    """Of what an event says. None: it stands by itself."""
    return None if by is None or lapses_at is None else Word(by, lapses_at, what)


def said(words: tuple[Word, ...], word: Word | None) -> tuple[Word, ...]:
    """All words about one thing that nobody else has confirmed, with one more. Those from too long ago to matter are forgotten."""
    if word is None:
        return words
    return (*(each for each in words if word.lapses_at - LAPSES_AFTER < again_from(each.lapses_at)), word)


def confirmed(words: tuple[Word, ...], word: Word | None) -> tuple[Word, ...]:
    return tuple(each for each in words if each != word)


def begins[R: Reasons](words: Iterable[Word], by: ByOne | None, reason: R, what: str = "") -> datetime | Refused[R] | None:
    """When a stop lapses that is begun by one person; None: never, since nobody begins it.

    `words`: all about the thing that it stops, of whatever kind. It lapses with the first of theirs that still stands; it is refused where
    that one has ended without another person's word, or is of the same kind.
    """
    if by is None:
        return None
    own = [each for each in (*words, *by.beside) if each.by in by.accounts and by.at < again_from(each.lapses_at)]
    over = [each.lapses_at for each in own if each.what == what or each.lapses_at <= by.at]
    if over:
        return Refused(reason, unconfirmed(max(over)), accepted=f"another person, or the same {RENEWED_AFTER_DAYS} days after that")
    return min((by.lapses_at, *(each.lapses_at for each in own)))


def alone_since(lapses_at: datetime | None) -> datetime | None:
    """When the same person first stopped any of the same."""
    return None if lapses_at is None else lapses_at - LAPSES_AFTER
