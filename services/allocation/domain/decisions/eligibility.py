"""Eligibility: which lots and rights of a product each request of a round may have, and why not the others.

A lot is for a request if it is of no origin that the request excludes, contains what the request asks for, may still be drawn on the day it
is needed, and nothing stops it. A firm right is for a request if its deliveries begin by the day that the request is needed by; for a loan
it never is, since what is lent comes back.

Requests that ask for the same are one profile, so that the work is that of profiles and kinds of lots, however many requests there are.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from services.allocation.events import PartnerCode, RequestId

_COUNTRY = re.compile("[A-Za-z]{2}")  # ISO 3166-1 alpha-2, as requests exclude them; a lot may say where it is from in other words


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


class Asks(msgspec.Struct, frozen=True):
    """A profile. Of `needed_by` only that counts which separates lots or rights."""

    excluded: frozenset[str]  # casefolded
    least: tuple[tuple[str, Fraction], ...]
    lent: bool
    held: bool  # a hold is on the partner
    needed_after: int  # how many of the lots' last days are before the day
    reaches: int  # how many of the rights' first days are not after it


class Source(msgspec.Struct, frozen=True):
    """Lots, or rights, that differ in nothing that a request may ask for. `eligible`: bit n: the profile n may have of it."""

    names: tuple[str, ...]
    kind: Literal["lots", "rights"]
    units: tuple[Counter[int], ...]  # of each name: size -> units
    trait: str  # what restricts it, for everyone to read
    faults: tuple[str | None, ...]  # by profile, why not
    eligible: int
    barred: bool = False  # for everyone, since it is on hold or has expired


def profiles_of(stock: Stock, asked: Sequence[Asked], on: date) -> tuple[list[Asks], list[list[RequestId]]]:
    """What is asked for, and by which requests."""
    last_days = sorted({lot.expires_on for lot in stock.lots if lot.expires_on is not None})
    first_days = sorted({right.window_from for right in stock.rights if right.window_from is not None})
    held = {stop.target for stop in _stops(stock, on) if stop.scope == "partner"}
    seen: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], tuple[frozenset[str], tuple[tuple[str, Fraction], ...]]] = {}
    found: dict[Asks, list[RequestId]] = {}
    for each in asked:
        spelled = (each.excluded_origins, tuple(sorted(each.least_contents.items())))
        if (meant := seen.get(spelled)) is None:
            excluded = frozenset(origin.casefold() for origin in each.excluded_origins)
            meant = seen[spelled] = (excluded, tuple((element, Fraction(share)) for element, share in spelled[1]))
        asks = Asks(
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


def stopped_on(stock: Stock, on: date) -> frozenset[tuple[str, str | None]]:
    return frozenset((stop.scope, stop.target) for stop in _stops(stock, on))


def everything_stopped(stopped: frozenset[tuple[str, str | None]]) -> bool:
    return any(scope in ("all", "product") for scope, _ in stopped)


def barred_for_all(lot: Lot, stopped: frozenset[tuple[str, str | None]], on: date) -> str | None:
    """Why a lot is for nobody."""
    if lot.expires_on is not None and lot.expires_on < on:
        return f"expired on {lot.expires_on}"
    if everything_stopped(stopped) or ("lot", lot.lot) in stopped or ("depot", lot.depot) in stopped:
        return "on hold"
    return None


def sources_of_lots(stock: Stock, asks: Sequence[Asks], on: date) -> list[Source]:
    stopped = stopped_on(stock, on)
    last_days = sorted({lot.expires_on for lot in stock.lots if lot.expires_on is not None})
    alike: dict[tuple[str | None, str, tuple[tuple[str, str], ...], date | None], list[Lot]] = {}
    for lot in stock.lots:
        if lot.units:
            kind = (barred_for_all(lot, stopped, on), lot.origin, tuple(sorted(lot.contents.items())), lot.expires_on)
            alike.setdefault(kind, []).append(lot)
    sources = []
    for (barred, origin, contents, expires_on), lots in alike.items():
        shares = {element: Fraction(share) for element, share in contents}
        last = None if expires_on is None else bisect_left(last_days, expires_on)
        faults = [barred or _fault_of_lot(each, origin, dict(contents), shares, expires_on, last) for each in asks]
        sources.append(
            Source(
                names=tuple(lot.lot for lot in lots),
                kind="lots",
                units=tuple(Counter({lot.unit_g: lot.units}) for lot in lots),
                trait=_trait_of_lots(asks, faults, origin, contents, expires_on),
                faults=tuple(faults),
                eligible=_eligible(faults),
                barred=barred is not None,
            )
        )
    return sources


def _fault_of_lot(
    asks: Asks, origin: str, contents: Mapping[str, str], shares: Mapping[str, Fraction], expires_on: date | None, last: int | None
) -> str | None:
    """Why a lot of this origin and content is not for requests of this profile."""
    if asks.held:
        return "the partner is on hold"
    if origin.casefold() in asks.excluded:
        return f"origin {origin} excluded"
    if asks.excluded and not _COUNTRY.fullmatch(origin):
        return f"origin {origin} is no country's code, and some are excluded"
    for element, least in asks.least:
        if shares.get(element, Fraction(-1)) < least:
            return f"{element} {contents[element]} < {_decimal(least)}" if element in contents else f"{element} is not assayed"
    if last is not None and last < asks.needed_after:
        return f"expires on {expires_on}, before it is needed"
    return None


def _trait_of_lots(
    asks: Sequence[Asks], faults: Sequence[str | None], origin: str, contents: Sequence[tuple[str, str]], expires_on: date | None
) -> str:
    """What of these lots keeps some from having them, in words that tell nothing of who they are."""
    told = []
    refused = [each for each, fault in zip(asks, faults, strict=True) if fault is not None]
    if any(each.excluded and (origin.casefold() in each.excluded or not _COUNTRY.fullmatch(origin)) for each in refused):
        told.append(f"of origin {origin}")
    asked_for = {element for each in refused for element, _ in each.least}
    told += [f"{element} {share}" for element, share in contents if element in asked_for]
    if expires_on is not None and any(fault is not None and fault.startswith("expires") for fault in faults):
        told.append(f"expires on {expires_on}")
    return ", ".join(told)


def sources_of_rights(stock: Stock, asks: Sequence[Asks], on: date) -> list[Source]:
    stopped = everything_stopped(stopped_on(stock, on))
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
            Source(
                names=tuple(right.right for right in rights),
                kind="rights",
                units=tuple(Counter({stock.nominal_unit_g: right.mass_g // stock.nominal_unit_g}) for right in rights),
                trait=", ".join(told),
                faults=tuple(faults),
                eligible=_eligible(faults),
            )
        )
    return sources


def _fault_of_right(asks: Asks, window_from: date | None, first: int) -> str | None:
    if asks.held:
        return "the partner is on hold"
    if asks.lent:
        return "a right is not lent"
    if first >= asks.reaches:
        return f"delivered from {window_from}, after it is needed"
    return None


def _eligible(faults: Sequence[str | None]) -> int:
    return sum(1 << place for place, fault in enumerate(faults) if fault is None)


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
