"""Supply: which lots and rights each request of a round may have, and the pools that a round therefore offers.

A lot is for a request if it is of no origin that the request excludes, contains what the request asks for, may still be drawn on the day it
is needed, and nothing stops it. A firm right is for a request if its deliveries begin by the day that the request is needed by; for a loan
it never is, since what is lent comes back. Lots that the same requests may have are one pool, and so are rights.

Requests that ask for the same are one profile, so that the work is that of profiles and kinds of lots, however many requests there are.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from services.allocation.domain.decision import Barred, Held, Holdings, Pool, Profile, Units
from services.allocation.domain.proposal import Offer
from services.allocation.events import PartnerCode, RequestId


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot in specification. `units`: in stock, and pinned to no release."""

    lot: str
    depot: str
    unit_g: int
    units: int
    origin: str
    contents: Mapping[str, str]  # element -> share of the mass, a decimal or rational string
    expires_on: date | None


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A firm right that is open."""

    right: str
    mass_g: int
    window_from: date | None  # None: not known, so it is for everyone
    window_to: date


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A hold."""

    scope: Literal["lot", "product", "partner", "depot", "all"]
    target: str | None
    expires_on: date | None  # inclusive


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a product. `free_units`: of lots by size, neither reserved nor pinned by any release; of these, the lots that were
    taken in before they were followed one by one are not among `lots`."""

    nominal_unit_g: int
    lots: Sequence[Lot]
    rights: Sequence[Right]
    stops: Sequence[Stop]
    free_units: Mapping[int, int]
    reserved_rights_g: int
    protected_g: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of a lot."""

    request: RequestId
    partner: PartnerCode
    needed_by: date
    excluded_origins: tuple[str, ...] = ()
    least_contents: Mapping[str, str] = {}  # element -> share of the mass
    lent: bool = False


class _Asks(msgspec.Struct, frozen=True):
    """A profile. Of `needed_by` only that counts which separates lots or rights."""

    excluded: frozenset[str]  # casefolded
    least: tuple[tuple[str, Fraction], ...]
    lent: bool
    held: bool  # a hold is on the partner
    needed_after: int  # how many of the lots' last days are before the day
    reaches: int  # how many of the rights' first days are not after it


class _Source(msgspec.Struct, frozen=True):
    """Lots, or rights, that differ in nothing that a request may ask for. `eligible`: bit n: the profile n may have of it."""

    names: tuple[str, ...]
    kind: Literal["lots", "rights"]
    units: tuple[Counter[int], ...]  # of each name: size -> units
    trait: str  # what restricts it, for everyone to read
    faults: tuple[str | None, ...]  # by profile, why not
    eligible: int


class _Pool(msgspec.Struct):
    kind: Literal["lots", "rights"]
    eligible: int
    sources: list[_Source]
    units: Counter[int]
    listed: bool = True  # False: also of lots that are not known one by one, so that its lots are those that no other pool names


def offer_from(stock: Stock, asked: Sequence[Asked], supply_g: int, on: date) -> Offer:
    """The pools that make up at most `supply_g`, in whole units: those first that the fewest requests may have, lots before rights.

    What earlier releases have reserved of no lot in particular is taken off the pools that most may have, and so is protected stock, since
    the others are offered first.
    """
    asks, profiles = _profiles(stock, asked, on)
    everyone = (1 << len(asks)) - 1
    weight = [len(requests) for requests in profiles]
    sources = [*_sources_of_lots(stock, asks, on), *_sources_of_rights(stock, asks, on)]
    pools = sorted(_pools(stock, sources, asks, on), key=lambda pool: (pool.kind, _weight(pool.eligible, weight), pool.eligible))
    usable = _usable(stock, on)
    _reserve(pools, usable, stock)
    spare_g = max(0, sum(unit_g * units for unit_g, units in usable.items()) - stock.protected_g)
    offered: list[tuple[_Pool, tuple[Units, ...]]] = []
    rest_g = supply_g
    for pool in pools:
        units = []
        for unit_g in sorted(pool.units, reverse=True):
            most_g = min(rest_g, spare_g) if pool.kind == "lots" else rest_g
            if count := min(most_g // unit_g, pool.units[unit_g]):
                units.append(Units(unit_g=unit_g, units=count))
                rest_g -= count * unit_g
                spare_g -= count * unit_g if pool.kind == "lots" else 0
        if units:
            offered.append((pool, tuple(units)))
    return _offer(stock, offered, sources, profiles, everyone, usable)


def _profiles(stock: Stock, asked: Sequence[Asked], on: date) -> tuple[list[_Asks], list[list[RequestId]]]:
    """What is asked for, and by which requests."""
    last_days = sorted({lot.expires_on for lot in stock.lots if lot.expires_on is not None})
    first_days = sorted({right.window_from for right in stock.rights if right.window_from is not None})
    held = {stop.target for stop in _stops(stock, on) if stop.scope == "partner"}
    seen: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], tuple[frozenset[str], tuple[tuple[str, Fraction], ...]]] = {}
    found: dict[_Asks, list[RequestId]] = {}
    for each in asked:
        spelled = (each.excluded_origins, tuple(sorted(each.least_contents.items())))
        if (meant := seen.get(spelled)) is None:
            excluded = frozenset(origin.casefold() for origin in each.excluded_origins)
            meant = seen[spelled] = (excluded, tuple((element, Fraction(share)) for element, share in spelled[1]))
        asks = _Asks(
            *meant,
            lent=each.lent,
            held=each.partner in held,
            needed_after=bisect_left(last_days, each.needed_by),
            reaches=bisect_right(first_days, each.needed_by),
        )
        found.setdefault(asks, []).append(each.request)
    return list(found), list(found.values())


