"""Tallies: on each day each partner was told of all of its events, as the leaves give them; and no day was left out.

A tally counts the partner's events among the first leaves of the log: at least those that a checkpoint of the day or before covers. The
rule is in force from the first day on that was tallied. Days are made up for after an outage; so those that lack a tally at the end of the
history are late only once something was recorded on some days after them.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from reserve.audit.approvers import instant
from reserve.audit.evidence import LedgerEntry, Recorded
from reserve.audit.hashes import BEFORE_THE_FIRST, chain_hash
from reserve.audit.report import Check, Findings
from services.allocation.events import PartnerRegistered
from services.allocation.events.reach import LineTally, PartnerTallied
from shared.clock import day_of, written
from shared.zone import ZONE

LATE_DAYS = 3  # on which something was recorded
_DAY = timedelta(days=1)
_NONE = LineTally(last=0, chain=BEFORE_THE_FIRST)


class SignedDays:
    """How large the log was at the end of each day, by its own journal."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[int, date], int] = {}
        self._minute, self._day = "", date.min

    def see(self, record: Recorded, size: int) -> None:
        if (minute := record.recorded_at[:16]) != self._minute:
            self._minute, self._day = minute, day_of(instant(record), ZONE)
        self._sizes[record.history, self._day] = size

    def size(self, history: int, day: date) -> int:
        return max((size for (of, on), size in self._sizes.items() if of == history and on <= day), default=0)


class Tallies:
    def __init__(self, findings: Findings, signed: SignedDays) -> None:
        self._findings = findings
        self._signed = signed
        # By partner: what no tally has counted yet, each with its leaf; and what was counted.
        self._ahead: defaultdict[str, deque[tuple[tuple[int, int], str, str]]] = defaultdict(deque)
        self._lines: defaultdict[str, dict[str, LineTally]] = defaultdict(dict)
        self._since: dict[str, date] = {}  # when it was registered
        self._told: defaultdict[date, set[str]] = defaultdict(set)
        self._due = "~"  # an instant: something that is recorded from then on comes after the next tally
        self._late: set[date] = set()

    def see(self, place: str, record: Recorded, event: Any, entry: LedgerEntry | None) -> None:
        """`entry`: its own, as of the walk; None: it has none, or is not covered."""
        if entry is not None and record.partner is not None:
            line = f"{record.type.partition('.')[0]}/{record.shard}"
            self._ahead[record.partner].append(((entry.history, entry.leaf_index), line, record.event_hash))
        if record.recorded_at >= self._due:
            self._late.add(day_of(instant(record), ZONE))
        if isinstance(event, PartnerRegistered):
            self._since[event.partner] = day_of(instant(record), ZONE)
        elif isinstance(event, PartnerTallied):
            self._tally(place, record, event, entry)

    def _tally(self, place: str, record: Recorded, event: PartnerTallied, entry: LedgerEntry | None) -> None:
        look, partner, day = self._findings.look, event.partner, event.day
        look(Check.TALLIES, partner not in self._told.get(day, ()), place, f"{day} was tallied for {partner} before")
        recorded_on = day_of(instant(record), ZONE)
        if look(Check.TALLIES, day < recorded_on, place, f"{day} was tallied on {recorded_on}, when it had not ended"):
            self._told[day].add(partner)
            self._due = written(datetime.combine(max(self._told) + 2 * _DAY, time(), ZONE))
            self._late.clear()
        if entry is None:
            return
        least = self._signed.size(record.history, day)
        fits = least <= event.size <= entry.leaf_index
        look(Check.TALLIES, fits, place, f"it counts among {event.size} leaves: {least} were signed by the end of {day}")
        held = self._counted(partner, (record.history, event.size))
        look(Check.TALLIES, event.lines == held, place, lambda: f"the leaves have other events of {partner}: {_differ(event.lines, held)}")

    def _counted(self, partner: str, upto: tuple[int, int]) -> Mapping[str, LineTally]:
        ahead, lines = self._ahead[partner], self._lines[partner]
        while ahead and ahead[0][0] < upto:
            _, line, own = ahead.popleft()
            before = lines.get(line, _NONE)
            lines[line] = LineTally(last=before.last + 1, chain=chain_hash(before.chain, own))
        return lines

    def finish(self) -> None:
        """All is seen that there is."""
        if not self._told:
            return
        day, last = min(self._told), max(self._told)
        while day <= last:
            for partner, since in self._since.items():
                if since <= day:
                    self._findings.look(Check.TALLIES, partner in self._told[day], f"{partner} on {day}", "it was not tallied")
            day += _DAY
        what = f"nothing was tallied since, and something was recorded on {len(self._late)} days after the next tally was due"
        self._findings.look(Check.TALLIES, len(self._late) < LATE_DAYS, f"partners after {last}", what)


def _differ(said: Mapping[str, LineTally], held: Mapping[str, LineTally]) -> str:
    differing = [line for line in sorted({*said, *held}) if said.get(line, _NONE) != held.get(line, _NONE)]
    return ", ".join(f"{line}: {said.get(line, _NONE).last} said, {held.get(line, _NONE).last} there" for line in differing)
