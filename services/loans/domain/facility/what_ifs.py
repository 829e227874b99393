"""What-ifs: the same positions and facilities as they would be if something happened. Nothing is changed by asking.

What is assumed is kept simple, and is said with each answer (`ASSUMPTIONS`): these are questions to begin with, not a model of credit.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import assert_never

import msgspec

from services.loans.domain.facility.exposure import (
    Exposure,
    LimitUse,
    Ratio,
    held_in_currency,
    in_currency,
    limit_uses,
    rate_of,
    security_shortfall,
)
from services.loans.domain.facility.headroom import ReleaseHeadroom, evolve, release
from services.loans.domain.facility.state import Facility
from services.loans.domain.standing.calendars import LAST_DAY, months_later
from services.loans.events.facility import CommitmentId, RateRecorded
from shared.journal.texts import TypedText

YEAR_MONTHS = 12
ASSUMPTIONS: Mapping[str, tuple[str, ...]] = {
    "default": (
        "all that is owed is overdue at once, and nothing more is drawn",
        "the recovery is of what is outstanding, and has what comes of the security in it",
        "shares of a company that defaults are worth nothing",
    ),
    "price": (
        "what is committed or owed in the asset is revalued as its facility would, were this the recorded rate",
        "security that follows the asset, and shares of companies that produce it, change by the price's change times its elasticity",
    ),
    "delay": (
        "every delivery of the project comes so many months later, and the other days stay",
        "what was to be repaid by a delivery is due in cash until it comes, and for good if it comes after its agreement has ended",
        "advances come as much later: what is not advanced by its last day is lost to the project",
        "a covenant's ratio falls as deliveries within the next twelve months do",
    ),
}


class Default(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="default"):
    """Of a borrower or company, or of a partner. `recovery`: the share of what is outstanding that comes back in the end."""

    borrower: str | None = None
    partner: str | None = None
    recovery: str = "0"


class PriceChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="price"):
    """`change`: "-0.3" is a fall by 30 %. `elasticity`: by how many per cent security and shares change in value with one of the price."""

    asset: str  # "contained/Sb", or a currency
    change: str
    elasticity: str = "1"


class Delay(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delay"):
    project: str
    months: int


type Scenario = Default | PriceChange | Delay


class ExpectedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """To come from a project. `amount`: what it repays of a position, in the position's asset, if it comes by `repays_until`."""

    reference: str  # the right's
    project: str
    on: date  # the last day of its window
    quantity: int
    unit: str
    position: str | None = None
    amount: int = 0
    repays_until: date | None = None  # the last day of the agreement


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    """All that a what-if starts from."""

    positions: tuple[Exposure, ...]
    facilities: dict[str, Facility]
    deliveries: tuple[ExpectedDelivery, ...] = ()
    on: date


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    position: str
    currency: str
    lost_minor: int


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """Security that would cover less than it must."""

    position: str
    currency: str
    before_minor: int
    after_minor: int


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    delivery: str
    quantity: int
    unit: str
    before: date
    after: date


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What falls due in cash because goods come later: the most that is missing, and since when."""

    position: str
    asset: str
    missing: int
    since: date


class Lapse(msgspec.Struct, frozen=True, kw_only=True):
    """What could be drawn no longer by the time that it is needed."""

    position: str
    asset: str
    undrawn: int
    until: date


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    position: str
    kind: str
    before: str
    after: str
    minimum: str


class Consequences(msgspec.Struct, frozen=True, kw_only=True):
    """`after`: the book as it would be; the rest is what that means."""

    after: Portfolio
    exceeded: tuple[LimitUse, ...] = ()  # limits that would be exceeded, and are not yet
    shortfalls: tuple[Shortfall, ...] = ()  # larger than they are
    losses: tuple[Loss, ...] = ()
    moved: tuple[Moved, ...] = ()
    gaps: tuple[Gap, ...] = ()
    lapses: tuple[Lapse, ...] = ()
    breaches: tuple[Breach, ...] = ()


def what_if(book: Portfolio, scenarios: Sequence[Scenario]) -> Consequences:
    """One after the other, each on what the one before left."""
    outcome = Consequences(after=book)
    for scenario in scenarios:
        outcome = _then(outcome, scenario)
    return msgspec.structs.replace(outcome, exceeded=_exceeded(book, outcome.after), shortfalls=_shortfalls(book, outcome.after))


def _then(outcome: Consequences, scenario: Scenario) -> Consequences:
    match scenario:
        case Default():
            return _default(outcome, scenario)
        case PriceChange():
            after = _repriced(outcome.after, scenario)
            return msgspec.structs.replace(outcome, after=after, losses=outcome.losses + _fallen(outcome.after, after))
        case Delay():
            return _delayed(outcome, scenario)
        case _:
            assert_never(scenario)


# A default


def _default(outcome: Consequences, scenario: Default) -> Consequences:
    book, kept = outcome.after, Fraction(scenario.recovery)
    positions, losses = [], list(outcome.losses)
    for position in book.positions:
        hit = scenario.borrower is not None and position.borrower == scenario.borrower
        if not hit and (scenario.partner is None or position.partner != scenario.partner):
            positions.append(position)
            continue
        facility = book.facilities[position.facility]
        left = 0 if position.instrument == "equity" else int(position.outstanding * kept)
        exposed = position.value if position.instrument == "equity" else position.outstanding
        lost = in_currency(exposed - left, facility, position.asset)
        if lost:
            losses.append(Loss(position=position.id, currency=facility.currency, lost_minor=lost))
        positions.append(
            msgspec.structs.replace(
                position,
                committed=position.committed - position.undrawn,
                undrawn=0,
                overdue=0 if position.instrument == "equity" else position.outstanding,
                value=left,
            )
        )
    after = msgspec.structs.replace(book, positions=tuple(positions), facilities=_recharged(book, positions))
    return msgspec.structs.replace(outcome, after=after, losses=tuple(losses))


def _recharged(book: Portfolio, positions: Sequence[Exposure]) -> dict[str, Facility]:
    """Facilities without what will never be drawn, as they themselves would release it."""
    facilities = dict(book.facilities)
    for before, after in zip(book.positions, positions, strict=True):
        if freed := before.committed - after.committed:
            facility = facilities[before.facility]
            released = release(ReleaseHeadroom(commitment=CommitmentId(before.id), amount=freed), facility)
            for event in released:
                facility = evolve(facility, event)
            facilities[before.facility] = facility
    return facilities


# Another price


def _repriced(book: Portfolio, scenario: PriceChange) -> Portfolio:
    factor = max(Fraction(0), 1 + Fraction(scenario.change))
    felt = max(Fraction(0), 1 + Fraction(scenario.change) * Fraction(scenario.elasticity))
    element = scenario.asset.removeprefix("contained/") if scenario.asset.startswith("contained/") else None
    facilities = {
        id: _with_rate(facility, scenario.asset, rate_of(facility, scenario.asset) * factor, book.on)
        for id, facility in book.facilities.items()
    }
    positions = []
    for position in book.positions:
        changed = position
        if position.security_minor is not None and position.security_asset == scenario.asset:
            changed = msgspec.structs.replace(changed, security_minor=int(position.security_minor * felt))
        if position.instrument == "equity" and element in position.elements:
            changed = msgspec.structs.replace(changed, value=int(position.value * felt))
        positions.append(changed)
    return msgspec.structs.replace(book, positions=tuple(positions), facilities=facilities)


def _with_rate(facility: Facility, asset: str, rate: Fraction, on: date) -> Facility:
    """As the facility would be had it recorded this rate."""
    if asset not in facility.rates:
        return facility
    assert facility.id is not None
    recorded = RateRecorded(
        facility=facility.id,
        asset=asset,
        rate=str(rate),
        quoted_on=on,
        source=TypedText("what-if"),
        before_minor=0,
        after_minor=0,
        over=(),
    )
    return evolve(facility, recorded)


def _fallen(before: Portfolio, after: Portfolio) -> tuple[Loss, ...]:
    """What would be worth less. What is owed in metal is not lost: it comes back in grams."""
    losses = []
    for one, other in zip(before.positions, after.positions, strict=True):
        facility = before.facilities[one.facility]
        old = held_in_currency(one.value, facility, one.asset)
        new = held_in_currency(other.value, after.facilities[other.facility], other.asset)
        if new < old and not one.asset.startswith("contained/"):
            losses.append(Loss(position=one.id, currency=facility.currency, lost_minor=old - new))
    return tuple(losses)


# A delay


def _delayed(outcome: Consequences, scenario: Delay) -> Consequences:
    book = outcome.after
    own = [each for each in book.deliveries if each.project == scenario.project and each.on >= book.on]
    later = {each.reference: msgspec.structs.replace(each, on=_later(each.on, scenario.months)) for each in own}
    after = msgspec.structs.replace(book, deliveries=tuple(later.get(each.reference, each) for each in book.deliveries))
    moved = [
        Moved(delivery=each.reference, quantity=each.quantity, unit=each.unit, before=each.on, after=later[each.reference].on)
        for each in own
    ]
    gaps, lapses, breaches, positions = [], [], [], []
    needed_by = _later(book.on, scenario.months)
    share = _share_within_a_year(own, list(later.values()), book.on)
    for position in book.positions:
        if position.project != scenario.project:
            positions.append(position)
            continue
        mine = [each for each in own if each.position == position.id]
        if (gap := _gap(position, mine, [later[each.reference] for each in mine])) is not None:
            gaps.append(gap)
        if position.undrawn and position.undrawn_until is not None and position.undrawn_until < needed_by:
            lapses.append(Lapse(position=position.id, asset=position.asset, undrawn=position.undrawn, until=position.undrawn_until))
        ratios = [] if share is None else [(ratio, _scaled(ratio, share)) for ratio in position.ratios]
        for before, ratio in ratios:
            if Fraction(ratio.ratio) < Fraction(ratio.minimum):
                breaches.append(
                    Breach(position=position.id, kind=ratio.kind, before=before.ratio, after=ratio.ratio, minimum=ratio.minimum)
                )
        positions.append(msgspec.structs.replace(position, ratios=tuple(ratio for _, ratio in ratios) or position.ratios))
    return msgspec.structs.replace(
        outcome,
        after=msgspec.structs.replace(after, positions=tuple(positions)),
        moved=outcome.moved + tuple(moved),
        gaps=outcome.gaps + tuple(gaps),
        lapses=outcome.lapses + tuple(lapses),
        breaches=outcome.breaches + tuple(breaches),
    )


def _gap(position: Exposure, before: Sequence[ExpectedDelivery], after: Sequence[ExpectedDelivery]) -> Gap | None:
    """On each day on which something is due: how much of it deliveries would have repaid by then, and do not."""
    missing, since = 0, date.max
    for due in position.dues:
        owed = sum(each.amount for each in position.dues if each.on <= due.on)
        less = min(owed, _delivered(before, due.on)) - min(owed, _delivered(after, due.on))
        if less > 0:
            missing, since = max(missing, less), min(since, due.on)
    return Gap(position=position.id, asset=position.asset, missing=missing, since=since) if missing else None


def _delivered(deliveries: Sequence[ExpectedDelivery], until: date) -> int:
    """What deliveries have repaid by then. One that comes after its agreement has ended repays nothing."""
    return sum(each.amount for each in deliveries if each.on <= until and (each.repays_until is None or each.on <= each.repays_until))


def _share_within_a_year(before: Sequence[ExpectedDelivery], after: Sequence[ExpectedDelivery], on: date) -> Fraction | None:
    """How much of what was to come within twelve months still does. None: nothing was, or it is not in one unit."""
    end = _later(on, YEAR_MONTHS)
    if len({each.unit for each in before}) != 1:
        return None
    whole, left = (sum(each.quantity for each in deliveries if each.on <= end) for deliveries in (before, after))
    return Fraction(left, whole) if whole else None


def _scaled(ratio: Ratio, share: Fraction) -> Ratio:
    hundredths = int(Fraction(ratio.ratio) * share * 100)  # rounded down: no breach is hidden
    return msgspec.structs.replace(ratio, ratio=f"{hundredths // 100}.{hundredths % 100:02}")


def _later(day: date, months: int) -> date:
    """No later than days go."""
    try:
        return months_later(day, months)
    except ValueError:
        return LAST_DAY


# What it means


def _exceeded(before: Portfolio, after: Portfolio) -> tuple[LimitUse, ...]:
    already = {(use.facility, use.key) for use in limit_uses(before.facilities.values()) if use.headroom_minor < 0}
    return tuple(use for use in limit_uses(after.facilities.values()) if use.headroom_minor < 0 and (use.facility, use.key) not in already)


def _shortfalls(before: Portfolio, after: Portfolio) -> tuple[Shortfall, ...]:
    found = []
    for one, other in zip(before.positions, after.positions, strict=True):
        facility = before.facilities[one.facility]
        old, new = security_shortfall(one, facility), security_shortfall(other, after.facilities[other.facility])
        if old is not None and new is not None and new > old:
            found.append(Shortfall(position=one.id, currency=facility.currency, before_minor=old, after_minor=new))
    return tuple(found)
