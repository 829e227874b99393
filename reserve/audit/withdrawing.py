"""Withdrawing: what somebody had asked for, or put before another, was withdrawn by themselves or by two; an award of metal by two alone.

In force, of each kind, from the first that two have withdrawn: what one person did before is listed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events import equity, loan, material

type _Name = tuple[str, ...]


class _Withdrawn(msgspec.Struct, frozen=True):
    kind: str
    place: str
    by: str
    whose: frozenset[str]
    signed: bool
    at: datetime


class Withdrawing:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._whose: dict[_Name, frozenset[str]] = {}
        self._signed: set[str] = set()  # commands in which somebody's signature stands
        self._withdrawn: list[_Withdrawn] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if getattr(event, "approval", None) is not None:
            self._signed.add(record.command_id)
        match event:
            case loan.LoanProposed():
                self._asks("loan", event.loan, by=[event.proposed_by])
            case loan.ActProposed():
                self._asks("act", event.act, by=[event.proposed_by])
            case loan.AdvanceRequested():
                self._asks("advance", event.loan, event.advance, by=[record.actor])
            case equity.HoldingProposed():
                self._asks("holding", event.holding, by=[event.proposed_by])
            case equity.WriteDownProposed():
                self._asks("write-down", event.flow, by=[event.proposed_by])
            case loan.LoanWithdrawn():
                self._goes(place, record, "loan", event.loan)
            case loan.ActWithdrawn():
                self._goes(place, record, "act", event.act)
            case loan.AdvanceWithdrawn():
                self._goes(place, record, "advance", event.loan, event.advance)
            case equity.HoldingWithdrawn():
                self._goes(place, record, "holding", event.holding)
            case equity.WriteDownWithdrawn():
                self._goes(place, record, "write-down", event.flow)
            case material.MaterialLoanWithdrawn():  # no one person's: two have signed the award
                self._goes(place, record, "award of metal", event.loan)

    def finish(self) -> None:
        """All is seen that there is."""
        since: dict[str, datetime] = {}
        for each in self._withdrawn:
            if each.signed:
                since[each.kind] = min(each.at, since.get(each.kind, each.at))
        for each in self._withdrawn:
            if each.signed or self._approvers.same(each.by, each.whose, each.at):
                self._findings.look(Check.CONTROL, True, each.place, "")
            else:
                in_force = each.kind in since and each.at >= since[each.kind]
                what = f"{each.by} alone withdrew what is not theirs: {each.kind}"
                self._findings.under_rule(Check.CONTROL, in_force, each.place, what)

    def _asks(self, *name: str, by: Iterable[str]) -> None:
        self._whose[name] = frozenset(by)

    def _goes(self, place: str, record: Recorded, *name: str) -> None:
        whose = self._whose.pop(name, frozenset[str]())
        if record.actor.startswith("service:"):
            return  # by timer, or because of what is gone
        signed = record.command_id in self._signed
        self._withdrawn.append(_Withdrawn(name[0], place, record.actor, whose, signed, instant(record)))