def _stops(stock: Stock, on: date) -> list[Stop]:
    return [stop for stop in stock.stops if stop.expires_on is None or on <= stop.expires_on]


def _stopped(stock: Stock, on: date) -> frozenset[tuple[str, str | None]]:
    return frozenset((stop.scope, stop.target) for stop in _stops(stock, on))


def _everything_stopped(stopped: frozenset[tuple[str, str | None]]) -> bool:
    return any(scope in ("all", "product") for scope, _ in stopped)


def _barred_for_all(lot: Lot, stopped: frozenset[tuple[str, str | None]], on: date) -> str | None:
    """Why a lot is for nobody."""
    if lot.expires_on is not None and lot.expires_on < on:
        return f"expired on {lot.expires_on}"
    if _everything_stopped(stopped) or ("lot", lot.lot) in stopped or ("depot", lot.depot) in stopped:
        return "on hold"
    return None


def _sources_of_lots(stock: Stock, asks: Sequence[_Asks], on: date) -> list[_Source]:
    stopped = _stopped(stock, on)
    last_days = sorted({lot.expires_on for lot in stock.lots if lot.expires_on is not None})
    alike: dict[tuple[str | None, str, tuple[tuple[str, str], ...], date | None], list[Lot]] = {}
    for lot in stock.lots:
        if lot.units:
            kind = (_barred_for_all(lot, stopped, on), lot.origin, tuple(sorted(lot.contents.items())), lot.expires_on)
            alike.setdefault(kind, []).append(lot)
    sources = []
    for (barred, origin, contents, expires_on), lots in alike.items():
        shares = {element: Fraction(share) for element, share in contents}
        last = None if expires_on is None else bisect_left(last_days, expires_on)
        faults = [barred or _fault_of_lot(each, origin, dict(contents), shares, expires_on, last) for each in asks]
        sources.append(
            _Source(
                names=tuple(lot.lot for lot in lots),
                kind="lots",
                units=tuple(Counter({lot.unit_g: lot.units}) for lot in lots),
                trait=_trait_of_lots(asks, faults, origin, contents, expires_on),
                faults=tuple(faults),
                eligible=_eligible(faults),
            )
        )
    return sources


def _fault_of_lot(
    asks: _Asks, origin: str, contents: Mapping[str, str], shares: Mapping[str, Fraction], expires_on: date | None, last: int | None
) -> str | None:
    """Why a lot of this origin and content is not for requests of this profile."""
    if asks.held:
        return "the partner is on hold"
    if origin.casefold() in asks.excluded:
        return f"origin {origin} excluded"
    for element, least in asks.least:
        if shares.get(element, Fraction(-1)) < least:
            return f"{element} {contents[element]} < {_decimal(least)}" if element in contents else f"{element} is not assayed"
    if last is not None and last < asks.needed_after:
        return f"expires on {expires_on}, before it is needed"
    return None


