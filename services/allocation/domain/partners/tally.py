"""Tally: of each day of the Reserve's, what the log held of each partner's once it had ended. One stream, of all days."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec

from services.allocation.events import PartnerCode
from services.allocation.events.reach import LineTally, PartnerTallied
from shared.journal.decider import Decider

STREAM = "tally/main"


class HeldInLog(msgspec.Struct, frozen=True):
    """Of one partner: as the ledger answers, and as the event says it."""

    size: int
    lines: dict[str, LineTally]


class TallyDay(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A day has ended. Never refused: one that is not the next changes nothing."""

    day: date
    counted: Mapping[PartnerCode, HeldInLog]


class Tallies(msgspec.Struct, frozen=True):
    day: date | None = None  # the last one


def decide(command: TallyDay, tallies: Tallies) -> Sequence[PartnerTallied]:
    if tallies.day is not None and command.day != tallies.day + timedelta(days=1):
        return []
    return [
        PartnerTallied(partner=partner, day=command.day, size=counted.size, lines=counted.lines)
        for partner, counted in sorted(command.counted.items())
    ]


def evolve(_: Tallies, event: PartnerTallied) -> Tallies:
    return Tallies(event.day)


DECIDER = Decider(kind="tally", initial=Tallies(), commands=TallyDay, decide=decide, evolve=evolve)
