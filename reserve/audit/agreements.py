"""Agreements: what a decision read of an agreement, its quota, year and class, is what that said at the version that was read; and of each
partner the one that counts, in its last version, was read, when the decision was proposed and when it was certified. So was its disruption.

Of several agreements of a partner the one that began last counts. Agreements and disruptions have shards of their own: what was recorded in
the same moment may stand in either order, so all is looked at in the end.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    BidRevealed,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionRevised,
    RoundCertified,
    RoundOpened,
    RoundProposed,
    TenderCertified,
    TenderOpened,
    TenderProposed,
)
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

    def counts(self, product: str, on: date) -> bool:
        return not self.stopped and product in self.quotas_g and self.valid_from <= on <= self.valid_until


class _Since(msgspec.Struct, frozen=True):
    version: int
    at: datetime


class _Reads(msgspec.Struct, frozen=True):
    """What was read for a decision. Of a tender's bidders the versions alone."""

    product: str
    agreements: Mapping[Any, AgreementRead] | Mapping[Any, int]
    disruption: tuple[str, int | None] | None = None
    partners: Collection[str] = ()  # of whom it must have read an agreement, if they had one
    tender: str | None = None  # whose bidders these are


class _Decided(msgspec.Struct, frozen=True):
    place: str
    on: date
    at: datetime
    reads: _Reads


