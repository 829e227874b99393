"""Contradictions of stock: lots and rights against the pools that are made of them, who may have of a pool against what bars its lots, and
what is available against what is held.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET

from services.allocation.domain.decisions.decision import FIRST_FORMAT, ONE_POOL, Claimant, DecisionTerms, PublishedPool
from services.allocation.domain.decisions.difference import Difference, NotCompared, contradiction
from services.allocation.domain.decisions.holdings import Beside, Held, Holdings

type Requests = frozenset[str]


def contradictions_of_stock(terms: DecisionTerms, holdings: Holdings, claimants: Sequence[Claimant]) -> list[Difference]:
    pools = terms.pools or ()
    bars = _Bars.of(holdings)
    found = [*_of_names(pools), *_of_held(pools, holdings)]
    if holdings.profiles:
        found += [*_of_profiles(holdings, claimants), *_of_barred(holdings), *_of_who_may_have(pools, holdings, bars, claimants)]
    return [*found, *_of_amounts(pools, holdings, bars)]


def stock_not_compared(terms: DecisionTerms, holdings: Holdings, claimants: Sequence[Claimant]) -> list[NotCompared]:
    found = [NotCompared("holdings/protected_g", "it stands in the policy and in inventory; that what is offered leaves it is compared")]
    if terms.format == FIRST_FORMAT:
        return [*found, NotCompared("holdings/available_g", "the lots are not in the file")]
    bars = _Bars.of(holdings)
    found.append(NotCompared("terms/pools/*/offered", "how much of it a round offers is the operator's; that there is as much is compared"))
    if any(pool.restricted for pool in terms.pools or ()):
        found.append(NotCompared("terms/pools/*/restricted", "words; that the pool is for some alone is compared"))
    if holdings.beside is UNSET:
        why = "what is reserved, and what no known lot accounts for, is not in the file"
        found += [NotCompared(f"holdings/{name}", why) for name in ("available_g", "held/*/units", "held/*/unit_g")]
    elif holdings.held and any(units < 0 for units in _usable(holdings, holdings.beside, bars).values()):
        found.append(NotCompared("holdings/beside", "more is on hold or reserved than is held"))
    if holdings.held:
        found.append(NotCompared("holdings/held/*/source", "which lots these are stands in inventory"))
    if not holdings.profiles:
        found += [
            NotCompared(where, "who asks for what is not in the file") for where in ("holdings/held/*/pool", "lines/*/claimant/pools")
        ]
        found += [NotCompared("lines/*/claimant/request", "it stands nowhere else in the file")]
        return found
    found.append(NotCompared("holdings/profiles", "what a request asks of a lot stands in the request; that each is in one is compared"))
    if unknown := {pool.pool for pool in terms.pools or ()} - {held.pool for held in holdings.held or ()}:
        found.append(NotCompared("lines/*/claimant/pools", f"no known lot is in {', '.join(sorted(unknown))}"))
    return found + _bars_not_compared(holdings, bars)


def _bars_not_compared(holdings: Holdings, bars: "_Bars") -> list[NotCompared]:
    found = [NotCompared("holdings/barred/*/why", "words; origin and content stand in inventory")] if holdings.barred else []
    offered = {held.source for held in holdings.held or () if held.pool is not None}
    for place, barred in enumerate(holdings.barred or ()):
        if not offered.issuperset(barred.sources):
            found.append(NotCompared(f"holdings/barred/{place}", "nothing of these is offered"))
    for place, held in enumerate(holdings.held or ()):
        if held.source in bars.stopped and _kind(held.source) == "lots":
            why = "it is on hold or expired, and so not available"
            found += [NotCompared(f"holdings/held/{place}/{name}", why) for name in ("units", "unit_g")]
    return found


class _Bars(msgspec.Struct, frozen=True):
    """`profiles`: that may not have of a source; None among them: nobody may. `stopped`: on hold, or expired."""

    profiles: Mapping[str, frozenset[str | None]]
    stopped: frozenset[str]

    @classmethod
    def of(cls, holdings: Holdings) -> "_Bars":
        by_source: defaultdict[str, set[str | None]] = defaultdict(set)
        for barred in holdings.barred or ():
            for source in barred.sources:
                by_source[source].add(barred.profile)
        for_all = [barred for barred in holdings.barred or () if barred.profile is None]
        return cls(
            {source: frozenset(profiles) for source, profiles in by_source.items()},
            frozenset(source for each in for_all if each.why == "on hold" or each.why.startswith("expired on ") for source in each.sources),
        )

    def of_source(self, source: str) -> frozenset[str | None]:
        return self.profiles.get(source, frozenset())


def _kind(source: str) -> Literal["lots", "rights"]:
    return "rights" if source.startswith("rgt_") else "lots"


def _of_names(pools: Sequence[PublishedPool]) -> Iterator[Difference]:
    for pool in pools:
        if pool.pool != ONE_POOL and pool.pool.split("_")[0] != pool.kind:
            yield contradiction("pool_of_another_kind", f"terms/pools/{pool.pool}/kind", pool.kind, "another kind", "its name")


def _of_held(pools: Sequence[PublishedPool], holdings: Holdings) -> Iterator[Difference]:
    kinds = {pool.pool: pool.kind for pool in pools}
    seen: set[tuple[str, int]] = set()
    for held in holdings.held or ():
        where = f"holdings/held/{held.source}"
        if (held.source, held.unit_g) in seen:
            yield contradiction("held_twice", where, held.units, "each size once", "another place in holdings/held")
        seen.add((held.source, held.unit_g))
        if held.pool is None:
            continue
        if held.pool not in kinds:
            yield contradiction("pool_unknown", f"{where}/pool", held.pool, list(kinds), "terms/pools")
        elif kinds[held.pool] != _kind(held.source):
            yield contradiction("pool_of_another_kind", f"{where}/pool", held.pool, f"a pool of {kinds[held.pool]}", "terms/pools")


def _of_profiles(holdings: Holdings, claimants: Sequence[Claimant]) -> Iterator[Difference]:
    profile_of: dict[str, str] = {}
    for place, profile in enumerate(holdings.profiles or (), 1):
        if profile.profile != f"p{place}":
            yield contradiction("profile_misnamed", "holdings/profiles", profile.profile, f"p{place}", "its place")
        for request in profile.requests:
            if (other := profile_of.setdefault(request, profile.profile)) != profile.profile:
                yield contradiction("profile_twice", f"holdings/profiles/{profile.profile}", request, request, f"profile {other}")
    requests = {each.request for each in claimants}
    if strangers := profile_of.keys() - requests:
        yield contradiction("profile_of_nobody", "holdings/profiles", sorted(strangers), None, "lines")
    if missing := requests - profile_of.keys():
        yield contradiction("profile_missing", "lines", sorted(missing), None, "holdings/profiles")


def _of_barred(holdings: Holdings) -> Iterator[Difference]:
    held = {held.source for held in holdings.held or ()}
    profiles = {profile.profile for profile in holdings.profiles or ()}
    seen: set[tuple[str, str | None]] = set()
    for place, barred in enumerate(holdings.barred or ()):
        where = f"holdings/barred/{place}"
        if strangers := set(barred.sources) - held:
            yield contradiction("barred_not_held", f"{where}/sources", sorted(strangers), None, "holdings/held")
        if barred.profile is not None and barred.profile not in profiles:
            yield contradiction("profile_unknown", f"{where}/profile", barred.profile, sorted(profiles), "holdings/profiles")
        again = [source for source in barred.sources if {(source, barred.profile), (source, None)} & seen]
        if again or len(set(barred.sources)) < len(barred.sources):
            yield contradiction("barred_twice", where, again or barred.sources, "each once", "holdings/barred")
        seen |= {(source, barred.profile) for source in barred.sources}


def _of_who_may_have(
    pools: Sequence[PublishedPool], holdings: Holdings, bars: _Bars, claimants: Sequence[Claimant]
) -> Iterator[Difference]:
    """Of a lot those may have whom nothing bars; of a pool, those whose lines say so. A pool's lots are for the same."""
    everyone = frozenset(each.request for each in claimants)
    having: defaultdict[str, set[str]] = defaultdict(set)
    for each in claimants:
        for name in each.pools or ():
            having[name].add(each.request)
    for pool in pools:
        if bool(pool.restricted) == (having[pool.pool] == everyone):
            stated = f"for {'some' if pool.restricted else 'all'}"
            yield contradiction("restriction_differs", f"terms/pools/{pool.pool}/restricted", stated, sorted(having[pool.pool]), "lines")
    pool_for: dict[tuple[str, Requests], str] = {
        (pool.kind, frozenset(having[pool.pool])): pool.pool for pool in pools if any(units.units for units in pool.offered)
    }
    alike: dict[tuple[frozenset[str | None], str | None, str], str] = {}  # the first of the sources of which the same is told
    for held in holdings.held or ():
        alike.setdefault((bars.of_source(held.source), held.pool, _kind(held.source)), held.source)
    for (barred, inside, kind), source in alike.items():
        fit, where = _fit(holdings, barred), f"holdings/held/{source}/pool"
        if inside is None:
            if fit and (other := pool_for.get((kind, fit))) is not None:
                yield contradiction("pool_differs", where, None, other, "who may have of it, by holdings/barred")
        elif wrong := sorted(fit ^ having[inside]):
            yield contradiction("pool_not_fit", where, inside, f"another, for {', '.join(wrong[:3])}", "holdings/barred and lines")


