"""State of a facility: what is committed, and what each commitment is charged to.

A commitment is charged in full to the keys that it names, to all that is above them, and to the groups that any of these is a member of,
once each, however many ways lead there. To a guarantor it is charged with what is guaranteed, beside the borrower and not in its place: a
guarantee is called when the borrower has failed, so that both may be owed by one. Under a key where several guarantees meet, it is charged
with their sum, and never with more than all of it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from fractions import Fraction

import immutables
import msgspec

from services.loans.events.facility import CommitmentId, FacilityId, Guaranteed, Limit
from shared.terms.countersigning import ProposedCommand


class Commitment(msgspec.Struct, frozen=True, gc=False):
    asset: str
    amount: int
    value_minor: int
    keys: tuple[str, ...]  # that it names, and that are or were above them
    guaranteed: tuple[Guaranteed, ...] = ()


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
    groups: immutables.Map[str, frozenset[str]] = immutables.Map()  # group -> its members, as limits name them
    joined: immutables.Map[str, tuple[str, ...]] = immutables.Map()  # member -> the keys of its groups

    @property
    def root(self) -> str:
        return next(key for key, limit in self.limits.items() if limit.parent is None)


def group_key(group: str) -> str:
    return f"group/{group}"


def connected_with(facility: Facility, parties: Iterable[str]) -> tuple[str, ...]:
    """The other members of the groups that any of these parties is in."""
    own = {*parties}
    groups = [members for members in facility.groups.values() if not own.isdisjoint(members)]
    return tuple(sorted(frozenset().union(*groups) - own))


def keys_above(facility: Facility, keys: Iterable[str], *, with_groups: bool = True) -> tuple[str, ...]:
    """The named keys and all that is above them, each once. A key without a limit stands right below the root."""
    if not facility.limits:
        return ()
    found = {facility.root}
    waiting = [*keys]
    while waiting:
        if (key := waiting.pop()) in found:
            continue
        found.add(key)
        limit = facility.limits.get(key)
        if limit is not None and limit.parent is not None:
            waiting.append(limit.parent)
        if with_groups:
            waiting += facility.joined.get(key, ())
    return tuple(sorted(found))


def charges_of(facility: Facility, commitment: Commitment) -> Mapping[str, int]:
    """What it is charged to, and with how much."""
    charges = dict.fromkeys(keys_above(facility, commitment.keys), commitment.value_minor)
    for each in commitment.guaranteed:
        value = value_of(facility, commitment.asset, min(each.amount, commitment.amount))
        assert value is not None, "what is committed has a rate"
        for key in keys_above(facility, (each.key,)):
            charges[key] = min(charges.get(key, 0) + value, commitment.value_minor)
    return charges


def committed(facility: Facility, id: CommitmentId, commitment: Commitment | None) -> Facility:
    """With this one in place of what was committed under its id. None: nothing."""
    used = facility.used_minor
    if (before := facility.commitments.get(id)) is not None:
        used = _charged(used, charges_of(facility, before), -1)
    if commitment is None:
        return msgspec.structs.replace(facility, commitments=facility.commitments.delete(id), used_minor=used)
    used = _charged(used, charges_of(facility, commitment), 1)
    return msgspec.structs.replace(facility, commitments=facility.commitments.set(id, commitment), used_minor=used)


def revalued(facility: Facility, asset: str, rate: str) -> Facility:
    """At another rate of an asset."""
    held = {id: each for id, each in facility.commitments.items() if each.asset == asset}
    used = facility.used_minor
    for each in held.values():
        used = _charged(used, charges_of(facility, each), -1)
    valued = msgspec.structs.replace(facility, rates=facility.rates.set(asset, rate))
    commitments = facility.commitments
    for id, each in held.items():
        after = msgspec.structs.replace(each, value_minor=worth(each.amount, Fraction(rate)))
        used = _charged(used, charges_of(valued, after), 1)
        commitments = commitments.set(id, after)
    return msgspec.structs.replace(valued, commitments=commitments, used_minor=used)


def with_limits(facility: Facility, limits: Iterable[Limit]) -> Facility:
    """Another tree charges what is committed to other keys."""
    bare = msgspec.structs.replace(facility, limits=by_key(limits))
    commitments = facility.commitments
    for id, each in facility.commitments.items():
        keys = keys_above(bare, each.keys, with_groups=False)
        commitments = commitments.set(id, msgspec.structs.replace(each, keys=keys))
    return _recounted(msgspec.structs.replace(bare, commitments=commitments))


def with_group(facility: Facility, group: str, members: Collection[str]) -> Facility:
    """Other members, or none: what is committed is counted again."""
    groups = facility.groups.set(group, frozenset(members)) if members else facility.groups.delete(group)
    joined: dict[str, tuple[str, ...]] = {}
    for name in sorted(groups):
        for member in groups[name]:
            joined[member] = (*joined.get(member, ()), group_key(name))
    return _recounted(msgspec.structs.replace(facility, groups=groups, joined=immutables.Map(joined)))


def worth(amount: int, rate: Fraction) -> int:
    """The value of an amount, rounded up: headroom is never a cent short."""
    return -(-amount * rate.numerator // rate.denominator)


def value_of(facility: Facility, asset: str, amount: int) -> int | None:
    """In the facility's currency; None: the asset has no rate."""
    if asset == facility.currency:
        return amount
    rate = facility.rates.get(asset)
    return None if rate is None else worth(amount, Fraction(rate))


def over(facility: Facility) -> tuple[str, ...]:
    """The keys whose limits are exceeded."""
    return tuple(key for key, limit in sorted(facility.limits.items()) if facility.used_minor.get(key, 0) > limit.limit_minor)


def by_key(limits: Iterable[Limit]) -> immutables.Map[str, Limit]:
    return immutables.Map({limit.key: limit for limit in limits})


def _recounted(facility: Facility) -> Facility:
    used: immutables.Map[str, int] = immutables.Map()
    for each in facility.commitments.values():
        used = _charged(used, charges_of(facility, each), 1)
    return msgspec.structs.replace(facility, used_minor=used)


def _charged(used: immutables.Map[str, int], charges: Mapping[str, int], sign: int) -> immutables.Map[str, int]:
    changed = used.mutate()
    for key, value_minor in charges.items():
        changed[key] = changed.get(key, 0) + sign * value_minor
    return changed.finish()
