"""Emergencies: what one person decided is ratified in time by another, or stands still from then on."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events.emergency import DecisionRatified, EmergencyDecided, RatificationMissed
from services.allocation.events.rounds import RoundProposed, RoundReopened
from services.inventory.events import (
    DrawDispatched,
    DrawReturned,
    ReleaseCancelled,
    ReleaseLapsed,
    RightAssigned,
    RoundFreed,
    RoundHeld,
    StockDrawn,
    StockReleased,
)
from shared.terms.apart import Apart

_LATE = timedelta(hours=1)  # a timer may fire late


class _Emergency(msgspec.Struct):
    place: str
    told: EmergencyDecided
    proposed_by: str
    missed: bool = False


class Emergencies:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._proposed_by: dict[str, str] = {}  # decision ->
        self._open: dict[str, _Emergency] = {}  # decision ->
        self._decision_of: dict[str, str] = {}  # release, then draw -> the decision of an emergency that may be held
        self._emergency: set[str] = set()  # every decision that was one
        self._held: set[str] = set()
        self._last = ""  # when the last event was recorded

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundProposed():
                self._proposed_by[event.decision] = event.proposed_by
            case EmergencyDecided():
                proposed_by = self._proposed_by.get(event.decision, "")
                self._open[event.decision] = _Emergency(place, event, proposed_by)
                self._emergency.add(event.decision)
                self._findings.look(Check.AUTHORITY, bool(event.approved_by), place, f"{event.round} was approved by nobody")
            case RatificationMissed():
                self._miss(place, record, event)
            case DecisionRatified():
                self._ratify(place, record, event)
            case RoundReopened():
                self._open.pop(event.decision, None)
            case _:
                self._see_stock(place, event)
        self._last = max(self._last, record.recorded_at)

    def finish(self) -> None:
        """All is seen that there is."""
        for emergency in self._open.values():
            overdue = datetime.fromisoformat(self._last) > emergency.told.ratify_by + _LATE
            what = f"{emergency.told.round} was to be ratified by {emergency.told.ratify_by}, and nothing tells that it was missed"
            self._findings.look(Check.AUTHORITY, emergency.missed or not overdue, emergency.place, what)

    def _miss(self, place: str, record: Recorded, event: RatificationMissed) -> None:
        emergency = self._open.get(event.decision)
        fine = emergency is not None and not emergency.missed and emergency.told.ratify_by == event.ratify_by
        fine = fine and instant(record) >= event.ratify_by
        self._findings.look(
            Check.AUTHORITY, fine, place, f"{event.round} had nothing to be ratified by {event.ratify_by}, or its time was not up"
        )
        if emergency is not None:
            emergency.missed = True

    def _ratify(self, place: str, record: Recorded, event: DecisionRatified) -> None:
        emergency = self._open.pop(event.decision, None)
        if not self._findings.look(Check.AUTHORITY, emergency is not None, place, f"{event.round} had nothing to be ratified"):
            return
        assert emergency is not None
        self._approvers.verify(
            place, record, event.approval, purpose="ratification", document=event.decision, proposed_by=emergency.proposed_by
        )
        by = event.approval.subject
        self._approvers.apart(Check.AUTHORITY, Apart.RATIFIES, place, by, emergency.told.approved_by, instant(record))
        self._findings.look(Check.AUTHORITY, event.late == emergency.missed, place, "it does not say rightly whether it was late")

    def _see_stock(self, place: str, event: Any) -> None:
        match event:
            case RoundHeld():
                self._held.add(event.decision)
            case RoundFreed():
                self._held.discard(event.decision)
            case StockReleased():
                self._decision_of[event.release] = event.decision
            case StockDrawn() | RightAssigned():
                if (decision := self._decision_of.get(event.release)) is not None:
                    self._decision_of[event.draw] = decision
                    self._stopped(place, decision, event.draw)
                    if event.remaining_g == 0:
                        del self._decision_of[event.release]
            case ReleaseLapsed() | ReleaseCancelled():
                self._decision_of.pop(event.release, None)
            case DrawReturned():
                self._decision_of.pop(event.draw, None)
            case DrawDispatched():
                if (decision := self._decision_of.pop(event.draw, None)) is not None:
                    self._stopped(place, decision, event.draw)
            case _:
                pass

    def _stopped(self, place: str, decision: str, draw: str) -> None:
        if decision in self._held or decision in self._emergency:
            self._findings.look(Check.AUTHORITY, decision not in self._held, place, f"{draw} went on, and its decision was not ratified")
