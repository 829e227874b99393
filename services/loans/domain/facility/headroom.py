"""Facility: headroom, reserved by each commitment under limits that form a tree. It is one stream, so that no two commitments ever share
the same headroom, however they come.

A commitment names keys ("project/hillgrove", "element/Sb") and is charged to each of them and to all above them, once, and to the groups of
connected clients that they are in. A key without a limit of its own counts what is charged to it, right below the root. What is in another
asset than the facility's currency is valued at the rate recorded last; another rate values it anew.
"""

from collections.abc import Sequence
from datetime import date
from typing import assert_never

import msgspec

from services.loans.domain.facility.limits import fault_of_limits, near, share
from services.loans.domain.facility.state import (
    Commitment,
    Facility,
    by_key,
    charges_of,
    committed,
    group_key,
    keys_above,
    over,
    revalued,
    value_of,
    with_group,
    with_limits,
    worth,
)
from services.loans.domain.plausible import too_far
from services.loans.events.authority import AuthorityCited
from services.loans.events.facility import (
    BorrowerDefaulted,
    CommitmentId,
    FacilityEvent,
    FacilityId,
    FacilityOpened,
    GroupSet,
    Guaranteed,
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

MAX_GROUPS = 400  # of connected clients
MAX_MEMBERS = 100  # of one: all of them must fit in one event


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
    guaranteed: tuple[Guaranteed, ...] = ()


class ReleaseHeadroom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`amount` None: all that is left of the commitment. Never `Refused`."""

    commitment: CommitmentId
    amount: int | None


class SetGroup(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The members in full; none: there is no such group any more."""

    group: str
    members: tuple[str, ...]
    reason: TypedText


class TellDefault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A loan is in default, or is so no longer. Never `Refused`."""

    commitment: CommitmentId
    ended: bool


type Command = OpenFacility | SetLimits | RecordRate | ReserveHeadroom | ReleaseHeadroom | TellDefault | SetGroup


class Reason(Reasons):
    """Why a facility stays as it is, or has no headroom."""

    ALREADY_OPEN = "facility_already_open", 409, "The facility is open already"
    NOT_FOUND = "facility_not_found", 404, "There is no such facility"
    LIMITS_INVALID = "limits_invalid", 422, "The limits do not form a tree"
    RATE_INVALID = "rate_invalid", 422, "Invalid rate"
    RATE_IMPLAUSIBLE = "rate_implausible", 422, "The rate is too far from the last one"
    RATE_OUTDATED = "rate_outdated", 409, "A later rate is recorded"
    RATE_OWN = "rate_of_own_currency", 422, "The facility's own currency has no rate"
    RATE_MISSING = "rate_missing", 409, "No rate is recorded"
    DATE_IN_FUTURE = "date_in_future", 422, "The date is in the future"
    LIMIT_EXCEEDED = "limit_exceeded", 409, "A limit would be exceeded"
    GROUP_INVALID = "group_invalid", 422, "Invalid group of connected clients"
    GROUP_UNCHANGED = "group_unchanged", 409, "The group has these members already"
    COMMITTED_ALREADY = "committed_already", 409, "It is committed already"


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
        case SetGroup():
            return _set_group(command, facility)
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
    held = [each for each in facility.commitments.values() if each.asset == command.asset]
    after = revalued(facility, command.asset, command.rate)
    if max(after.used_minor.values(), default=0) > MAX_INTEGER:
        return Refused(Reason.RATE_INVALID, "what is committed would be worth more than the books can hold", "/rate")
    return [
        RateRecorded(
            facility=facility.id,
            asset=command.asset,
            rate=command.rate,
            quoted_on=command.quoted_on,
            source=command.source,
            before_minor=sum(each.value_minor for each in held),
            after_minor=sum(worth(each.amount, rate) for each in held),
            over=over(after),
        )
    ]


def _reserve(command: ReserveHeadroom, facility: Facility) -> Sequence[FacilityEvent]:
    wanted = _wanted(command, facility)
    fault = shortage(facility, command)
    if fault is not None or wanted is None:
        assert fault is not None, "an asset without a rate is a shortage"
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
    charges = charges_of(facility, wanted)
    return [
        HeadroomReserved(
            facility=command.facility,
            commitment=command.commitment,
            asset=command.asset,
            amount=command.amount,
            value_minor=wanted.value_minor,
            keys=tuple(sorted(charges)),
            warned=tuple(
                key
                for key in sorted(charges)
                if (limit := facility.limits.get(key)) and near(limit, facility.used_minor.get(key, 0) + charges[key])
            ),
            named=command.keys,
            guaranteed=command.guaranteed,
        )
    ]


def shortage(facility: Facility, command: ReserveHeadroom) -> Refused[Reason] | None:
    """Why the facility cannot take the commitment; None: it can. Also to say so early, to whom proposes it."""
    if facility.id is None:
        return Refused(Reason.NOT_FOUND, f"there is no facility {command.facility}", "/facility")
    if command.commitment in facility.commitments:
        return Refused(Reason.COMMITTED_ALREADY, f"{command.commitment} has its headroom already")
    wanted = _wanted(command, facility)
    if wanted is None:
        known = ", ".join([facility.currency, *sorted(facility.rates)])
        return Refused(Reason.RATE_MISSING, f"no rate of {command.asset} in {facility.currency} is recorded", "/currency", known)
    for key, value in sorted(charges_of(facility, wanted).items()):
        limit = facility.limits.get(key)
        used = facility.used_minor.get(key, 0)
        if limit is not None and used + value > limit.limit_minor:
            left = max(0, limit.limit_minor - used)
            detail = f"{value} would exceed the limit of {key}: {used} of {limit.limit_minor} are committed"
            return Refused(Reason.LIMIT_EXCEEDED, detail, "/commitment_minor", f"at most {left} {facility.currency} minor units")
    return None


def _wanted(command: ReserveHeadroom, facility: Facility) -> Commitment | None:
    value = value_of(facility, command.asset, command.amount)
    if value is None:
        return None
    keys = keys_above(facility, command.keys, with_groups=False)
    return Commitment(command.asset, command.amount, value, keys, command.guaranteed)


def release(command: ReleaseHeadroom, facility: Facility) -> Sequence[FacilityEvent]:
    commitment = facility.commitments.get(command.commitment)
    if facility.id is None or commitment is None:
        return []
    amount = commitment.amount if command.amount is None else min(command.amount, commitment.amount)
    if not amount:
        return []
    remaining = commitment.amount - amount
    rest = value_of(facility, commitment.asset, remaining)
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


def _set_group(command: SetGroup, facility: Facility) -> Sequence[FacilityEvent] | Refused[Reason]:
    """What exceeds a limit by it stays, and the event names it."""
    if facility.id is None:
        return _not_found()
    members = frozenset(command.members)
    if len(members) < len(command.members) or len(members) == 1 or len(members) > MAX_MEMBERS:
        accepted = f"2 to {MAX_MEMBERS}, each once; or none, to end the group"
        return Refused(Reason.GROUP_INVALID, "a group connects several", "/members", accepted)
    if members == facility.groups.get(command.group, frozenset()):
        return Refused(Reason.GROUP_UNCHANGED, f"{command.group} has these members already", "/members", "other members")
    after = with_group(facility, command.group, members)
    if len(after.groups) > MAX_GROUPS:
        return Refused(Reason.GROUP_INVALID, f"there are {MAX_GROUPS} groups already", "/group", "one of those")
    return [
        GroupSet(
            facility=facility.id,
            group=command.group,
            members=tuple(sorted(members)),
            committed_minor=after.used_minor.get(group_key(command.group), 0),
            over=over(after),
            reason=command.reason,
        )
    ]


def evolve(facility: Facility, event: FacilityEvent | AuthorityCited) -> Facility:
    match event:
        case FacilityOpened():
            return msgspec.structs.replace(facility, id=event.facility, currency=event.currency, limits=by_key(event.limits))
        case LimitsSet():
            return with_limits(facility, event.limits)
        case GroupSet():
            return with_group(facility, event.group, event.members)
        case RateRecorded():
            quoted_on = facility.quoted_on.set(event.asset, event.quoted_on)
            return msgspec.structs.replace(revalued(facility, event.asset, event.rate), quoted_on=quoted_on)
        case HeadroomReserved():
            # Builds before there were groups did not say which keys were named: all of them were above those, or named.
            keys = keys_above(facility, event.named or event.keys, with_groups=False)
            commitment = Commitment(event.asset, event.amount, event.value_minor, keys, event.guaranteed)
            return committed(facility, event.commitment, commitment)
        case HeadroomRefused() | AuthorityCited():
            return facility
        case BorrowerDefaulted(commitment=told):
            return msgspec.structs.replace(facility, defaulted=facility.defaulted - {told} if event.ended else facility.defaulted | {told})
        case HeadroomReleased():
            before = facility.commitments[event.commitment]
            after = msgspec.structs.replace(before, amount=event.remaining, value_minor=before.value_minor - event.value_minor)
            return committed(facility, event.commitment, after if event.remaining else None)
        case _:
            assert_never(event)


def _fault(limits: Sequence[Limit]) -> Refused[Reason] | None:
    fault = fault_of_limits(limits)
    return None if fault is None else Refused(Reason.LIMITS_INVALID, *fault)


def _not_found() -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, "there is no such facility")


DECIDER = Decider(kind="facility", initial=Facility(), commands=Command, decide=decide, evolve=evolve)
