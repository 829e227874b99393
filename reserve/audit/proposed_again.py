"""Proposed again: nobody undoes by another proposal, alone, what somebody has approved, unless what it was made from has changed.

In force for rounds and tenders that say who opened them; what an earlier build let one person do is listed. Nor does one person undo it by
screening a request of it anew: in force in each book from the first approval on that says that it outlasts that, and listed before.
"""

from typing import Any

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation


class ProposedAgain:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._in_force: set[str] = set()  # rounds and tenders
        self._made_from: dict[str, Any] = {}  # by round, or tender: what its decision was made from
        self._approved: dict[str, set[str]] = {}  # by round, or tender: the keys that its decision is approved with
        self._fell: dict[str, str] = {}  # by round: the command by which an approved decision fell
        self._outlasting: set[str] = set()  # books of which an approval has said that it outlasts a screening by one person
        self._answered = self._screened = ""  # the last command that answered an objection; that screened a request otherwise

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case allocation.RoundOpened(round=name) | allocation.TenderOpened(tender=name) if event.opened_by is not None:
                self._in_force.add(name)
            case allocation.RoundApproved(round=name) | allocation.TenderApproved(tender=name):
                self._approved.setdefault(name, set()).add(event.approval.key)
                if isinstance(event, allocation.RoundApproved) and event.outlasts_screening:
                    self._outlasting.add(record.stream)
            case allocation.ApprovalsLapsed(decision_stands=True):
                self._approved.get(event.round, set()).difference_update(event.keys)
            case allocation.ObjectionAnswered():
                self._answered = record.command_id
            case allocation.RequestAccepted() | allocation.RequestDeclined() if record.command_id != self._answered:
                self._screened = record.command_id
            case allocation.ApprovalsLapsed():
                if self._approved.pop(event.round, None):
                    self._fell[event.round] = record.command_id
                    if self._screened == record.command_id:
                        what = f"one person screened a {event.cause} anew, and with it fell what others had approved of {event.round}"
                        self._findings.under_rule(Check.CONTROL, record.stream in self._outlasting, place, what)
            case allocation.RoundProposed():
                undoes = self._fell.pop(event.round, None) == record.command_id or bool(self._approved.pop(event.round, None))
                self._proposes(place, event.round, event.reads, undoes=undoes)
            case allocation.TenderProposed():
                self._proposes(place, event.tender, event.agreements, undoes=bool(self._approved.pop(event.tender, None)))
            case allocation.RoundReopened(round=name) | allocation.TenderReopened(tender=name):
                self._approved.pop(name, None)

    def is_approved(self, name: str) -> bool:
        """Whether an approval of this round's or tender's decision stands."""
        return bool(self._approved.get(name))

    def _proposes(self, place: str, name: str, made_from: Any, *, undoes: bool) -> None:
        same, self._made_from[name] = self._made_from.get(name) == made_from, made_from
        if not undoes:
            return
        if same:
            what = f"{name} was proposed again over an approval, and nothing that the decision was made from had changed"
            self._findings.under_rule(Check.CONTROL, name in self._in_force, place, what)
        else:
            self._findings.look(Check.CONTROL, True, place, "")
