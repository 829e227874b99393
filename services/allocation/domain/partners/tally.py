"""Tally: of each day of the Reserve's, what the log held of each partner's once it had ended. One stream, of all days."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from services.allocation.events import PartnerCode
from services.allocation.events.reach import LineTally, PartnerTallied
from shared.journal.decider import Decider

STREAM = "tally/main"


class HeldInLog(msgspec.Struct, frozen=True, kw_only=True):
    """Of a partner, as the ledger answers; and `since` which day it is one."""

    since: date
    size: int
    lines: dict[str, LineTally]


class TallyDays(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Days have ended: those after the last that was tallied, up to this one; where none was yet, this one. Never refused."""

    until: date
    held: Mapping[PartnerCode, HeldInLog]


class Tallies(msgspec.Struct, frozen=True):
    day: date | None = None  # the last one


def decide(command: TallyDays, tallies: Tallies) -> Sequence[PartnerTallied]:
    return [
        PartnerTallied(partner=partner, day=day, size=held.size, lines=held.lines)
        for day in _days(tallies.day, command.until)
        for partner, held in sorted(command.held.items())
        if held.since <= day
    ]


def _days(last: date | None, until: date) -> Iterator[date]:
    day = until if last is None else last + timedelta(days=1)
    while day <= until:
        yield day
        day += timedelta(days=1)


def evolve(_: Tallies, event: PartnerTallied) -> Tallies:
    return Tallies(event.day)


DECIDER = Decider(kind="tally", initial=Tallies(), commands=TallyDays, decide=decide, evolve=evolve)
