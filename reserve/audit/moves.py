"""Moves: what one person brought to another depot in an emergency stayed with the Reserve, and another ratified it, or it stood still."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.inventory.events import DrawDispatched, HoldLifted, HoldPutOn, LotMoved, LotTakenIn, MoveRatified, Parcel, StockDrawn
from shared.terms.apart import Apart

WITHIN = timedelta(hours=24)
_LATE = timedelta(hours=1)  # a timer may fire late


class _Move(msgspec.Struct):
    place: str
    event: LotMoved
    at: datetime
    hold: str | None = None  # that nobody's ratification has put on it
    lifted: bool = False  # by two people


class Moves:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._depots: dict[str, datetime] = {}  # since when goods are known to be taken in to it
        self._where: dict[tuple[str, str], str] = {}  # (stream, lot) -> its depot
        self._moved: list[_Move] = []
        self._open: dict[str, _Move] = {}  # move -> not ratified
        self._last = ""  # when the last event was recorded

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, record.recorded_at)
        at = instant(record)
        match event:
            case LotTakenIn():
                self._where[record.stream, event.lot] = event.depot
                self._depots[event.depot] = min(at, self._depots.get(event.depot, at))
            case LotMoved():
                self._move(place, record, event)
            case MoveRatified():
                self._ratify(place, record, event)
            case HoldPutOn(lapses_at=None) if event.authority.startswith("move "):
                if (move := self._open.get(event.authority.removeprefix("move "))) is not None and at >= move.event.ratify_by:
                    move.hold = event.hold
            case HoldLifted(authority=str()):
                for move in self._open.values():
                    move.lifted = move.lifted or move.hold == event.hold
            case StockDrawn() | DrawDispatched():
                self._leave(place, event.parcels, at)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for move in self._moved:
            known = self._depots.get(move.event.to_depot)
            fine = known is not None and known <= move.at + AT_ONCE
            self._look(move.place, fine, f"no goods were taken in to {move.event.to_depot}, which is none of the Reserve's depots")
        for move in self._open.values():
            overdue = bool(self._last) and datetime.fromisoformat(self._last) > move.event.ratify_by + _LATE
            self._look(move.place, not overdue or move.lifted, f"nobody else has ratified {move.event.move} by {move.event.ratify_by}")

    def _move(self, place: str, record: Recorded, event: LotMoved) -> None:
        at, key = instant(record), (record.stream, event.lot)
        here = self._where.get(key)
        self._look(place, here == event.from_depot, f"{event.lot} is in {here}, and is moved out of {event.from_depot}")
        fine = event.ratify_by <= at + WITHIN and record.actor == event.moved_by
        self._look(place, fine, f"{event.move} is to be ratified by {event.ratify_by}, or was sent by another than {event.moved_by}")
        self._where[key] = event.to_depot
        self._open[event.move] = _Move(place, event, at)
        self._moved.append(self._open[event.move])

    def _ratify(self, place: str, record: Recorded, event: MoveRatified) -> None:
        move = self._open.pop(event.move, None)
        if move is None:
            self._look(place, False, f"{event.move} had nothing to be ratified")
            return
        self._approvers.apart(Check.CONTROL, Apart.RATIFIES_MOVE, place, event.ratified_by, (move.event.moved_by,), instant(record))
        if instant(record) > move.event.ratify_by:
            self._findings.list_it(Check.CONTROL, place, f"{event.move} was to be ratified by {move.event.ratify_by}")

    def _leave(self, place: str, parcels: Iterable[Parcel], at: datetime) -> None:
        """Nothing of a lot goes on while its move is overdue."""
        lots = {parcel.lot for parcel in parcels}
        for move in self._open.values():
            if move.event.lot in lots and not move.lifted:
                stood = at <= move.event.ratify_by + _LATE
                self._look(place, stood, f"{move.event.lot} went on, and {move.event.move} was not ratified")

    def _look(self, place: str, fine: bool, what: str) -> None:
        self._findings.look(Check.CONTROL, fine, place, what)