def _fit(holdings: Holdings, barred: frozenset[str | None]) -> Requests:
    if None in barred:
        return frozenset()
    return frozenset(request for profile in holdings.profiles or () if profile.profile not in barred for request in profile.requests)


def _of_amounts(pools: Sequence[PublishedPool], holdings: Holdings, bars: _Bars) -> Iterator[Difference]:
    offered: dict[str, Counter[int]] = {"lots": Counter(), "rights": Counter()}
    for pool in pools:
        offered[pool.kind].update({units.unit_g: units.units for units in pool.offered})
    lots_g, rights_g = _grams(offered["lots"]), _grams(offered["rights"])
    if lots_g + rights_g > holdings.available_g:
        yield contradiction("offered_beyond_available", "terms/pools", lots_g + rights_g, holdings.available_g, "holdings/available_g")
    elif lots_g and lots_g + rights_g > holdings.available_g - holdings.protected_g:
        left = f"{holdings.available_g} less {holdings.protected_g}"
        yield contradiction("protected_stock_offered", "terms/pools", lots_g + rights_g, left, "holdings/available_g and protected_g")
    if holdings.beside is UNSET or holdings.held is UNSET:
        return
    beside = holdings.beside
    yield from _beyond_held(pools, holdings.held, beside)
    usable = +_usable(holdings, beside, bars)
    rights = sum(held.unit_g * held.units for held in holdings.held if _kind(held.source) == "rights")
    free_rights_g = max(0, rights + beside.rights_rest_g - beside.rights_reserved_g)
    if (available_g := _grams(usable) + free_rights_g) != holdings.available_g:
        yield contradiction("available_differs", "holdings/available_g", holdings.available_g, available_g, "holdings/held and beside")
    for unit_g, units in offered["lots"].items():
        if units > usable[unit_g]:
            yield contradiction(
                "offered_beyond_available", f"terms/pools: of {unit_g} g", units, usable[unit_g], "holdings/held and beside"
            )
    if lots_g > max(0, _grams(usable) - holdings.protected_g):
        left = f"{_grams(usable)} less {holdings.protected_g}"
        yield contradiction("protected_stock_offered", "terms/pools", lots_g, left, "holdings/held and protected_g")
    if rights_g > free_rights_g:
        yield contradiction("offered_beyond_available", "terms/pools: rights", rights_g, free_rights_g, "holdings/held and beside")


