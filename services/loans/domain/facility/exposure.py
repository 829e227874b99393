"""Exposure: what is committed, owed, overdue and worth, by any dimension, with the limits that its facilities have on it.

What is in another asset than a facility's currency counts at the rate recorded last: what is committed or owed rounded up, what secures it
or is held rounded down. A position of several elements counts in full for each of them, as its commitment is charged to each: so rows by
element do not add up to the total. Nor do rows by group: whoever a position is owed by may be in several.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

from services.loans.domain.facility.limits import near
from services.loans.domain.facility.state import Facility, worth
from services.loans.events.facility import CommitmentId

type Dimension = Literal["partner", "project", "element", "instrument", "borrower", "facility", "group"]
type Instrument = Literal["loan", "equity", "material"]

NONE = "none"  # of a position that has no such thing: a material loan has no project


class Due(msgspec.Struct, frozen=True, gc=False):
    """To be paid or returned on a day, in the position's asset."""

    on: date
    amount: int


class Ratio(msgspec.Struct, frozen=True, gc=False):
    """A covenant's figure as it was reported last."""

    kind: str
    ratio: str
    minimum: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One loan, holding or material loan. Amounts are in its asset: minor units of a currency, or contained grams."""

    instrument: Instrument
    id: str
    facility: str
    asset: str  # "AUD", "contained/Sb"
    elements: tuple[str, ...]
    partner: str | None = None
    borrower: str | None = None  # or the company whose shares are held
    project: str | None = None
    committed: int = 0  # as its facility has reserved it
    undrawn: int = 0
    outstanding: int = 0  # owed; of a holding its cost
    overdue: int = 0
    value: int = 0  # of what is owed, less what is provided for; of a holding its last valuation
    security_minor: int | None = None  # in the facility's currency, after the haircut; None: not stated in money
    security_asset: str | None = None  # whose price the security follows, such as "contained/Sb"
    required_cover: str = "1"  # of what is outstanding
    undrawn_until: date | None = None  # the last day on which it can be drawn
    dues: tuple[Due, ...] = ()  # to come
    ratios: tuple[Ratio, ...] = ()


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    facility: str
    key: str
    limit_minor: int
    committed_minor: int
    headroom_minor: int  # below zero: revalued beyond it
    warned: bool  # at or beyond the share that warns


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """In the currency of the facilities."""

    positions: int = 0
    committed_minor: int = 0
    undrawn_minor: int = 0
    outstanding_minor: int = 0
    overdue_minor: int = 0
    value_minor: int = 0
    security_minor: int = 0


class ExposureRow(msgspec.Struct, frozen=True, kw_only=True):
    """One partner, project, ... and one currency. `contained_g`: what is owed in metal, by element."""

    key: str
    currency: str
    sums: Sums
    contained_g: dict[str, int]
    limits: tuple[LimitUse, ...]


class Valued(msgspec.Struct, frozen=True, gc=False):
    """A position, and what it comes to in the currency of its facility."""

    position: Exposure
    currency: str
    sums: Sums


def valued(positions: Iterable[Exposure], facilities: Mapping[str, Facility]) -> list[Valued]:
    """Each once, for all the rows that it will be in."""
    return [_valued(position, facilities[position.facility]) for position in positions]


def _valued(position: Exposure, facility: Facility) -> Valued:
    asset = position.asset
    sums = Sums(
        positions=1,
        committed_minor=in_currency(position.committed, facility, asset),
        undrawn_minor=in_currency(position.undrawn, facility, asset),
        outstanding_minor=in_currency(position.outstanding, facility, asset),
        overdue_minor=in_currency(position.overdue, facility, asset),
        value_minor=held_in_currency(position.value, facility, asset),
        security_minor=position.security_minor or 0,
    )
    return Valued(position, facility.currency, sums)


def exposures(positions: Iterable[Valued], facilities: Mapping[str, Facility], by: Dimension) -> list[ExposureRow]:
    """A row for each that has a position, or a limit."""
    grouped: dict[tuple[str, str], list[Valued]] = {}
    for each in positions:
        for key in keys_by(each.position, by, facilities[each.position.facility]):
            grouped.setdefault((key, each.currency), []).append(each)
    limits: dict[tuple[str, str], list[LimitUse]] = {}
    for use in limit_uses(facilities.values()):
        if (row := _key_of_limit(use, facilities[use.facility], by)) is not None:
            limits.setdefault((row, facilities[use.facility].currency), []).append(use)
    return [
        ExposureRow(
            key=key,
            currency=currency,
            sums=_added(grouped.get((key, currency), ())),
            contained_g=_contained(grouped.get((key, currency), ())),
            limits=tuple(limits.get((key, currency), ())),
        )
        for key, currency in sorted({*grouped, *limits})
    ]


def totals(positions: Iterable[Valued], facilities: Mapping[str, Facility]) -> dict[str, Sums]:
    """Each position once, by currency."""
    by_currency: dict[str, list[Valued]] = {facility.currency: [] for facility in facilities.values()}
    for each in positions:
        by_currency[each.currency].append(each)
    return {currency: _added(those) for currency, those in sorted(by_currency.items())}


def keys_by(position: Exposure, by: Dimension, facility: Facility) -> tuple[str, ...]:
    match by:
        case "group":
            return _groups_of(position, facility) or (NONE,)
        case "element":
            return position.elements or (NONE,)
        case "instrument":
            return (position.instrument,)
        case "facility":
            return (position.facility,)
        case "partner":
            return (position.partner or NONE,)
        case "project":
            return (position.project or NONE,)
        case "borrower":
            return (position.borrower or NONE,)


def _groups_of(position: Exposure, facility: Facility) -> tuple[str, ...]:
    """Those that whom it is owed by is in, or who is bound for it beside them."""
    named = {"borrower": position.borrower, "project": position.project, "partner": position.partner}
    parties = {f"{kind}/{name}" for kind, name in named.items() if name is not None}
    if (commitment := facility.commitments.get(CommitmentId(position.id))) is not None:
        parties.update(commitment.keys, (each.key for each in commitment.guaranteed))
    return tuple(sorted(group for group, members in facility.groups.items() if not members.isdisjoint(parties)))


def limit_uses(facilities: Iterable[Facility]) -> list[LimitUse]:
    """Every limit, and what it has left."""
    uses = []
    for facility in facilities:
        assert facility.id is not None
        for key, limit in sorted(facility.limits.items()):
            used = facility.used_minor.get(key, 0)
            uses.append(
                LimitUse(
                    facility=facility.id,
                    key=key,
                    limit_minor=limit.limit_minor,
                    committed_minor=used,
                    headroom_minor=limit.limit_minor - used,
                    warned=near(limit, used),
                )
            )
    return uses


def rate_of(facility: Facility, asset: str) -> Fraction:
    """Minor units of the facility's currency for one of the asset. Without a recorded rate nothing was committed in it: it is worth 0."""
    return _exact("1" if asset == facility.currency else facility.rates.get(asset, "0"))


