"""Facilities: what is committed under each limit, counted again from the events."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.loans.events.equity import HoldingCommitted
from services.loans.events.facility import (
    FacilityOpened,
    GroupSet,
    Guaranteed,
    HeadroomReleased,
    HeadroomReserved,
    Limit,
    LimitsSet,
    RateRecorded,
)
from services.loans.events.loan import LoanCommitted
from services.loans.events.material import MaterialLoanCommitted

type _Said = tuple[str, str, int]  # facility, asset and amount of a commitment


class _Commitment(msgspec.Struct):
    asset: str
    amount: int
    value_minor: int
    keys: set[str]  # that it is charged to in full, whatever groups there are
    guaranteed: tuple[Guaranteed, ...]


class _Facility:
    def __init__(self, opened: FacilityOpened) -> None:
        self.currency = opened.currency
        self.rates: dict[str, Fraction] = {}
        self.commitments: dict[str, _Commitment] = {}
        self.groups: dict[str, frozenset[str]] = {}
        self.limit_to(opened.limits)

    def limit_to(self, limits: Iterable[Limit]) -> None:
        """What a commitment is charged to already, it stays charged to, and to all that is above it now."""
        self._limits = {limit.key: limit for limit in limits}
        for commitment in self.commitments.values():
            commitment.keys = self.above(commitment.keys)

    def above(self, keys: Iterable[str]) -> set[str]:
        root = next((key for key, limit in self._limits.items() if limit.parent is None), None)
        found: set[str] = set()
        waiting = [*keys, *([] if root is None else [root])]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                limit = self._limits.get(key)
                if limit is not None and limit.parent is not None:
                    waiting.append(limit.parent)
        return found

    def charged(self, keys: Iterable[str]) -> set[str]:
        """With the groups of any of them, until there is none that is not among them."""
        found = self.above(keys)
        while (more := self.above({*found, *self._groups_of(found)})) != found:
            found = more
        return found

    def _groups_of(self, keys: set[str]) -> Iterator[str]:
        return (f"group/{name}" for name, members in self.groups.items() if members & keys)

    def shares(self, commitment: _Commitment) -> Counter[str]:
        """Key -> what the commitment counts for under it: in full, or what is guaranteed, and not more than all of it."""
        full = self.charged(commitment.keys)
        shares = Counter[str]()
        for each in commitment.guaranteed:
            part_minor = self.worth_minor(commitment.asset, min(each.amount, commitment.amount)) or 0
            shares.update(dict.fromkeys(self.charged([each.key]), part_minor))
        return Counter(
            {key: min(value, commitment.value_minor) for key, value in shares.items()} | dict.fromkeys(full, commitment.value_minor)
        )

    def worth_minor(self, asset: str, amount: int) -> int | None:
        """In whole units, rounded up; None: it has no rate."""
        if asset == self.currency:
            return amount
        return ceil(amount * self.rates[asset]) if asset in self.rates else None

    def used_minor(self) -> Counter[str]:
        used = Counter[str]()
        for commitment in self.commitments.values():
            used.update(self.shares(commitment))
        return used

    def beyond(self) -> Iterator[tuple[str, int, int]]:
        """Each limit that is exceeded: its key, what is committed, and the limit."""
        used = self.used_minor()
        for key, limit in self._limits.items():
            if used[key] > limit.limit_minor:
                yield key, used[key], limit.limit_minor


class Facilities:
    """All facilities. A limit may be exceeded once it is lowered, or a rate rises: but then nothing more is committed under it."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._facilities: dict[str, _Facility] = {}
        self._reserved: dict[str, HeadroomReserved] = {}
        self._committed: dict[str, tuple[str, _Said]] = {}  # with its place

    def see(self, place: str, event: Any) -> None:
        match event:
            case FacilityOpened():
                self._facilities[event.facility] = _Facility(event)
            case LoanCommitted():
                self._committed[event.loan] = place, (event.facility, event.currency, event.commitment_minor)
            case HoldingCommitted():
                self._committed[event.holding] = place, (event.facility, event.currency, event.commitment_minor)
            case MaterialLoanCommitted():
                self._committed[event.loan] = place, (event.facility, f"contained/{event.element}", event.contained_g)
            case LimitsSet() | RateRecorded() | HeadroomReserved() | HeadroomReleased() | GroupSet():
                if isinstance(event, HeadroomReserved):
                    self._reserved[event.commitment] = event
                facility = self._facilities.get(event.facility)
                if facility is None:
                    self._findings.look(Check.HEADROOM, False, place, f"{event.facility} was never opened")
                    return
                faults = list(_step(facility, event))
                self._findings.look(Check.HEADROOM, not faults, place, "; ".join(faults))
            case _:
                pass

    @property
    def unsettled(self) -> bool:
        """Whether something is committed whose headroom was not seen: it may stand in a shard that the ledger was slower to take."""
        return not self._committed.keys() <= self._reserved.keys()

    def finish(self) -> None:
        """All is seen that there is."""
        for name, (place, committed) in self._committed.items():
            found = self._reserved.get(name)
            reserved = None if found is None else (found.facility, found.asset, found.amount)
            self._findings.look(
                Check.HEADROOM, reserved == committed, place, f"{name} is committed, and what is reserved for it is {reserved}"
            )


