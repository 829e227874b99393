"""Facility: headroom, reserved by each commitment under limits that form a tree. It is one stream, so that no two commitments ever share
the same headroom, however they come.

A commitment names keys ("project/hillgrove", "element/Sb") and is charged to each of them and to all above them, once. A key without a
limit of its own counts what is charged to it, right below the root. What is in another asset than the facility's currency is valued at
the rate recorded last; another rate values it anew.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import assert_never

import immutables
import msgspec

from services.loans.domain.facility.limits import fault_of_limits, near, share
from services.loans.domain.plausible import too_far
from services.loans.events.authority import AuthorityCited
from services.loans.events.facility import (
    BorrowerDefaulted,
    CommitmentId,
    FacilityEvent,
    FacilityId,
    FacilityOpened,
    HeadroomRefused,
    HeadroomReleased,
    HeadroomReserved,
    Limit,
    LimitsSet,
    RateRecorded,
)
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.countersigning import ProposedCommand


class OpenFacility(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    facility: FacilityId
    currency: str
    limits: tuple[Limit, ...]
    authority: str


class SetLimits(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The limits in full."""

    limits: tuple[Limit, ...]
    authority: str
    reason: TypedText


class RecordRate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`rate`: minor units of the facility's currency for one of the asset. `on`: today."""

    asset: str
    rate: str
    quoted_on: date
    source: TypedText
    on: date


class ReserveHeadroom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """For one commitment, once. Never `Refused`: nobody waits for an answer."""

    facility: FacilityId
    commitment: CommitmentId
    asset: str
    amount: int
    keys: tuple[str, ...]


class ReleaseHeadroom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`amount` None: all that is left of the commitment. Never `Refused`."""

    commitment: CommitmentId
    amount: int | None


class TellDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A loan is in default, or is so no longer. Never `Refused`."""

    commitment: CommitmentId
    ended: bool


type Command = OpenFacility | SetLimits | RecordRate | ReserveHeadroom | ReleaseHeadroom | TellDefault


class Reason(Reasons):
    """Why a facility stays as it is, or has no headroom."""

    ALREADY_OPEN = "facility_already_open", 409, "The facility is open already"
    NOT_FOUND = "facility_not_found", 404, "There is no such facility"
    LIMITS_INVALID = "limits_invalid", 422, "The limits are not a tree"
    RATE_INVALID = "rate_invalid", 422, "Invalid rate"
    RATE_IMPLAUSIBLE = "rate_implausible", 422, "The rate is too far from the last one"
    RATE_OUTDATED = "rate_outdated", 409, "A later rate is recorded"
    RATE_OWN = "rate_of_own_currency", 422, "The facility's own currency has no rate"
    RATE_MISSING = "rate_missing", 409, "No rate is recorded"
    DATE_IN_FUTURE = "date_in_future", 422, "The day has not come yet"
    LIMIT_EXCEEDED = "limit_exceeded", 409, "A limit would be exceeded"
    COMMITTED_ALREADY = "committed_already", 409, "It is committed already"


class Commitment(msgspec.Struct, frozen=True, gc=False):
    asset: str
    amount: int
    value_minor: int
    keys: tuple[str, ...]  # all that it is charged to


class Facility(msgspec.Struct, frozen=True):
    id: FacilityId | None = None  # None: not opened
    currency: str = ""
    limits: immutables.Map[str, Limit] = immutables.Map()
    used_minor: immutables.Map[str, int] = immutables.Map()
    rates: immutables.Map[str, str] = immutables.Map()  # asset -> as it was recorded
    quoted_on: immutables.Map[str, date] = immutables.Map()  # asset -> the day of that rate
    commitments: immutables.Map[CommitmentId, Commitment] = immutables.Map()
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature
    defaulted: frozenset[CommitmentId] = frozenset()

    @property
    def root(self) -> str:
        return next(key for key, limit in self.limits.items() if limit.parent is None)


def decide(command: Command, facility: Facility) -> Sequence[FacilityEvent] | Refused[Reason]:
    match command:
        case OpenFacility():
            if facility.id is not None:
                return Refused(Reason.ALREADY_OPEN, f"{facility.id} is open already", "/facility")
            if (fault := _fault(command.limits)) is not None:
                return fault
            return [
                FacilityOpened(facility=command.facility, currency=command.currency, limits=command.limits, authority=command.authority)
            ]
        case SetLimits():
            if facility.id is None:
                return _not_found()
            if (fault := _fault(command.limits)) is not None:
                return fault
            return [LimitsSet(facility=facility.id, limits=command.limits, authority=command.authority, reason=command.reason)]
        case RecordRate():
            return _record_rate(command, facility)
        case ReserveHeadroom():
            return _reserve(command, facility)
        case ReleaseHeadroom():
            return release(command, facility)
        case TellDefault():
            return _tell_default(command, facility)
        case _:
            assert_never(command)


