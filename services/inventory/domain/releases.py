"""Releases: stock reserved for partners by a certified round, all of it or none; what is not drawn in time goes back."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import gcd

import msgspec

from services.inventory.domain.authority import taken_back
from services.inventory.domain.extending import is_held
from services.inventory.domain.pinning import Planned, Pools, ReleasePool, Take
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g, stopping_partner, usable_units
from services.inventory.events import (
    DecisionTakenBack,
    Event,
    ProductId,
    ReleaseCancelled,
    ReleaseId,
    ReleaseLapsed,
    RoundReleased,
    RoundReleaseRefused,
    StockPinned,
    StockReleased,
    UnitCount,
)
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity


class AwardedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """One release to make: what the decision awards to one request. `takes`: from which pools; none: the round has no pools."""

    release: ReleaseId
    award: str
    request: str
    partner: str
    mass_g: int
    takes: tuple[Take, ...] = ()


class ReleaseRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A certified round: release every award through `expires_on`, or refuse it as one. Never `Refused`: nobody waits for an answer."""

    product: ProductId
    round: str
    decision: str  # SHA-256 of the decision document
    awards: tuple[AwardedRelease, ...]
    pools: tuple[ReleasePool, ...] = ()  # none: each award is met from any lots, then from rights
    expires_on: date
    on: date


class LapseRelease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the release's last day has passed."""

    release: ReleaseId
    on: date


class CancelRelease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    release: ReleaseId
    reason: TypedText
    capacity: Capacity | None  # in which somebody takes it back; None: nobody may


def release_round(command: ReleaseRound, state: Stockpile) -> Sequence[Event]:
    planned = _plan(command, state)
    if isinstance(planned, Refused):
        return [
            RoundReleaseRefused(
                product=command.product,
                round=command.round,
                decision=command.decision,
                reason=planned.code,
                detail=planned.detail,
            )
        ]
    events: list[Event] = []
    for award, plan in planned:
        events.append(
            StockReleased(
                product=command.product,
                release=award.release,
                round=command.round,
                decision=command.decision,
                award=award.award,
                request=award.request,
                partner=award.partner,
                units=plan.units,
                rights_g=plan.rights_g,
                mass_g=award.mass_g,
                expires_on=command.expires_on,
            )
        )
        if plan.pins:
            events.append(StockPinned(product=command.product, release=award.release, partner=award.partner, lots=plan.pins))
    events.append(
        RoundReleased(
            product=command.product,
            round=command.round,
            decision=command.decision,
            releases=len(planned),
            mass_g=sum(award.mass_g for award, _ in planned),
            expires_on=command.expires_on,
        )
    )
    return events


type _Plans = list[tuple[AwardedRelease, Planned]]


def _plan(command: ReleaseRound, state: Stockpile) -> _Plans | Refusal:
    if state.product is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, f"{command.product} is not registered")
    if command.expires_on < command.on:
        return Refused(Reason.DATE_IN_PAST, f"the round's releases would have lapsed on {command.expires_on}")
    seen: set[ReleaseId] = set()
    for award in command.awards:
        if award.release in state.releases or award.release in seen:
            return Refused(Reason.ID_TAKEN, f"{award.release} is released already")
        seen.add(award.release)
        if award.mass_g <= 0:
            return Refused(Reason.QUANTITY_INVALID, f"{award.award} is of {award.mass_g} g")
        if (hold := stopping_partner(state, command.on, award.partner)) is not None:
            return Refused(Reason.ON_HOLD, f"{hold} stops releases to {award.partner}")
    return _plan_from_pools(command, state) if command.pools else _plan_from_all(command, state)


def _plan_from_pools(command: ReleaseRound, state: Stockpile) -> _Plans | Refusal:
    """Each award from what the decision says that it takes."""
    pools = Pools(command.pools, state, command.on)
    planned = []
    for award in command.awards:
        taken_g = sum(take.unit_g * take.units for take in award.takes)
        if taken_g != award.mass_g:
            return Refused(Reason.QUANTITY_INVALID, f"{award.award} is of {award.mass_g} g, and takes {taken_g} g")
        plan = pools.take(award.release, award.takes, lent=award.release in state.loans)
        if isinstance(plan, Refused):
            return plan
        planned.append((award, plan))
    return planned


def _plan_from_all(command: ReleaseRound, state: Stockpile) -> _Plans | Refusal:
    """Each award in turn from lots, down to the protected stock, and what is missing from firm rights."""
    usable = usable_units(state, command.on)
    smallest_step_g = gcd(state.nominal_unit_g, *usable)
    spare_g = max(0, _mass_g(usable) - state.protected_g)
    rights_g = free_rights_g(state, command.on)
    planned = []
    loans = {award.release for award in command.awards if award.release in state.loans}
    for award in sorted(command.awards, key=lambda award: award.release not in loans):  # loans first: others may be met from rights
        if award.mass_g % smallest_step_g:
            return Refused(Reason.NOT_WHOLE_UNITS, f"{award.award} is of {award.mass_g} g, which is not a number of whole units")
        units, missing_g = split_with_rights(award.mass_g, usable, spare_g, state.nominal_unit_g)
        if missing_g and award.release in loans:
            return Refused(Reason.LOAN_OF_GOODS, f"{award.award} is a loan, and lots are {missing_g} g short of it")
        if missing_g and (missing_g > rights_g or missing_g % state.nominal_unit_g):
            return _short(award, missing_g, _mass_g(usable), state.protected_g)
        for count in units:
            usable[count.nominal_unit_g] -= count.units
        spare_g -= award.mass_g - missing_g
        rights_g -= missing_g
        planned.append((award, Planned(units, missing_g, ())))
    return planned


