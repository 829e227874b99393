"""Place: where an event is, as everybody writes it: `inventory/0/123`, and `inventory~2/0/123` in history 2.

A restore of everything begins a new history: what was recorded after the backup is lost, and what is recorded from then on is something
else, at the same positions. Its number keeps the two apart wherever a place is named. Positions go on over the cut: each line (a shard of a
service) has one event at a position, of the history that it was recorded in.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable

import msgspec

FIRST, LAST = 1, 9999
_HISTORY = r"(?:~(?P<history>[2-9]|[1-9][0-9]{1,3}))?"  # the first one is not written
_PLACE = re.compile(rf"(?P<service>[a-z][a-z_]*){_HISTORY}/(?P<shard>0|[1-9][0-9]{{0,3}})/(?P<position>0|[1-9][0-9]{{0,15}})")
_ORIGIN = re.compile(rf"(?:.*/)?[a-z][a-z_]*{_HISTORY}/[^/]*")
SERVICE_PATTERN = r"^[a-z]{1,20}(~([2-9]|[1-9][0-9]{1,3}))?$"  # of what callers send
PLACE_PATTERN = SERVICE_PATTERN.removesuffix("$") + r"/(0|[1-9][0-9]{0,3})/(0|[1-9][0-9]{0,14})$"


class Place(msgspec.Struct, frozen=True, gc=False):
    service: str
    shard: int
    position: int
    history: int = FIRST

    def __str__(self) -> str:
        return f"{in_history(self.service, self.history)}/{self.shard}/{self.position}"

    @property
    def line(self) -> str:
        return f"{self.service}/{self.shard}"


def in_history(name: str, history: int) -> str:
    """`inventory`, or `inventory~2`."""
    return name if history == FIRST else f"{name}~{history}"


def parse_place(text: str) -> Place:
    """The one place that is written so. Raises ValueError."""
    if (found := _PLACE.fullmatch(text)) is None:
        raise ValueError("not a place, such as service/0/123 or service~2/0/123")
    return Place(found["service"], int(found["shard"]), int(found["position"]), int(found["history"] or FIRST))


def history_of_origin(origin: str) -> int:
    """Which history the log of this name is of: `reserve.example/ledger~2/0123456789abcdef`."""
    found = _ORIGIN.fullmatch(origin)
    return FIRST if found is None else int(found["history"] or FIRST)


class Began(msgspec.Struct, frozen=True):
    """From this position on, what a line records is of this history."""

    history: int
    source: str
    shard: int
    begins: int


class Histories:
    """The histories of a deployment, and where in each line each of them begins. Nothing changes it while anything serves."""

    def __init__(self, began: Iterable[Began] = ()) -> None:
        self.current = FIRST
        self._begins: dict[tuple[str, int], list[tuple[int, int]]] = {}  # of a line: (first position, history), in order
        for each in sorted(began, key=lambda each: each.history):
            self.current = each.history
            self._begins.setdefault((each.source, each.shard), []).append((each.begins, each.history))

    def at(self, service: str, shard: int, position: int) -> int:
        """The history that an event at this position is of."""
        begins = self._begins.get((service, shard), [])
        index = bisect_right(begins, position, key=lambda each: each[0])
        return begins[index - 1][1] if index else FIRST

    def place(self, service: str, shard: int, position: int) -> Place:
        return Place(service, shard, position, self.at(service, shard, position))

    def lost(self, place: Place) -> bool:
        """Whether the place is of a history that has nothing there: it was lost, or never was."""
        return place.history != self.at(place.service, place.shard, place.position)