def _record_rate(command: RecordRate, facility: Facility) -> Sequence[FacilityEvent] | Refused[Reason]:
    if facility.id is None:
        return _not_found()
    if command.asset == facility.currency:
        return Refused(Reason.RATE_OWN, f"{command.asset} is the facility's own currency", "/asset", "another currency, or a metal")
    if command.quoted_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.quoted_on} has not come yet", "/quoted_on", f"{command.on} or earlier")
    if command.quoted_on < (last := facility.quoted_on.get(command.asset, date.min)):
        return Refused(Reason.RATE_OUTDATED, f"there is a rate of {last}", "/quoted_on", f"{last} or later")
    rate = share(command.rate)
    if rate is None:
        return Refused(Reason.RATE_INVALID, f"{command.rate!r} is no rate", "/rate", 'above zero, such as "1.52" or "38/25"')
    if (accepted := too_far(rate, facility.rates.get(command.asset))) is not None:
        known = facility.rates[command.asset]
        return Refused(Reason.RATE_IMPLAUSIBLE, f"{command.asset} was at {known} last", "/rate", f"{accepted}; in steps, if it is further")
    held = {id: commitment for id, commitment in facility.commitments.items() if commitment.asset == command.asset}
    revalued = _revalued(facility, command.asset, rate)
    if max(revalued.used_minor.values(), default=0) > MAX_INTEGER:
        return Refused(Reason.RATE_INVALID, "what is committed would be worth more than the books can hold", "/rate")
    return [
        RateRecorded(
            facility=facility.id,
            asset=command.asset,
            rate=command.rate,
            quoted_on=command.quoted_on,
            source=command.source,
            before_minor=sum(commitment.value_minor for commitment in held.values()),
            after_minor=sum(worth(commitment.amount, rate) for commitment in held.values()),
            over=tuple(key for key, limit in sorted(facility.limits.items()) if revalued.used_minor.get(key, 0) > limit.limit_minor),
        )
    ]


def _reserve(command: ReserveHeadroom, facility: Facility) -> Sequence[FacilityEvent]:
    keys = charged_keys(facility, command.keys)
    fault = shortage(facility, command)
    if fault is not None:
        return [
            HeadroomRefused(
                facility=command.facility,
                commitment=command.commitment,
                asset=command.asset,
                amount=command.amount,
                reason=fault.code,
                detail=fault.detail,
            )
        ]
    value = _value(facility, command.asset, command.amount)
    assert value is not None, "an asset without a rate is a shortage"
    return [
        HeadroomReserved(
            facility=command.facility,
            commitment=command.commitment,
            asset=command.asset,
            amount=command.amount,
            value_minor=value,
            keys=keys,
            warned=tuple(
                key for key in keys if (limit := facility.limits.get(key)) and near(limit, facility.used_minor.get(key, 0) + value)
            ),
        )
    ]


def shortage(facility: Facility, command: ReserveHeadroom) -> Refused[Reason] | None:
    """Why the facility cannot take the commitment; None: it can. Also to say so early, to whom proposes it."""
    if facility.id is None:
        return Refused(Reason.NOT_FOUND, f"there is no facility {command.facility}", "/facility")
    if command.commitment in facility.commitments:
        return Refused(Reason.COMMITTED_ALREADY, f"{command.commitment} has its headroom already")
    value = _value(facility, command.asset, command.amount)
    if value is None:
        known = ", ".join([facility.currency, *sorted(facility.rates)])
        return Refused(Reason.RATE_MISSING, f"no rate of {command.asset} in {facility.currency} is recorded", "/currency", known)
    for key in charged_keys(facility, command.keys):
        limit = facility.limits.get(key)
        used = facility.used_minor.get(key, 0)
        if limit is not None and used + value > limit.limit_minor:
            left = max(0, limit.limit_minor - used)
            detail = f"{value} would exceed the limit of {key}: {used} of {limit.limit_minor} are committed"
            return Refused(Reason.LIMIT_EXCEEDED, detail, "/commitment_minor", f"at most {left} {facility.currency} minor units")
    return None


def charged_keys(facility: Facility, keys: Iterable[str]) -> tuple[str, ...]:
    """The named keys and all that is above them, each once."""
    if not facility.limits:
        return ()
    charged = set()
    for named in keys:
        key: str | None = named
        while key is not None and key not in charged:
            charged.add(key)
            limit = facility.limits.get(key)
            key = facility.root if limit is None else limit.parent
    charged.add(facility.root)
    return tuple(sorted(charged))