def _short(award: AwardedRelease, missing_g: int, left_g: int, protected_g: int) -> Refusal:
    """Whether the stock is not there, or is protected."""
    if protected_g and award.mass_g <= left_g:
        return Refused(Reason.STOCK_PROTECTED, f"{award.award} would take {missing_g} g of the {protected_g} g that are protected")
    return Refused(Reason.STOCK_SHORT, f"stock and firm rights are {missing_g} g short of {award.award}")


def _mass_g(units: Mapping[int, int]) -> int:
    return sum(unit_g * count for unit_g, count in units.items())


def split(mass_g: int, limits: Mapping[int, int], most_g: int) -> tuple[tuple[UnitCount, ...], int]:
    """Grams as whole units, largest first, within `limits` (size -> units, largest first) and `most_g`; and the grams that are missing."""
    counts = []
    for unit_g, limit in limits.items():
        if units := min(mass_g // unit_g, most_g // unit_g, limit):
            counts.append(UnitCount(nominal_unit_g=unit_g, units=units))
            mass_g -= units * unit_g
            most_g -= units * unit_g
    return tuple(counts), mass_g


def split_with_rights(mass_g: int, limits: Mapping[int, int], most_g: int, right_unit_g: int) -> tuple[tuple[UnitCount, ...], int]:
    """As `split`; but where what is missing is not in whole units of rights, fewer small units of lots are taken, so that it is."""
    counts, missing_g = split(mass_g, limits, most_g)
    rights_g = -(-missing_g // right_unit_g) * right_unit_g
    if missing_g < rights_g <= mass_g:
        fewer, left_g = split(mass_g - rights_g, limits, most_g)
        if not left_g:
            return fewer, rights_g
    return counts, missing_g


def lapse_release(command: LapseRelease, state: Stockpile) -> Sequence[Event]:
    release = state.releases.get(command.release)
    if state.product is None or release is None or command.on <= release.expires_on or is_held(state, release):
        return []
    return [
        ReleaseLapsed(
            product=state.product,
            release=command.release,
            partner=release.partner,
            units=release.units,
            rights_g=release.rights_g,
            mass_g=release.mass_g,
        )
    ]


def cancel_release(command: CancelRelease, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or command.release not in state.releases:
        return release_not_found(command.release)
    cancelled = _cancelled(command.release, state, command.reason)
    return taken_back(msgspec.structs.replace(cancelled, fails=state.releases[command.release].decision or None), command.capacity)


class TakeBackRelease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Its partner, or whoever was to lend it, wants it no more. Never `Refused`: nobody waits for an answer."""

    release: ReleaseId
    decision: str
    reason: TypedText


class TakeBackDecision(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Another decision takes its place. Never `Refused`. `round`: that is told what was taken back; None: by a build that asked nothing."""

    round: str | None = None
    decision: str
    reason: TypedText


def take_back_release(command: TakeBackRelease, state: Stockpile) -> Sequence[Event]:
    release = state.releases.get(command.release)
    if release is None or release.decision != command.decision:
        return []
    return [_cancelled(command.release, state, command.reason)]


def take_back_decision(command: TakeBackDecision, state: Stockpile) -> Sequence[Event]:
    named = sorted(name for name, release in state.releases.items() if release.decision == command.decision)
    cancelled = [_cancelled(name, state, command.reason) for name in named]
    if command.round is None or state.product is None:
        return cancelled
    taken_g: dict[str, int] = {}
    for event in cancelled:
        taken_g[event.partner] = taken_g.get(event.partner, 0) + event.mass_g
    return [*cancelled, DecisionTakenBack(product=state.product, round=command.round, decision=command.decision, mass_g=taken_g)]


def _cancelled(name: ReleaseId, state: Stockpile, reason: TypedText) -> ReleaseCancelled:
    release = state.releases[name]
    assert state.product is not None, "what is released is registered"
    return ReleaseCancelled(
        product=state.product,
        release=name,
        partner=release.partner,
        units=release.units,
        rights_g=release.rights_g,
        mass_g=release.mass_g,
        reason=reason,
    )


def release_not_found(release: ReleaseId) -> Refusal:
    """The same for a release that is unknown, closed, or another partner's."""
    return Refused(Reason.RELEASE_NOT_FOUND, f"no release {release} is open")