def _trait_of_lots(
    asks: Sequence[_Asks], faults: Sequence[str | None], origin: str, contents: Sequence[tuple[str, str]], expires_on: date | None
) -> str:
    """What of these lots keeps some from having them, in words that tell nothing of who they are."""
    told = []
    refused = [each for each, fault in zip(asks, faults, strict=True) if fault is not None]
    if any(origin.casefold() in each.excluded for each in refused):
        told.append(f"of origin {origin}")
    asked_for = {element for each in refused for element, _ in each.least}
    told += [f"{element} {share}" for element, share in contents if element in asked_for]
    if expires_on is not None and any(fault is not None and fault.startswith("expires") for fault in faults):
        told.append(f"expires on {expires_on}")
    return ", ".join(told)


def _sources_of_rights(stock: Stock, asks: Sequence[_Asks], on: date) -> list[_Source]:
    stopped = _everything_stopped(_stopped(stock, on))
    first_days = sorted({right.window_from for right in stock.rights if right.window_from is not None})
    alike: dict[date | None, list[Right]] = {}
    for right in sorted(stock.rights, key=lambda right: (right.window_to, right.right)):
        if right.window_to >= on and right.mass_g >= stock.nominal_unit_g:
            alike.setdefault(right.window_from, []).append(right)
    sources = []
    for window_from, rights in alike.items():
        first = -1 if window_from is None else bisect_left(first_days, window_from)
        faults = ["on hold" if stopped else _fault_of_right(each, window_from, first) for each in asks]
        told = [f"delivered from {window_from}"] if any(fault is not None and "delivered" in fault for fault in faults) else []
        told += ["not lent"] if any(each.lent for each in asks) else []
        sources.append(
            _Source(
                names=tuple(right.right for right in rights),
                kind="rights",
                units=tuple(Counter({stock.nominal_unit_g: right.mass_g // stock.nominal_unit_g}) for right in rights),
                trait=", ".join(told),
                faults=tuple(faults),
                eligible=_eligible(faults),
            )
        )
    return sources


def _fault_of_right(asks: _Asks, window_from: date | None, first: int) -> str | None:
    if asks.held:
        return "the partner is on hold"
    if asks.lent:
        return "a right is not lent"
    if first >= asks.reaches:
        return f"delivered from {window_from}, after it is needed"
    return None


def _eligible(faults: Sequence[str | None]) -> int:
    return sum(1 << place for place, fault in enumerate(faults) if fault is None)


def _weight(eligible: int, weight: Sequence[int]) -> int:
    return sum(requests for place, requests in enumerate(weight) if eligible >> place & 1)


def _pools(stock: Stock, sources: Sequence[_Source], asks: Sequence[_Asks], on: date) -> list[_Pool]:
    found: dict[tuple[Literal["lots", "rights"], int], _Pool] = {}
    for source in sources:
        if source.eligible:
            pool = found.setdefault((source.kind, source.eligible), _Pool(source.kind, source.eligible, [], Counter()))
            pool.sources.append(source)
            for units in source.units:
                pool.units.update(units)
    if (unlisted := _unlisted(stock)) and not _everything_stopped(_stopped(stock, on)):
        undemanding = sum(1 << place for place, each in enumerate(asks) if not (each.excluded or each.least or each.held))
        if undemanding:
            pool = found.setdefault(("lots", undemanding), _Pool("lots", undemanding, [], Counter()))
            pool.units.update(unlisted)
            pool.listed = False
    return list(found.values())


def _unlisted(stock: Stock) -> Counter[int]:
    """Free units that no known lot accounts for: only those may have of them who ask for nothing of a lot."""
    known: Counter[int] = Counter()
    for lot in stock.lots:
        known[lot.unit_g] += lot.units
    return +Counter({unit_g: units - known[unit_g] for unit_g, units in stock.free_units.items()})


def _usable(stock: Stock, on: date) -> Counter[int]:
    """Units by size that inventory would release: free, not expired, on no hold of their lot or depot."""
    stopped = _stopped(stock, on)
    usable = Counter(dict(stock.free_units))
    for lot in stock.lots:
        if _barred_for_all(lot, stopped, on) is not None:
            usable[lot.unit_g] -= lot.units
    return +usable


def _reserve(pools: Sequence[_Pool], usable: Mapping[int, int], stock: Stock) -> None:
    """Take off what releases that are pinned to nothing have reserved, from the pools that most may have."""
    there: Counter[int] = Counter()
    for pool in pools:
        if pool.kind == "lots":
            there.update(pool.units)
    for unit_g in there:
        _take_off([pool for pool in pools if pool.kind == "lots"], unit_g, there[unit_g] - usable.get(unit_g, 0))
    _take_off([pool for pool in pools if pool.kind == "rights"], stock.nominal_unit_g, -(-stock.reserved_rights_g // stock.nominal_unit_g))


def _take_off(pools: Sequence[_Pool], unit_g: int, units: int) -> None:
    for pool in reversed(pools):
        taken = min(max(units, 0), pool.units[unit_g])
        pool.units[unit_g] -= taken
        units -= taken


def _offer(
    stock: Stock,
    offered: Sequence[tuple[_Pool, tuple[Units, ...]]],
    sources: Sequence[_Source],
    profiles: Sequence[Sequence[RequestId]],
    everyone: int,
    usable: Mapping[int, int],
) -> Offer:
    named = {"lots": 0, "rights": 0}
    pools: list[Pool] = []
    pool_of: dict[int, str] = {}  # id of a source -> its pool
    lots: dict[str, tuple[str, ...]] = {}
    for pool, units in offered:
        named[pool.kind] += 1
        name = pool.kind if named[pool.kind] == 1 else f"{pool.kind}_{named[pool.kind]}"
        restricted = "" if pool.eligible == everyone else _words(pool)
        pools.append(Pool(pool=name, kind=pool.kind, restricted=restricted, offered=units))
        pool_of |= {id(source): name for source in pool.sources}
        if pool.kind == "lots":
            lots[name] = tuple(lot for source in pool.sources for lot in source.names) if pool.listed else ()
    if all(pool.eligible == everyone for pool, _ in offered if pool.kind == "lots") and len(lots) < 2:
        lots = {}  # everyone may have any of them
    if not pools:
        pools.append(Pool(pool="rights", kind="rights", restricted="", offered=(Units(unit_g=stock.nominal_unit_g, units=0),)))
    eligible: dict[RequestId, tuple[str, ...]] = {}
    for place, requests in enumerate(profiles):
        own = tuple(told.pool for told, (pool, _) in zip(pools, offered, strict=False) if pool.eligible >> place & 1)
        if len(own) < len(offered):
            eligible |= dict.fromkeys(requests, own)
    available_g = sum(unit_g * units for unit_g, units in usable.items()) + max(
        0, sum(right.mass_g for right in stock.rights) - stock.reserved_rights_g
    )
    holdings = Holdings(
        available_g=available_g,
        protected_g=stock.protected_g,
        held=tuple(
            Held(source=name, pool=pool_of.get(id(source)), unit_g=unit_g, units=count)
            for source in sources
            for name, units in zip(source.names, source.units, strict=True)
            for unit_g, count in units.items()
        ),
        profiles=tuple(Profile(profile=f"p{place}", requests=tuple(sorted(requests))) for place, requests in enumerate(profiles, 1)),
        barred=tuple(_barred(sources)),
    )
    return Offer(pools=tuple(pools), eligible=eligible, holdings=holdings, lots=lots)


def _words(pool: _Pool) -> str:
    """ "of origin CN; Sb 0.9965", of at most 400 characters."""
    if not pool.listed:
        return "of lots of which no origin or assay is known here"
    traits = sorted({source.trait for source in pool.sources if source.trait})
    words = "; ".join(traits) or "not for everyone"
    return words if len(words) <= 400 else f"{words[:397]}..."


def _barred(sources: Sequence[_Source]) -> list[Barred]:
    barred = []
    for source in sources:
        if not source.eligible and len(set(source.faults)) == 1 and source.faults[0] is not None:
            barred.append(Barred(sources=source.names, profile=None, why=source.faults[0]))
            continue
        for place, fault in enumerate(source.faults, 1):
            if fault is not None:
                barred.append(Barred(sources=source.names, profile=f"p{place}", why=fault))
    return barred


def _decimal(value: Fraction) -> str:
    """As a decimal where it has one: 0.9985."""
    digits = 0
    while digits < 12 and (value * 10**digits).denominator != 1:
        digits += 1
    scaled = value * 10**digits
    if scaled.denominator != 1:
        return str(value)
    text = f"{scaled.numerator:0{digits + 1}d}"
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text