def release(command: ReleaseHeadroom, facility: Facility) -> Sequence[FacilityEvent]:
    commitment = facility.commitments.get(command.commitment)
    if facility.id is None or commitment is None:
        return []
    amount = commitment.amount if command.amount is None else min(command.amount, commitment.amount)
    if not amount:
        return []
    remaining = commitment.amount - amount
    rest = _value(facility, commitment.asset, remaining)
    assert rest is not None, "what is committed has a rate"
    return [
        HeadroomReleased(
            facility=facility.id,
            commitment=command.commitment,
            asset=commitment.asset,
            amount=amount,
            value_minor=commitment.value_minor - rest,
            remaining=remaining,
        )
    ]


def _tell_default(command: TellDefault, facility: Facility) -> Sequence[FacilityEvent]:
    told = facility.commitments.get(command.commitment)
    if facility.id is None or told is None or (command.commitment in facility.defaulted) is not command.ended:
        return []
    borrower = {key for key in told.keys if key.startswith("borrower/")}
    others = tuple(sorted(id for id, each in facility.commitments.items() if id != command.commitment and borrower & {*each.keys}))
    return [BorrowerDefaulted(facility=facility.id, commitment=command.commitment, others=others, ended=command.ended)]


def evolve(facility: Facility, event: FacilityEvent | AuthorityCited) -> Facility:
    match event:
        case FacilityOpened():
            return msgspec.structs.replace(facility, id=event.facility, currency=event.currency, limits=_by_key(event.limits))
        case LimitsSet():
            return _with_limits(facility, event.limits)
        case RateRecorded():
            revalued = _revalued(facility, event.asset, Fraction(event.rate))
            return msgspec.structs.replace(
                revalued,
                rates=facility.rates.set(event.asset, event.rate),
                quoted_on=facility.quoted_on.set(event.asset, event.quoted_on),
            )
        case HeadroomReserved():
            commitment = Commitment(event.asset, event.amount, event.value_minor, event.keys)
            return msgspec.structs.replace(
                facility,
                commitments=facility.commitments.set(event.commitment, commitment),
                used_minor=_charged(facility.used_minor, event.keys, event.value_minor),
            )
        case HeadroomRefused() | AuthorityCited():
            return facility
        case BorrowerDefaulted(commitment=told):
            return msgspec.structs.replace(facility, defaulted=facility.defaulted - {told} if event.ended else facility.defaulted | {told})
        case HeadroomReleased():
            before = facility.commitments[event.commitment]
            after = msgspec.structs.replace(before, amount=event.remaining, value_minor=before.value_minor - event.value_minor)
            return msgspec.structs.replace(
                facility,
                commitments=facility.commitments.set(event.commitment, after)
                if event.remaining
                else facility.commitments.delete(event.commitment),
                used_minor=_charged(facility.used_minor, before.keys, -event.value_minor),
            )
        case _:
            assert_never(event)


def worth(amount: int, rate: Fraction) -> int:
    """The value of an amount, rounded up: headroom is never a cent short."""
    return -(-amount * rate.numerator // rate.denominator)


def _value(facility: Facility, asset: str, amount: int) -> int | None:
    if asset == facility.currency:
        return amount
    rate = facility.rates.get(asset)
    return None if rate is None else worth(amount, Fraction(rate))


def _revalued(facility: Facility, asset: str, rate: Fraction) -> Facility:
    commitments, used = facility.commitments, facility.used_minor
    for id, commitment in facility.commitments.items():
        if commitment.asset == asset:
            value = worth(commitment.amount, rate)
            used = _charged(used, commitment.keys, value - commitment.value_minor)
            commitments = commitments.set(id, msgspec.structs.replace(commitment, value_minor=value))
    return msgspec.structs.replace(facility, commitments=commitments, used_minor=used)


def _with_limits(facility: Facility, limits: tuple[Limit, ...]) -> Facility:
    """Another tree charges what is committed to other keys."""
    bare = msgspec.structs.replace(facility, limits=_by_key(limits), used_minor=immutables.Map())
    used: immutables.Map[str, int] = immutables.Map()
    commitments = facility.commitments
    for id, commitment in facility.commitments.items():
        keys = charged_keys(bare, commitment.keys)
        used = _charged(used, keys, commitment.value_minor)
        commitments = commitments.set(id, msgspec.structs.replace(commitment, keys=keys))
    return msgspec.structs.replace(bare, commitments=commitments, used_minor=used)


def _charged(used: immutables.Map[str, int], keys: Iterable[str], value_minor: int) -> immutables.Map[str, int]:
    changed = used.mutate()
    for key in keys:
        changed[key] = changed.get(key, 0) + value_minor
    return changed.finish()


def _by_key(limits: Iterable[Limit]) -> immutables.Map[str, Limit]:
    return immutables.Map({limit.key: limit for limit in limits})


def _fault(limits: Sequence[Limit]) -> Refused[Reason] | None:
    fault = fault_of_limits(limits)
    return None if fault is None else Refused(Reason.LIMITS_INVALID, *fault)


def _not_found() -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, "there is no such facility")


DECIDER = Decider(kind="facility", initial=Facility(), commands=Command, decide=decide, evolve=evolve)
