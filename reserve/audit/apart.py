"""Apart: what persons other checks do not compare: who answers, reviews, approves consignees, and withdraws conflicts, by whatever account.

In force from the first approval on that names a log, as persons are; what was done before is listed.
"""

from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.inventory.events import DrawDispatched
from shared.terms.apart import Apart
from shared.terms.countersigning import CommandApproved

_NAMED = "consignee_named"  # the gate that says who has approved a consignee


class _Act(msgspec.Struct, frozen=True):
    rule: Apart
    place: str
    by: str
    others: frozenset[str]
    at: datetime


class Persons:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._parts: dict[str, set[str]] = {}  # round or request -> who had a part in it
        self._requests: dict[str, list[str]] = {}  # by round
        self._reviews: dict[str, str] = {}  # review -> round
        self._asked: dict[str, str] = {}  # consignee's change -> who asked
        self._signed: dict[str, tuple[str, str]] = {}  # command -> who proposed it, who signed it
        self._acts: list[_Act] = []
        self._since: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        approval = getattr(event, "approval", None)
        if approval is not None and approval.origin is not None:
            self._since = at if self._since is None else min(at, self._since)
        match event:
            case CommandApproved():
                self._signed[record.command_id] = event.proposed_by, event.approval.subject
            case allocation.ObjectionAnswered():
                matters = [event.request] if event.round is None else [event.request, event.round]
                self._act(Apart.ANSWERS, place, event.answered_by, self._in(*matters), at)
                self._part(event.request, event.answered_by)
            case allocation.ReviewConcluded():
                round = self._reviews.pop(event.review, "")
                self._act(Apart.REVIEWS, place, event.reviewer, self._in(round, *self._requests.get(round, ())), at)
            case allocation.ConsigneeChangeAsked():
                self._asked[event.change] = event.asked_by
            case allocation.ConsigneeChangeApproved():
                self._act(Apart.APPROVES_CONSIGNEE, place, event.approved_by, {self._asked.pop(event.change, "")}, at)
            case DrawDispatched():
                named = {gate.by for gate in event.gates if gate.gate == _NAMED}
                self._act(Apart.APPROVES_CONSIGNEE, place, record.actor, named, at)
            case allocation.ConflictWithdrawn():
                for by in self._signed.get(record.command_id, (record.actor,)):
                    self._act(Apart.WITHDRAWS_CONFLICT, place, by, {event.official}, at)
            case _:
                self._see_round(record, event)

    def finish(self) -> None:
        """All is seen that there is."""
        for act in self._acts:
            if self._since is not None and act.at >= self._since:
                self._approvers.apart(Check.CONTROL, act.rule, act.place, act.by, act.others, act.at)
            elif self._approvers.same(act.by, act.others, act.at):
                self._findings.list_it(Check.CONTROL, act.place, f"{act.by} is {act.rule.than}: {act.rule}")

    def _see_round(self, record: Recorded, event: Any) -> None:
        match event:
            case allocation.RequestAccepted() | allocation.RequestDeclined():
                self._part(event.request, record.actor)
            case allocation.RequestDeclineConfirmed():
                self._part(event.request, event.confirmed_by)
            case allocation.ScreeningHitDecided():
                self._part(event.request, event.decided_by)
            case allocation.RoundOpened() | allocation.RoundExtended():
                self._requests.setdefault(event.round, []).extend(event.requests)
                self._part(event.round, record.actor)
            case allocation.RoundProposed():
                self._part(event.round, event.proposed_by)
            case allocation.RoundApproved():
                self._part(event.round, event.approval.subject)
            case allocation.RoundCertified():
                self._part(event.round, record.actor)
            case allocation.ReviewRequested():
                self._reviews[event.review] = event.round
            case _:
                pass

    def _act(self, rule: Apart, place: str, by: str, others: set[str], at: datetime) -> None:
        if others:
            self._acts.append(_Act(rule, place, by, frozenset(others), at))

    def _in(self, *matters: str) -> set[str]:
        return set().union(*(self._parts.get(matter, set()) for matter in matters))

    def _part(self, matter: str, subject: str) -> None:
        self._parts.setdefault(matter, set()).add(subject)
