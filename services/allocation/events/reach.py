"""Whether the log takes what is recorded here, and what it holds of each partner."""

from datetime import date

import msgspec

from services.allocation.events.ids import PartnerCode
from shared.journal.record import Grams as Count  # a whole number in 0..2^53-1
from shared.terms import reach


class LogReachReported(reach.LogReachReported, frozen=True, kw_only=True, tag="allocation.log_reach_reported.v1"):
    pass


class LineTally(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's events of one shard of a service."""

    last: Count  # the last of its numbers
    chain: str  # of all of them from the first: a journal's chain hash, over the partner's events alone; 64 hex digits


class PartnerTallied(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.partner_tallied.v1"):
    """What the log held of a partner's once a day of the Reserve's had ended: all of its events, also where there are none."""

    partner: PartnerCode
    day: date
    size: Count  # leaves that were looked through, of the log of the history that this is recorded in
    lines: dict[str, LineTally]  # "inventory/0" -> those that it has events of


LogEvent = LogReachReported | PartnerTallied
