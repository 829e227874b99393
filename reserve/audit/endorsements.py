"""Endorsements: that a key signed its own enrolment, and that after the ceremony another approver signed every key, instrument, acting
officer, and whose account a subject is. The rule is in force from the first key that signed its enrolment; for accounts, from the first one
that another approver signed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant, signed
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import ApproverKeyEnrolled
from services.allocation.events.authority import ActingOfficerNamed, InstrumentRegistered, PersonNamed
from services.allocation.events.papers import EnrolmentPaper, paper_of
from shared.journal.record import name_of
from shared.terms.apart import Apart

_IN_THE_CEREMONY = 2  # persons whose keys an administrator enters alone


class _Entered(msgspec.Struct, frozen=True):
    place: str
    event: Any
    by: str  # the administrator
    at: datetime


class Endorsements:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._entered: list[_Entered] = []  # in the order of the log's leaves
        self._holders: dict[str, str] = {}  # instrument -> its holder

    def see(self, place: str, record: Recorded, event: Any) -> None:
        if isinstance(event, ApproverKeyEnrolled | InstrumentRegistered | ActingOfficerNamed | PersonNamed):
            self._entered.append(_Entered(place, event, record.actor, instant(record)))
        if isinstance(event, InstrumentRegistered):
            self._holders[event.instrument] = event.holder

    def finish(self) -> None:
        """All keys are known."""
        proven = [each.at for each in self._entered if isinstance(each.event, ApproverKeyEnrolled) and each.event.possession is not None]
        named = [each.at for each in self._entered if isinstance(each.event, PersonNamed) and each.event.endorsement is not None]
        for number, each in enumerate(self._entered):
            since = min(named if isinstance(each.event, PersonNamed) else proven, default=None)
            in_force = since is not None and each.at >= since
            for fault in self._faults_of(each, self._entered[:number]):
                self._findings.under_rule(Check.APPROVALS, in_force, each.place, fault)

    def _faults_of(self, each: _Entered, before: list[_Entered]) -> Iterator[str]:
        event = each.event
        earlier = [other.event for other in before if not each.at < other.at <= each.at + AT_ONCE]  # shards are taken each by itself
        if isinstance(event, ApproverKeyEnrolled):
            yield from self._unproven(event)
            if any(isinstance(other, ApproverKeyEnrolled) and other.key == event.key for other in earlier):
                yield f"the key {event.key} was enrolled before, and a key has one life"
        if event.endorsement is None:
            if not self._in_the_ceremony(each, earlier):
                yield "no other approver has signed it"
            return
        paper = paper_of(event)
        yield from self._approvers.faults_of(
            event.endorsement, purpose=paper.purpose, document=name_of(paper), proposed_by=each.by, at=each.at
        )
        if self._approvers.same(event.endorsement.subject, self._parties(event, earlier), each.at):
            yield f"{event.endorsement.subject} is a party to it, and signed it: {Apart.ENDORSES}"

    def _in_the_ceremony(self, each: _Entered, earlier: list[Any]) -> bool:
        if isinstance(each.event, ApproverKeyEnrolled):
            enrolled = (other.subject for other in earlier if isinstance(other, ApproverKeyEnrolled))
            return len({self._approvers.person_of(subject, each.at) for subject in enrolled}) < _IN_THE_CEREMONY
        return isinstance(each.event, InstrumentRegistered) and not any(isinstance(other, InstrumentRegistered) for other in earlier)

    def _parties(self, event: Any, earlier: list[Any]) -> set[str]:
        match event:
            case PersonNamed():
                others = {other.official for other in earlier if isinstance(other, PersonNamed) and other.person == event.person}
                return {event.official, *others}
            case ApproverKeyEnrolled():
                return {event.subject}
            case InstrumentRegistered():
                return {event.holder}
            case _:
                return {event.officer, self._holders.get(event.instrument, event.officer)}

    def _unproven(self, event: ApproverKeyEnrolled) -> Iterator[str]:
        said = event.possession
        if said is None:
            yield f"the key {event.key} has not signed its enrolment"
        elif (said.subject, said.key) != (event.subject, event.key) or said.origin not in self._approvers.origins:
            yield f"the key {event.key} signed the enrolment of another, or in another deployment"
        elif not signed(said, EnrolmentPaper.purpose, name_of(paper_of(event)), event.public_key):
            yield f"the key {event.key} did not sign this enrolment"