class Agreements:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._last: dict[str, _Terms] = {}
        self._versions: dict[tuple[str, int], _Terms] = {}
        self._since: dict[str, list[_Since]] = {}  # versions of an agreement, or a disruption
        self._of: dict[str, list[str]] = {}  # partner -> its agreements
        self._products: dict[str, str] = {}  # of tenders
        self._disruptions: dict[str, str] = {}  # of rounds
        self._bidders: dict[str, set[str]] = {}  # of tenders: who has revealed a bid
        self._proposed: dict[str, _Reads] = {}  # by round or tender: the last
        self._decided: list[_Decided] = []

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case AgreementSigned():
                self._of.setdefault(event.partner, []).append(event.agreement)
                terms = _Terms(event.partner, _quotas_g(event), event.priority_class, event.valid_from, event.valid_until)
                self._turn(record, event.agreement, terms)
            case AgreementAmended() if (last := self._last.get(event.agreement)) is not None:
                amended = {"quotas_g": _quotas_g(event), "priority_class": event.priority_class, "valid_until": event.valid_until}
                self._turn(record, event.agreement, msgspec.structs.replace(last, **amended))
            case AgreementSuspended() | AgreementResumed() | AgreementEnded() if (last := self._last.get(event.agreement)) is not None:
                stopped = {AgreementSuspended: "suspended", AgreementResumed: "", AgreementEnded: "ended"}[type(event)]
                self._turn(record, event.agreement, msgspec.structs.replace(last, stopped=stopped))
            case AgreementSuspensionConfirmed() if (last := self._last.get(event.agreement)) is not None:
                self._turn(record, event.agreement, last)
            case DisruptionDeclared() | DisruptionRevised() | DisruptionEnded():
                self._since.setdefault(event.disruption, []).append(_Since(record.version, instant(record)))
            case _:
                self._see_decision(place, record, event)

    def _see_decision(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundOpened() if event.disruption is not None:
                self._disruptions[event.round] = event.disruption
            case TenderOpened():
                self._products[event.tender] = event.terms.product
            case BidRevealed():
                self._bidders.setdefault(event.tender, set()).add(event.partner)
            case RoundProposed():
                named = self._disruptions.get(event.round)
                disruption = None if named is None else (named, event.reads.disruption_version)
                self._proposed[event.round] = _Reads(event.product, event.reads.agreements, disruption, event.awarded_g.keys())
                self._decide(place, record, self._proposed[event.round])
            case TenderProposed():
                product = self._products.get(event.tender, "")
                self._proposed[event.tender] = _Reads(product, event.agreements, tender=event.tender)
                self._decide(place, record, self._proposed[event.tender])
            case RoundCertified() if (reads := self._proposed.get(event.round)) is not None:
                self._decide(place, record, reads)
            case TenderCertified() if (reads := self._proposed.get(event.tender)) is not None:
                self._decide(place, record, reads)
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether a decision was seen whose agreements were not: they may stand after the cut."""
        return any(True for decided in self._decided for _ in self._faults(decided, decided.reads))

    def classes_of(self, read: Mapping[Any, AgreementRead]) -> dict[str, int]:
        """By partner, as far as it is seen."""
        found = {partner: self._versions.get((each.agreement, each.version)) for partner, each in read.items()}
        return {partner: terms.priority_class for partner, terms in found.items() if terms is not None}

    def finish(self) -> None:
        """All is seen that there is."""
        for decided in self._decided:
            faults = list(self._faults(decided, decided.reads))
            self._findings.look(Check.DECISIONS, not faults, decided.place, "; ".join(faults))

    def _turn(self, record: Recorded, agreement: str, now: _Terms) -> None:
        self._last[agreement] = self._versions[agreement, record.version] = now
        self._since.setdefault(agreement, []).append(_Since(record.version, instant(record)))

    def _decide(self, place: str, record: Recorded, reads: _Reads) -> None:
        self._decided.append(_Decided(place, date.fromisoformat(record.effective_on), instant(record), reads))

    def _faults(self, decided: _Decided, reads: _Reads) -> Iterator[str]:
        if reads.disruption is not None:
            disruption, version = reads.disruption
            if version not in (current := self._current(disruption, decided.at)):
                yield f"it was decided by {disruption}, version {version}, and {' or '.join(map(str, current)) or 'none'} was in force"
        for partner, read in reads.agreements.items():
            may_be, _ = self._counting(partner, reads.product, decided)
            if isinstance(read, int):
                if read not in {version for _, version in may_be}:
                    yield f"version {read} of an agreement of {partner} is none that was in force"
                continue
            yield from (own := list(_faults(partner, read, self._versions.get((read.agreement, read.version)), reads.product, decided.on)))
            if not own and (read.agreement, read.version) not in may_be:
                told = ", ".join(f"{agreement}, version {version}" for agreement, version in sorted(may_be)) or "none"
                yield f"it was decided by {read.agreement}, version {read.version}, and {told} was in force"
        for partner in sorted({*reads.partners, *self._bidders.get(reads.tender or "", ())} - reads.agreements.keys()):
            may_be, certain = self._counting(partner, reads.product, decided)
            if certain or (reads.tender is None and self._of):  # where there are any, a round has none without
                yield f"no agreement of {partner} was read, and {sorted(may_be) or 'none'} was in force"

    def _current(self, name: str, at: datetime) -> list[int]:
        """The versions of it of which each may have been the last."""
        since = self._since.get(name, [])
        ends = [*(each.at for each in since[1:]), None]
        return [
            each.version for each, end in zip(since, ends, strict=True) if each.at <= at + AT_ONCE and (end is None or end > at - AT_ONCE)
        ]

    def _counting(self, partner: str, product: str, decided: _Decided) -> tuple[set[tuple[str, int]], bool]:
        """(agreement, version): each that may be the one which counted; and whether one of them must be."""
        may_be = set[tuple[str, int]]()
        for agreement in sorted(self._of.get(partner, ()), key=lambda each: (self._last[each].valid_from, each), reverse=True):
            current = self._current(agreement, decided.at)
            counting = [version for version in current if self._versions[agreement, version].counts(product, decided.on)]
            may_be.update((agreement, version) for version in counting)
            if counting and len(counting) == len(current) and self._since[agreement][0].at <= decided.at - AT_ONCE:
                return may_be, True  # signed before, without doubt, and of its versions each would count
        return may_be, False


def _quotas_g(event: AgreementSigned | AgreementAmended) -> dict[str, int]:
    return {each.product: each.yearly_quota_g for each in event.products}


def _faults(partner: str, read: AgreementRead, terms: _Terms | None, product: str, on: date) -> Iterator[str]:
    name = f"{read.agreement}, version {read.version}"
    if terms is None:
        yield f"it was decided by {name}, and there is none"
        return
    if terms.partner != partner or terms.quotas_g.get(product) != read.quota_g:
        yield f"{name} gives {terms.partner} {terms.quotas_g.get(product)} g, and {read.quota_g} g were read for {partner}"
    if terms.stopped or not terms.valid_from <= on <= terms.valid_until:
        yield f"{name} is {terms.stopped or 'not valid on that day'}"
    elif read.year_from != _year_from(terms.valid_from, on):
        yield f"the year of {name} did not begin on {read.year_from}"


def _year_from(valid_from: date, on: date) -> date:
    return max(day for year in (on.year - 1, on.year) if (day := _anniversary(valid_from, year)) <= on)


def _anniversary(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February in a common year
        return date(year, 3, 1)
