"""Agreements: what a decision read of an agreement, its quota, year and class, is what that said at the version that was read; it was
neither suspended nor ended by then, and valid on that day.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import RoundProposed
from services.allocation.events.partners import (
    AgreementAmended,
    AgreementEnded,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
)
from services.allocation.events.rounds import AgreementRead


class _Terms(msgspec.Struct, frozen=True):
    """An agreement, as it stands at a version."""

    partner: str
    quotas_g: dict[str, int]  # by product
    priority_class: int
    valid_from: date
    valid_until: date
    stopped: str = ""  # "suspended", "ended"


class _Waits(msgspec.Struct, frozen=True):
    """For an agreement, whose shard the log may have taken later."""

    place: str
    on: date
    product: str
    partner: str
    read: AgreementRead


class Agreements:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._last: dict[str, _Terms] = {}
        self._versions: dict[tuple[str, int], _Terms] = {}
        self._waiting: list[_Waits] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case AgreementSigned():
                now = _Terms(event.partner, _quotas_g(event), event.priority_class, event.valid_from, event.valid_until)
            case AgreementAmended() if (last := self._last.get(event.agreement)) is not None:
                amended = {"quotas_g": _quotas_g(event), "priority_class": event.priority_class, "valid_until": event.valid_until}
                now = msgspec.structs.replace(last, **amended)
            case AgreementSuspended() | AgreementResumed() | AgreementEnded() if (last := self._last.get(event.agreement)) is not None:
                stopped = {AgreementSuspended: "suspended", AgreementResumed: "", AgreementEnded: "ended"}[type(event)]
                now = msgspec.structs.replace(last, stopped=stopped)
            case AgreementSuspensionConfirmed() if (last := self._last.get(event.agreement)) is not None:
                now = last
            case RoundProposed():
                self._read(place, record, event)
                return
            case _:
                return
        self._last[event.agreement] = self._versions[event.agreement, record.version] = now

    @property
    def unsettled(self) -> bool:
        return any((each.read.agreement, each.read.version) not in self._versions for each in self._waiting)

    def classes_of(self, read: Mapping[Any, AgreementRead]) -> dict[str, int]:
        """By partner, as far as it is seen."""
        found = {partner: self._versions.get((each.agreement, each.version)) for partner, each in read.items()}
        return {partner: terms.priority_class for partner, terms in found.items() if terms is not None}

    def finish(self) -> None:
        """All is seen that there is."""
        for each in self._waiting:
            self._look(each)

    def _read(self, place: str, record: Recorded, event: RoundProposed) -> None:
        for partner, read in event.reads.agreements.items():
            waits = _Waits(place, date.fromisoformat(record.effective_on), event.product, partner, read)
            if (read.agreement, read.version) in self._versions:
                self._look(waits)
            else:
                self._waiting.append(waits)

    def _look(self, waits: _Waits) -> None:
        faults = list(_faults(waits, self._versions.get((waits.read.agreement, waits.read.version))))
        self._findings.look(Check.DECISIONS, not faults, waits.place, "; ".join(faults))


def _quotas_g(event: AgreementSigned | AgreementAmended) -> dict[str, int]:
    return {each.product: each.yearly_quota_g for each in event.products}


def _faults(waits: _Waits, terms: _Terms | None) -> Iterator[str]:
    read = waits.read
    name = f"{read.agreement}, version {read.version}"
    if terms is None:
        yield f"it was decided by {name}, and there is none"
        return
    if terms.partner != waits.partner or terms.quotas_g.get(waits.product) != read.quota_g:
        yield f"{name} gives {terms.partner} {terms.quotas_g.get(waits.product)} g, and {read.quota_g} g were read for {waits.partner}"
    if terms.stopped or not terms.valid_from <= waits.on <= terms.valid_until:
        yield f"{name} is {terms.stopped or 'not valid on that day'}"
    elif read.year_from != _year_from(terms.valid_from, waits.on):
        yield f"the year of {name} did not begin on {read.year_from}"


def _year_from(valid_from: date, on: date) -> date:
    return max(day for year in (on.year - 1, on.year) if (day := _anniversary(valid_from, year)) <= on)


def _anniversary(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February in a common year
        return date(year, 3, 1)