_exact = lru_cache(maxsize=1_000)(Fraction)  # to read one takes longer than all else that is done with it


def in_currency(amount: int, facility: Facility, asset: str) -> int:
    """What is owed, rounded up."""
    return amount if asset == facility.currency else worth(amount, rate_of(facility, asset))


def held_in_currency(amount: int, facility: Facility, asset: str) -> int:
    """What is held, rounded down."""
    return amount if asset == facility.currency else int(amount * rate_of(facility, asset))


def _added(positions: Sequence[Valued]) -> Sums:
    return Sums(**{name: sum(getattr(each.sums, name) for each in positions) for name in Sums.__struct_fields__})


def security_shortfall(position: Exposure, facility: Facility) -> int | None:
    """By how much what secures it covers less than it must. None: its security is not stated in money."""
    if position.security_minor is None:
        return None
    needed = worth(in_currency(position.outstanding, facility, position.asset), _exact(position.required_cover))
    return max(0, needed - position.security_minor)


def _contained(positions: Iterable[Valued]) -> dict[str, int]:
    grams: dict[str, int] = {}
    for each in positions:
        if each.position.asset.startswith("contained/"):
            element = each.position.asset.removeprefix("contained/")
            grams[element] = grams.get(element, 0) + each.position.outstanding
    return grams


def _key_of_limit(use: LimitUse, facility: Facility, by: Dimension) -> str | None:
    """The row that a limit stands in: "element/Sb" in Sb's, the root of a facility in the facility's."""
    if by == "facility":
        return use.facility if use.key == facility.root else None
    dimension, _, key = use.key.partition("/")
    return key if dimension == by and key else None
