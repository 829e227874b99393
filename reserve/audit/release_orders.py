"""Release orders: each release of a round is pinned to lots of the pools that its award takes from, and to all that it takes.

Whose lots a pool is of stands in the decision, and is checked in `decisions.py`; that a release keeps to its first pins, in `pins.py`.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from services.allocation.events import Award, PoolStock, ReleaseOrder, RoundCertified, TenderCertified
from services.inventory.events import PinnedUnits, StockPinned, StockReleased
from shared.journal.places import parse_place

type _Decided = tuple[str, str]  # round or tender, decision


class _Commit(msgspec.Struct):
    """What inventory releases of a round, which is one commit: its events follow each other in their line."""

    place: str
    command: str
    decided: _Decided
    awards: dict[str, str] = {}  # by release
    pins: dict[str, tuple[PinnedUnits, ...]] = {}  # by release
    whole: bool = True


class ToCheck(msgspec.Struct, frozen=True):
    """A released round, whose release order is to be read."""

    place: str
    order: str  # SHA-256
    pins: dict[str, tuple[PinnedUnits, ...]]  # by award
    whole: bool  # False: some of it may stand after the cut


class ReleaseOrders:
    """Of all rounds and tenders. `to_check`: those that wait for their documents."""

    def __init__(self) -> None:
        self._commits: dict[str, _Commit] = {}  # by line, while it lasts
        self._released: dict[_Decided, list[_Commit]] = {}  # until the certification is seen
        self._orders: dict[_Decided, str] = {}
        self.to_check: list[ToCheck] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        line = parse_place(place).line
        if (commit := self._commits.get(line)) is not None and commit.command != record.command_id:
            self._end(line)
        match event:
            case StockReleased():
                self._release(place, record.command_id, event)
            case StockPinned() if (commit := self._commits.get(line)) is not None and event.release in commit.awards:
                commit.pins.setdefault(event.release, event.lots)
            case RoundCertified() if event.release_order is not None:
                self._ordered((event.round, event.decision), event.release_order)
            case TenderCertified():
                self._ordered((event.tender, event.decision), event.release_order)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for line, commit in list(self._commits.items()):
            commit.whole = False
            self._end(line)

    def _release(self, place: str, command: str, event: StockReleased) -> None:
        line, decided = parse_place(place).line, (event.round, event.decision)
        commit = self._commits.get(line)
        if commit is not None and commit.decided != decided:
            self._end(line)
            commit = None
        if commit is None:
            commit = self._commits[line] = _Commit(place, command, decided)
        commit.awards[event.release] = event.award

    def _end(self, line: str) -> None:
        commit = self._commits.pop(line)
        self._released.setdefault(commit.decided, []).append(commit)
        self._settle(commit.decided)

    def _ordered(self, decided: _Decided, order: str) -> None:
        self._orders[decided] = order
        self._settle(decided)

    def _settle(self, decided: _Decided) -> None:
        """Once both sides are seen: the ledger may take either first."""
        if decided not in self._orders:
            return
        for commit in self._released.pop(decided, ()):
            pins = {award: commit.pins.get(release, ()) for release, award in commit.awards.items()}
            self.to_check.append(ToCheck(commit.place, self._orders[decided], pins, commit.whole))


def faults_of(released: ToCheck, order: bytes | None) -> Iterator[str]:
    """What is wrong with the pins of a round, given its release order. Whether it is kept, and reads as one, is told with the decision."""
    if order is None or sha256(order).hexdigest() != released.order:
        return
    try:
        read = msgspec.json.decode(order, type=ReleaseOrder)
    except msgspec.DecodeError:
        return
    pools = {pool.pool: pool for pool in read.pools if pool.kind == "lots"}
    pool_of = {lot: pool.pool for pool in pools.values() for lot in pool.lots}
    unnamed = next((pool.pool for pool in pools.values() if not pool.lots), None)  # of all lots that the others do not name
    for award in read.awards:
        pins = released.pins.get(award.award)
        if pins is None or not (pins or released.whole):
            continue
        pinned = Counter[tuple[str | None, int]]()
        for pin in pins:
            pinned[pool_of.get(pin.lot, unnamed), pin.nominal_unit_g] += pin.units
        if pinned != (_taken(award, pools) if pool_of else Counter()):
            yield f"{award.award} is pinned to other lots than those of the pools that it takes from"


def _taken(award: Award, pools: dict[str, PoolStock]) -> Counter[tuple[str | None, int]]:
    taken = Counter[tuple[str | None, int]]()
    for take in award.takes:
        if take.pool in pools:
            taken[take.pool, take.unit_g] += take.units
    return taken
