"""Withdrawing: what somebody had asked for, opened, or put before another, was withdrawn by themselves or by two; an award of metal by two
alone.

In force, of each kind, from the first that two have withdrawn; of rounds and tenders, from the first whose event says who opened it. What
one person did before is listed, and so is what happened to what says of nobody that it is theirs: an earlier build let anybody withdraw it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import RoundCancelled, RoundOpened, TenderCancelled, TenderOpened
from services.allocation.events.policies import PolicyApproved, PolicyDrafted, PolicyWithdrawn
from services.loans.events import equity, loan, material
from shared.terms.countersigning import CommandProposed, CommandWithdrawn

type _Name = tuple[str, ...]


class _Withdrawn(msgspec.Struct, frozen=True):
    kind: str
    place: str
    by: str
    whose: frozenset[str]
    said: bool  # by the event itself, whose it is
    signed: bool
    at: datetime


class Withdrawing:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._whose: dict[_Name, frozenset[str]] = {}
        self._unsaid: set[_Name] = set()  # whose it is: who recorded it is taken
        self._signed: set[str] = set()  # commands in which somebody's signature stands
        self._withdrawn: list[_Withdrawn] = []
        self._since: dict[str, datetime] = {}  # by kind

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if getattr(event, "approval", None) is not None:
            self._signed.add(record.command_id)
        match event:
            case CommandProposed():
                self._asks("proposal", record.stream, event.proposal, by=[event.proposed_by])
            case CommandWithdrawn() if event.withdrawn_by is not None:  # else the service itself, or by an earlier build
                self._is_in_force("proposal", instant(record))
                self._goes(place, record, "proposal", record.stream, event.proposal)
            case loan.LoanProposed():
                self._asks("loan", event.loan, by=[event.proposed_by])
            case loan.ActProposed():
                self._asks("act", event.act, by=[event.proposed_by])
            case loan.AdvanceRequested():
                self._asks("advance", event.loan, event.advance, by=[record.actor], said=event.requested_by is not None)
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
                self._withdraws(place, record, "award of metal", frozenset(), said=True)
            case _:
                self._see_allocation(place, record, event)

    def finish(self) -> None:
        """All is seen that there is."""
        for each in self._withdrawn:
            if each.signed or self._approvers.same(each.by, each.whose, each.at):
                self._findings.look(Check.CONTROL, True, each.place, "")
            else:
                in_force = each.said and each.kind in self._since and each.at >= self._since[each.kind]
                what = f"{each.by} alone withdrew what is not theirs: {each.kind}"
                self._findings.under_rule(Check.CONTROL, in_force, each.place, what)

    def _see_allocation(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundOpened():
                self._opens(record, "round", event.round, event.opened_by)
            case TenderOpened():
                self._opens(record, "tender", event.tender, event.opened_by)
            case PolicyDrafted():
                self._asks("version", event.policy, str(event.version), by=[event.drafted_by])
            case PolicyApproved():
                self._whose.pop(("version", event.policy, str(event.version)), None)  # that is another check's
            case RoundCancelled():
                self._goes(place, record, "round", event.round)
            case TenderCancelled():
                self._goes(place, record, "tender", event.tender)
            case PolicyWithdrawn():
                self._goes(place, record, "version", event.policy, str(event.version))

    def _opens(self, record: Recorded, kind: str, name: str, opened_by: str | None) -> None:
        self._asks(kind, name, by=[record.actor], said=opened_by is not None)
        if opened_by is not None:
            self._is_in_force(kind, instant(record))

    def _is_in_force(self, kind: str, at: datetime) -> None:
        self._since[kind] = min(at, self._since.get(kind, at))

    def _asks(self, *name: str, by: Iterable[str], said: bool = True) -> None:
        self._whose[name] = frozenset(by)
        if not said:
            self._unsaid.add(name)

    def _goes(self, place: str, record: Recorded, *name: str) -> None:
        if (whose := self._whose.pop(name, None)) is not None:
            self._withdraws(place, record, name[0], whose, said=name not in self._unsaid)

    def _withdraws(self, place: str, record: Recorded, kind: str, whose: frozenset[str], *, said: bool) -> None:
        if of_service(record):
            return  # by timer, or because of what is gone
        signed = record.command_id in self._signed
        if signed and kind not in ("round", "tender"):  # an earlier build let two cancel those, too, and anybody
            self._is_in_force(kind, instant(record))
        self._withdrawn.append(_Withdrawn(kind, place, record.actor, whose, said, signed, instant(record)))
