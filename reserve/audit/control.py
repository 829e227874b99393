"""Control: that nothing which moves value in inventory was done by one person.

Each such event stands in a command that one person proposed and another signed. The rule is in force from the first event on that shows it:
what one person did before, in an older build, is listed and fails nothing.
"""

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.inventory import events as inventory
from shared.journal.record import name_of
from shared.terms.countersigning import CommandApproved, CommandPaper, CommandProposed

SERVICE = "inventory"
MOVES = (
    inventory.ProductRegistered,
    inventory.LotTakenIn,
    inventory.AssayRecorded,
    inventory.StockAdjusted,
    inventory.RightAdded,
    inventory.RightMatured,
    inventory.DrawReturned,
    inventory.ReleaseCancelled,
)
TOLERANCE = Fraction(1, 200)  # of a draw's mass


class _Moved(msgspec.Struct, frozen=True):
    place: str
    line: str
    command: str
    at: datetime


class Control:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._proposed: dict[tuple[str, str], CommandProposed] = {}  # (stream, proposal) ->
        self._signed: set[str] = set()  # commands
        self._moved: list[_Moved] = []
        self._protected_g: dict[str, int] = {}
        self._in_force_at: datetime | None = None
        self._last: dict[str, str] = {}  # line -> the place of its last event

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        if service != SERVICE:
            return
        line = f"{service}/{record.shard}"
        self._last[line] = place
        match event:
            case CommandProposed():
                at = instant(record)
                self._in_force_at = at if self._in_force_at is None else min(at, self._in_force_at)
                self._proposed[record.stream, event.proposal] = event
                same = record.stream in event.streams and _document_of(record, event) == event.document
                self._findings.look(Check.CONTROL, same, place, "its document says something else")
            case CommandApproved():
                self._signed.add(record.command_id)
                self._see_approved(place, record, event)
            case _ if not record.actor.startswith("service:") and self._moves(event):
                self._moved.append(_Moved(place, line, record.command_id, instant(record)))

    def finish(self) -> None:
        """All is seen that there is."""
        for moved in self._moved:
            if moved.command in self._signed:
                self._findings.look(Check.CONTROL, True, moved.place, "")
            else:
                in_force = self._in_force_at is not None and moved.at >= self._in_force_at
                self._findings.under_rule(Check.CONTROL, in_force, moved.place, "one person did this")

    def _see_approved(self, place: str, record: Recorded, event: CommandApproved) -> None:
        proposed = self._proposed.pop((record.stream, event.proposal), None)
        said = None if proposed is None else (proposed.document, proposed.act, proposed.proposed_by)
        same = said == (event.document, event.act, event.proposed_by)
        self._findings.look(Check.CONTROL, same, place, f"{event.proposal} was not proposed so, or was signed before")
        self._approvers.verify(
            place, record, event.approval, purpose=CommandPaper.purpose, document=event.document, proposed_by=event.proposed_by
        )

    def _moves(self, event: Any) -> bool:
        match event:
            case inventory.DrawWeighed():
                return abs(event.weighed_g - event.mass_g) > event.mass_g * TOLERANCE
            case inventory.HoldLifted():
                return event.authority is not None  # else it has expired
            case inventory.ProtectedStockSet():
                before_g = self._protected_g.get(event.product, 0)
                self._protected_g[event.product] = event.mass_g
                return event.mass_g < before_g
            case _:
                return isinstance(event, MOVES)


def _document_of(record: Recorded, event: CommandProposed) -> str:
    """The SHA-256 of what is signed, from what the event says."""
    paper = CommandPaper(
        proposal=event.proposal,
        service=SERVICE,
        streams=event.streams,
        act=event.act,
        command=event.command,
        proposed_by=event.proposed_by,
        proposed_on=date.fromisoformat(record.effective_on),
    )
    return name_of(paper)
