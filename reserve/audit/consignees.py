"""Consignees: goods left only for one that the request or an approved change names, and that the lists in force had cleared.

Allocation says who and whether, inventory what left; the ledger may have taken the one later than the other, so it is looked at in the end.
The rule counts from the first dispatch that shows such a gate; what left before is listed.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.listed import Listed
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    ConsigneeChangeApproved,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeHitLapsed,
    ConsigneeScreened,
    HitId,
    ListName,
    RequestAccepted,
)
from services.inventory.events import DrawDelivered, DrawDispatched, GateEvidence, StockDrawn, StockReleased

NAMED, CLEARED = "consignee_named", "consignee_cleared"


class _Clearing(msgspec.Struct):
    name: str
    clear: bool
    lists: Mapping[ListName, int]
    hits: Mapping[HitId, str]  # hit -> "open", "cleared", "confirmed"
    beyond: int


class _Left(msgspec.Struct):
    """A dispatch: by whom, when, and of which request and award."""

    place: str
    event: DrawDispatched
    by: str
    at: datetime
    subjects: tuple[str, str]


class Consignees:
    def __init__(self, findings: Findings, listed: Listed) -> None:
        self._findings = findings
        self._listed = listed
        self._named: dict[str, tuple[str, str, str]] = {}  # place -> (request or award, name, approver)
        self._screened: dict[str, _Clearing] = {}  # by name: the last
        self._cleared: dict[str, _Clearing] = {}  # by place
        self._released: dict[str, tuple[str, str]] = {}  # release -> (request, award)
        self._drawn: dict[str, tuple[str, date]] = {}  # draw -> (release, day)
        self._left: list[_Left] = []
        self._delivered: list[tuple[str, DrawDelivered]] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RequestAccepted() if event.consignee:
                self._named[place] = event.request, event.consignee, ""
            case ConsigneeChangeApproved():
                self._named[place] = event.award, event.name, event.approved_by
            case ConsigneeScreened():
                known = self._screened[event.name].hits if event.name in self._screened else {}
                hits: dict[HitId, str] = {each.hit: _status(known.get(each.hit, "open"), each) for each in event.hits}
                self._clear(place, _Clearing(event.name, event.clear, event.lists, hits, event.beyond))
            case ConsigneeHitDecided():
                before = self._screened.get(event.name, _Clearing(event.name, False, {}, {}, 0))
                hits = {**before.hits, event.hit: event.outcome}
                self._clear(place, _Clearing(event.name, event.clear, before.lists, hits, before.beyond))
            case ConsigneeHitLapsed():
                before = self._screened.get(event.name, _Clearing(event.name, False, {}, {}, 0))
                hits = {**before.hits, event.hit: event.status}
                self._clear(place, _Clearing(event.name, event.clear, before.lists, hits, before.beyond))
            case _:
                self._see_goods(place, record, event)

    def _clear(self, place: str, said: _Clearing) -> None:
        fine = said.clear == (not said.beyond and all(status == "cleared" for status in said.hits.values()))
        self._findings.look(Check.CONSIGNEES, fine, place, f"{said.name} is said to be {'' if said.clear else 'not '}clear: {said.hits}")
        self._screened[said.name] = self._cleared[place] = said

    def _see_goods(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case StockReleased():
                self._released[event.release] = event.request, event.award
            case StockDrawn():
                self._drawn[event.draw] = event.release, date.fromisoformat(record.effective_on)
            case DrawDispatched():
                release, _ = self._drawn.get(event.draw, ("", None))
                subjects = self._released.get(release, ("", ""))
                self._left.append(_Left(place, event, record.actor, datetime.fromisoformat(record.recorded_at), subjects))
            case DrawDelivered():
                self._delivered.append((place, event))
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether a dispatch shows what allocation's journal has not told yet."""
        shown = (_place(gate) for left in self._left for gate in left.event.gates if gate.gate in (NAMED, CLEARED))
        return any(place not in self._named and place not in self._cleared for place in shown)

    def finish(self) -> None:
        since = next((number for number, left in enumerate(self._left) if _gate(left, NAMED) or _gate(left, CLEARED)), len(self._left))
        for left in self._left[:since]:
            self._findings.under_rule(
                Check.CONSIGNEES, False, left.place, f"{left.event.draw} left for {left.event.consignee}, whom nothing shows"
            )
        for left in self._left[since:]:
            faults = list(self._faults(left))
            self._findings.look(Check.CONSIGNEES, not faults, left.place, f"{left.event.draw}: {'; '.join(faults)}")
        sent = {left.event.draw for left in self._left[since:]}
        for place, event in self._delivered:
            _, drawn_on = self._drawn.get(event.draw, ("", event.delivered_on))
            what = f"{event.draw} was drawn on {drawn_on}, and is said to be delivered on {event.delivered_on}"
            if event.draw in sent:
                self._findings.look(Check.CONSIGNEES, event.delivered_on >= drawn_on, place, what)
            elif event.delivered_on < drawn_on:
                self._findings.under_rule(Check.CONSIGNEES, False, place, what)

    def _faults(self, left: _Left) -> Iterator[str]:
        name = left.event.consignee
        named = self._named.get(_place(_gate(left, NAMED)))
        if named is None or named[1] != name or named[0] not in left.subjects:
            yield f"nothing names {name} for it"
        elif named[2] and named[2] == left.by:
            yield f"{left.by} approved {name}, and dispatched to it"
        cleared = self._cleared.get(_place(_gate(left, CLEARED)))
        if cleared is None or cleared.name != name or not cleared.clear:
            yield f"nothing clears {name}"
            return
        if behind := self._listed.behind(cleared.lists, left.at):
            yield f"{name} was not looked up in {behind}"


def _status(before: str, hit: ConsigneeHit) -> str:
    return "cleared" if before == "open" and hit.cleared_as is not None else before


def _gate(left: _Left, name: str) -> GateEvidence | None:
    return next((gate for gate in left.event.gates if gate.gate == name), None)


def _place(gate: GateEvidence | None) -> str:
    """The evidence begins with the place of the event that it is."""
    return "" if gate is None else gate.evidence.split(" ", 1)[0]
