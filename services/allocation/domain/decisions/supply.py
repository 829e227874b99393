"""Supply: the pools that a round offers. Lots that the same requests may have are one pool, and so are rights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from services.allocation.domain.book.state import Book, Round
from services.allocation.domain.decisions.decision import PublishedPool
from services.allocation.domain.decisions.eligibility import (
    Asked,
    Asks,
    Source,
    Stock,
    barred_for_all,
    everything_stopped,
    profiles_of,
    sources_of_lots,
    sources_of_rights,
    stopped_on,
)
from services.allocation.domain.decisions.holdings import Barred, Beside, Held, Holdings, Profile, Units
from services.allocation.domain.decisions.proposal import Offer
from services.allocation.events import RequestId


class _Pool(msgspec.Struct):
    kind: Literal["lots", "rights"]
    eligible: int
    sources: list[Source]
    units: Counter[int]
    listed: bool = True  # False: also of lots that are not known one by one, so that its lots are those that no other pool names


def asked_in(book: Book, round: Round) -> list[Asked]:
    """What the requests of a round ask of a lot."""
    found = ((request_id, book.requests[request_id]) for request_id in sorted(round.requests))
    return [
        Asked(
            request=request_id,
            partner=request.partner,
            needed_by=request.needed_by,
            excluded_origins=request.excluded_origins,
            least_contents=request.least_contents,
            lent=request.return_on is not None,
        )
        for request_id, request in found
    ]


def offer_from(stock: Stock, asked: Sequence[Asked], supply_g: int, on: date) -> Offer:
    """The pools that make up at most `supply_g`, in whole units: those first that the fewest requests may have, lots before rights.

    What earlier releases have reserved of no lot in particular is taken off the pools that most may have, and so is protected stock, since
    the others are offered first.
    """
    asks, profiles = profiles_of(stock, asked, on)
    everyone = (1 << len(asks)) - 1
    weight = [len(requests) for requests in profiles]
    sources = [*sources_of_lots(stock, asks, on), *sources_of_rights(stock, asks, on)]
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
    return _offer(stock, offered, sources, profiles, everyone, usable, pinned=_is_choosy(asks, sources, everyone))


def _is_choosy(asks: Sequence[Asks], sources: Sequence[Source], everyone: int) -> bool:
    """Whether a release of this round must be of particular lots. Where a request asks for anything it must, though all lots would do
    today: another may be taken in before it is drawn."""
    divided = any(source.kind == "lots" and not source.barred and source.eligible != everyone for source in sources)
    return divided or any(each.excluded or each.least for each in asks)


def _weight(eligible: int, weight: Sequence[int]) -> int:
    return sum(requests for place, requests in enumerate(weight) if eligible >> place & 1)


def _pools(stock: Stock, sources: Sequence[Source], asks: Sequence[Asks], on: date) -> list[_Pool]:
    found: dict[tuple[Literal["lots", "rights"], int], _Pool] = {}
    for source in sources:
        if source.eligible:
            pool = found.setdefault((source.kind, source.eligible), _Pool(source.kind, source.eligible, [], Counter()))
            pool.sources.append(source)
            for units in source.units:
                pool.units.update(units)
    if (unlisted := _unlisted(stock)) and not everything_stopped(stopped_on(stock, on)):
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
    stopped = stopped_on(stock, on)
    usable = Counter(dict(stock.free_units))
    for lot in stock.lots:
        if barred_for_all(lot, stopped, on) is not None:
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
    sources: Sequence[Source],
    profiles: Sequence[Sequence[RequestId]],
    everyone: int,
    usable: Mapping[int, int],
    *,
    pinned: bool,
) -> Offer:
    named = {"lots": 0, "rights": 0}
    pools: list[PublishedPool] = []
    pool_of: dict[int, str] = {}  # id of a source -> its pool
    lots: dict[str, tuple[str, ...]] = {}
    for pool, units in offered:
        named[pool.kind] += 1
        name = pool.kind if named[pool.kind] == 1 else f"{pool.kind}_{named[pool.kind]}"
        restricted = "" if pool.eligible == everyone else _words(pool)
        pools.append(PublishedPool(pool=name, kind=pool.kind, restricted=restricted, offered=units))
        pool_of |= {id(source): name for source in pool.sources}
        if pool.kind == "lots" and pinned:
            lots[name] = tuple(lot for source in pool.sources for lot in source.names) if pool.listed else ()
    if not pools:
        pools.append(PublishedPool(pool="rights", kind="rights", restricted="", offered=(Units(unit_g=stock.nominal_unit_g, units=0),)))
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
        beside=_beside(stock, sources),
    )
    return Offer(pools=tuple(pools), eligible=eligible, holdings=holdings, lots=lots)


def _beside(stock: Stock, sources: Sequence[Source]) -> Beside:
    known = Counter[int]()
    for lot in stock.lots:
        known[lot.unit_g] += lot.units
    held_g = sum(
        unit_g * count for source in sources if source.kind == "rights" for units in source.units for unit_g, count in units.items()
    )
    return Beside(
        unlisted=_units(_unlisted(stock)),
        reserved=_units(+Counter({unit_g: units - stock.free_units.get(unit_g, 0) for unit_g, units in known.items()})),
        rights_rest_g=sum(right.mass_g for right in stock.rights) - held_g,
        rights_reserved_g=stock.reserved_rights_g,
    )


def _units(counts: Mapping[int, int]) -> tuple[Units, ...]:
    return tuple(Units(unit_g=unit_g, units=counts[unit_g]) for unit_g in sorted(counts, reverse=True))


def _words(pool: _Pool) -> str:
    """ "of origin CN; Sb 0.9965", of at most 400 characters."""
    if not pool.listed:
        return "of lots of which no origin or assay is known here"
    traits = sorted({source.trait for source in pool.sources if source.trait})
    words = "; ".join(traits) or "not for everyone"
    return words if len(words) <= 400 else f"{words[:397]}..."


def _barred(sources: Sequence[Source]) -> list[Barred]:
    barred = []
    for source in sources:
        if not source.eligible and len(set(source.faults)) == 1 and source.faults[0] is not None:
            barred.append(Barred(sources=source.names, profile=None, why=source.faults[0]))
            continue
        for place, fault in enumerate(source.faults, 1):
            if fault is not None:
                barred.append(Barred(sources=source.names, profile=f"p{place}", why=fault))
    return barred