def _beyond_held(pools: Sequence[PublishedPool], held: Sequence[Held], beside: Beside) -> Iterator[Difference]:
    """A pool offers no more of a size than its lots have, but for units that no known lot accounts for."""
    there: Counter[tuple[str | None, int]] = Counter()
    for each in held:
        there[each.pool, each.unit_g] += each.units
    unlisted = Counter({units.unit_g: units.units for units in beside.unlisted})
    for pool in pools:
        for units in pool.offered:
            beyond = units.units - there[pool.pool, units.unit_g]
            if beyond > (unlisted[units.unit_g] if pool.kind == "lots" else 0):
                where = f"terms/pools/{pool.pool}: of {units.unit_g} g"
                yield contradiction("offered_beyond_held", where, units.units, there[pool.pool, units.unit_g], "holdings/held")
            elif beyond > 0:
                unlisted[units.unit_g] -= beyond


def _usable(holdings: Holdings, beside: Beside, bars: _Bars) -> Counter[int]:
    """Units of lots that inventory would release, by size. Below 0: more is on hold or reserved than is there, and none is."""
    usable: Counter[int] = Counter()
    for held in holdings.held or ():
        if _kind(held.source) == "lots" and held.source not in bars.stopped:
            usable[held.unit_g] += held.units
    usable.update({units.unit_g: units.units for units in beside.unlisted})
    usable.subtract({units.unit_g: units.units for units in beside.reserved})
    return usable


def _grams(counts: Mapping[int, int]) -> int:
    return sum(unit_g * units for unit_g, units in counts.items())