def _step(facility: _Facility, event: LimitsSet | RateRecorded | HeadroomReserved | HeadroomReleased | GroupSet) -> Iterator[str]:
    """What is wrong with the event, which is applied."""
    match event:
        case LimitsSet():
            facility.limit_to(event.limits)
        case GroupSet():
            yield from _group(facility, event)
        case RateRecorded():
            yield from _revalue(facility, event)
        case HeadroomReserved():
            yield from _reserve(facility, event)
        case HeadroomReleased():
            yield from _release(facility, event)


def _revalue(facility: _Facility, event: RateRecorded) -> Iterator[str]:
    facility.rates[event.asset] = Fraction(event.rate)
    held = [commitment for commitment in facility.commitments.values() if commitment.asset == event.asset]
    before_minor = sum(commitment.value_minor for commitment in held)
    for commitment in held:
        commitment.value_minor = facility.worth_minor(commitment.asset, commitment.amount) or 0
    after_minor = sum(commitment.value_minor for commitment in held)
    if (event.before_minor, event.after_minor) != (before_minor, after_minor):
        yield f"commitments in {event.asset} were worth {before_minor} and are worth {after_minor}"


def _group(facility: _Facility, event: GroupSet) -> Iterator[str]:
    facility.groups[event.group] = frozenset(event.members)
    committed_minor = facility.used_minor()[f"group/{event.group}"]
    if event.committed_minor != committed_minor:
        yield f"{committed_minor} are committed to {event.group}, not {event.committed_minor}"
    if event.over != (over := tuple(sorted(key for key, _, _ in facility.beyond()))):
        yield f"the limits that are exceeded are {over}, not {event.over}"


def _reserve(facility: _Facility, event: HeadroomReserved) -> Iterator[str]:
    commitment = _Commitment(event.asset, event.amount, event.value_minor, facility.above(event.named or event.keys), event.guaranteed)
    keys = {*facility.shares(commitment)}
    if event.commitment in facility.commitments:
        yield f"{event.commitment} has its headroom already"
    if keys != set(event.keys):
        yield f"{event.commitment} is not charged to {sorted(keys ^ set(event.keys))}"
    if (value_minor := facility.worth_minor(event.asset, event.amount)) != event.value_minor:
        yield f"{event.amount} {event.asset} are worth {value_minor}, not {event.value_minor}"
    facility.commitments[event.commitment] = commitment
    for key, used_minor, limit_minor in facility.beyond():
        if key in keys:
            yield f"{used_minor} are committed under {key}, whose limit is {limit_minor}"


def _release(facility: _Facility, event: HeadroomReleased) -> Iterator[str]:
    commitment = facility.commitments.get(event.commitment)
    if commitment is None or (commitment.asset, commitment.amount) != (event.asset, event.amount + event.remaining):
        yield f"{event.commitment} is given back {event.amount} {event.asset}, and holds {commitment}"
        return
    rest_minor = facility.worth_minor(event.asset, event.remaining) or 0
    if commitment.value_minor - rest_minor != event.value_minor:
        yield f"{event.remaining} {event.asset} are worth {rest_minor}, which is not {event.value_minor} less than before"
    commitment.amount, commitment.value_minor = event.remaining, rest_minor
    if not event.remaining:
        del facility.commitments[event.commitment]
