"""Laboratories: that what settled a return was assayed by one that was registered then, accredited, asked once, and neither party's. The
rule is in force from the first that is registered on; what came before is listed."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.evidence import Recorded
from reserve.audit.groups import Groups
from reserve.audit.report import Check, Findings
from services.loans.events.laboratory import LaboratoryEnded, LaboratoryEndLapsed, LaboratoryRegistered
from services.loans.events.material import MaterialTermsApproved, ReturnAssayed, ReturnReceived


class _Entry(msgspec.Struct):
    """What the register said of a laboratory from an instant to another."""

    said: LaboratoryRegistered
    since: datetime
    until: datetime | None = None


class _Assayed(msgspec.Struct, frozen=True):
    place: str
    event: ReturnAssayed
    before: tuple[str, ...]  # the laboratories that had assayed it
    at: datetime


class Laboratories:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._register: dict[str, list[_Entry]] = {}
        self._asked: dict[str, list[str]] = {}  # return -> its laboratories
        self._assayed: list[_Assayed] = []
        self._facilities: dict[str, str] = {}  # loan -> by its terms
        self._groups = Groups()
        self._since: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        self._groups.see(record, event)
        match event:
            case LaboratoryRegistered() | LaboratoryEnded():
                entries = self._register.setdefault(event.laboratory, [])
                if entries and entries[-1].until is None:
                    entries[-1].until = at
                if isinstance(event, LaboratoryRegistered):
                    entries.append(_Entry(event, at))
                    self._since = min(at, self._since or at)
            case LaboratoryEndLapsed():
                if entries := self._register.get(event.laboratory, []):
                    entries.append(_Entry(entries[-1].said, at))
            case MaterialTermsApproved():
                self._facilities[event.loan] = event.facility
            case ReturnReceived():
                self._asked[event.returned] = [event.own_assay.laboratory]
            case ReturnAssayed():
                asked = self._asked.setdefault(event.returned, [])
                self._assayed.append(_Assayed(place, event, tuple(asked), at))
                asked.append(event.assay.laboratory)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for assayed in self._assayed:
            entries = self._entries(assayed)
            borrower = {f"partner/{assayed.event.partner}"}
            connected = self._groups.connected(self._facilities.get(assayed.event.loan, ""), borrower, assayed.at)
            faults = [_fault(assayed, entry.said, connected) for entry in entries] or [
                f"{assayed.event.assay.laboratory} was not registered"
            ]
            if all(faults):  # of two that were in force in the same moment, one may be fine
                in_force = self._since is not None and self._since + AT_ONCE < assayed.at
                self._findings.under_rule(Check.LENT, in_force, assayed.place, faults[0])
            else:
                self._findings.look(Check.LENT, True, assayed.place, "")

    def _entries(self, assayed: _Assayed) -> list[_Entry]:
        entries = self._register.get(assayed.event.assay.laboratory, [])
        return [
            each for each in entries if each.since <= assayed.at + AT_ONCE and (each.until is None or assayed.at - AT_ONCE < each.until)
        ]


def _fault(assayed: _Assayed, said: LaboratoryRegistered, connected: Collection[str]) -> str:
    event = assayed.event
    if event.assay.assayed_on > said.accredited_until:
        return f"{said.laboratory} was accredited until {said.accredited_until}"
    if said.owner in ("reserve", f"partner/{event.partner}", *connected):
        return f"{said.laboratory} is {said.owner}'s, which is a party"
    if {_plain(name) for name in assayed.before} & {_plain(said.laboratory), _plain(said.name)}:
        return f"{said.laboratory} had assayed {event.returned} already"
    return ""


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
