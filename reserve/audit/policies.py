"""Policies: approved by somebody who wrote none of it, and every round opened under the version that was active, and as it says.

Policies and books have streams of their own, in shards of their own: what was recorded in the same moment may stand in either order.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events.policies import PolicyApproved, PolicyDrafted, PolicyRevised, PolicyTerms, PolicyWithdrawn
from services.allocation.events.rounds import RoundOpened
from shared.journal.record import name_of


class _Version(msgspec.Struct):
    terms: PolicyTerms
    active_from: date
    document: str
    authors: set[str]
    approved_at: datetime | None = None
    withdrawn_at: datetime | None = None


class _Withdrawn(msgspec.Struct, frozen=True):
    version: int
    active: int | None  # what it gave way to, in the journals of earlier builds
    at: datetime


class _Opened(msgspec.Struct, frozen=True):
    place: str
    event: RoundOpened
    on: date
    at: datetime


class Policies:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._versions: dict[str, dict[int, _Version]] = {}
        self._withdrawn: dict[str, list[_Withdrawn]] = {}  # of each policy, those that were active
        self._opened: list[_Opened] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case PolicyDrafted():
                drafted = _Version(event.terms, event.active_from, event.document, {event.drafted_by})
                self._versions.setdefault(event.policy, {})[event.version] = drafted
            case PolicyRevised() if (version := self._find(event.policy, event.version)) is not None:
                version.terms, version.active_from, version.document = event.terms, event.active_from, event.document
                version.authors.add(event.revised_by)
            case PolicyApproved():
                self._approve(place, record, event)
            case PolicyWithdrawn() if (version := self._find(event.policy, event.version)) is not None:
                version.withdrawn_at = instant(record)
                if version.approved_at is not None and version.active_from <= date.fromisoformat(record.effective_on):
                    withdrawn = _Withdrawn(event.version, event.active, version.withdrawn_at)
                    self._withdrawn.setdefault(event.policy, []).append(withdrawn)
            case RoundOpened() if event.carry_years is not None:  # earlier builds opened rounds under nothing that was drafted
                self._opened.append(_Opened(place, replace(event, requests=()), date.fromisoformat(record.effective_on), instant(record)))
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether a round was seen whose policy was not: it may stand after the cut."""
        found = (self._find(each.event.policy, each.event.policy_version) for each in self._opened)
        return any(version is None or version.approved_at is None for version in found)

    def finish(self) -> None:
        """All is seen that there is."""
        for opened in self._opened:
            faults = list(self._faults(opened))
            self._findings.look(Check.POLICIES, not faults, opened.place, "; ".join(faults))

    def _find(self, policy: str, version: int) -> _Version | None:
        return self._versions.get(policy, {}).get(version)

    def _approve(self, place: str, record: Recorded, event: PolicyApproved) -> None:
        name = f"{event.policy} version {event.version}"
        if (version := self._find(event.policy, event.version)) is None:
            self._findings.look(Check.POLICIES, False, place, f"{name} is approved, and was never drafted")
            return
        said = _document(event.policy, event.version, version)
        self._findings.look(Check.POLICIES, said == version.document == event.document, place, f"{name} says another thing than was signed")
        self._findings.look(
            Check.APPROVALS, event.approval.subject not in version.authors, place, f"{event.approval.subject} wrote {name}, and approved it"
        )
        self._approvers.verify(place, record, event.approval, purpose="policy", document=said, proposed_by="")
        version.active_from, version.approved_at = event.active_from, instant(record)

    def _faults(self, opened: _Opened) -> Iterator[str]:
        event = opened.event
        name = f"{event.policy} version {event.policy_version}"
        version = self._find(event.policy, event.policy_version)
        if version is None:
            yield f"{event.round} is under {name}, which was never drafted"
            return
        if not _active(version, opened):
            yield f"{event.round} was opened under {name}, which was not active"
        later = [number for number, each in self._versions[event.policy].items() if number > event.policy_version]
        if overtaken := [number for number in later if _was_active(self._versions[event.policy][number], opened)]:
            yield f"{event.round} was opened under {name}, when version {max(overtaken)} was active"
        gone = [each for each in self._withdrawn.get(event.policy, ()) if each.version in later and each.at + AT_ONCE < opened.at]
        if gone and gone[-1].active != event.policy_version:
            yield f"{event.round} was opened under {name}, which version {gone[-1].version} had superseded"
        terms = version.terms
        approvals = (terms.quorum, terms.quorum_days) == (event.quorum, event.quorum_days)
        said = (terms.method, terms.release_days, terms.carry_years, terms.protected_g.get(event.product, 0))
        held = (event.method, event.release_days, event.carry_years, event.protected_g)
        if said != held or not approvals:
            yield f"{event.round} is not held as {name} says"
        if event.emergency is not None and (
            terms.emergency is None
            or (terms.emergency.ratify_within_hours, terms.emergency.max_g) != (event.emergency.ratify_within_hours, event.emergency.max_g)
        ):
            yield f"{event.round} is an emergency, and not as {name} says"


def _document(policy: str, number: int, version: _Version) -> str:
    """The SHA-256 of what is signed."""
    said = {
        "format": "reserve.policy.v1",
        "policy": policy,
        "version": number,
        "active_from": version.active_from,
        "terms": version.terms,
    }
    return name_of(said)


def _active(version: _Version, opened: _Opened) -> bool:
    """Whether it may have been."""
    approved = version.approved_at is not None and version.approved_at <= opened.at + AT_ONCE
    withdrawn = version.withdrawn_at is not None and version.withdrawn_at + AT_ONCE < opened.at
    return approved and not withdrawn and version.active_from <= opened.on


def _was_active(version: _Version, opened: _Opened) -> bool:
    """Whether it was without doubt."""
    approved = version.approved_at is not None and version.approved_at + AT_ONCE < opened.at
    withdrawn = version.withdrawn_at is not None and version.withdrawn_at <= opened.at + AT_ONCE
    return approved and not withdrawn and version.active_from <= opened.on
