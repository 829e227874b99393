"""Releases: stock reserved for partners by a certified round, all of it or none; what is not drawn in time goes back."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import gcd

import msgspec

from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Stockpile, free_rights_g, stopping_partner, usable_units
from services.inventory.events import (
    Event,
    ProductId,
    ReleaseCancelled,
    ReleaseId,
    ReleaseLapsed,
    RoundReleased,
    RoundReleaseRefused,
    StockReleased,
    UnitCount,
)
from shared.decider import Refused


class AwardedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """One release to make: what the decision awards to one request."""

    release: ReleaseId
    award: str
    request: str
    partner: str
    mass_g: int


class ReleaseRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A certified round: release every award through `expires_on`, or refuse it as one. Never `Refused`: nobody waits for an answer."""

    product: ProductId
    round: str
    decision: str  # SHA-256 of the decision document
    awards: tuple[AwardedRelease, ...]
    expires_on: date
    on: date


class LapseRelease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late: the release's last day has passed."""

    release: ReleaseId
    on: date


class CancelRelease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    release: ReleaseId
    reason: str


class _Planned(msgspec.Struct, frozen=True):
    award: AwardedRelease
    units: tuple[UnitCount, ...]
    rights_g: int


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
    return [
        *(
            StockReleased(
                product=command.product,
                release=plan.award.release,
                round=command.round,
                decision=command.decision,
                award=plan.award.award,
                request=plan.award.request,
                partner=plan.award.partner,
                units=plan.units,
                rights_g=plan.rights_g,
                mass_g=plan.award.mass_g,
                expires_on=command.expires_on,
            )
            for plan in planned
        ),
        RoundReleased(
            product=command.product,
            round=command.round,
            decision=command.decision,
            releases=len(planned),
            mass_g=sum(plan.award.mass_g for plan in planned),
            expires_on=command.expires_on,
        ),
    ]


def _plan(command: ReleaseRound, state: Stockpile) -> list[_Planned] | Refusal:
    """Each award in turn from lots, down to the protected stock, and what is missing from firm rights."""
    if state.product is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, f"{command.product} is not registered")
    if command.expires_on < command.on:
        return Refused(Reason.DATE_IN_PAST, f"the round's releases would have lapsed on {command.expires_on}")
    usable = usable_units(state, command.on)
    smallest_step_g = gcd(state.nominal_unit_g, *usable)
    spare_g = max(0, _mass_g(usable) - state.protected_g)
    rights_g = free_rights_g(state, command.on)
    planned: list[_Planned] = []
    seen: set[ReleaseId] = set()
    loans = {award.release for award in command.awards if award.release in state.loans}
    for award in sorted(command.awards, key=lambda award: award.release not in loans):  # loans first: others may be met from rights
        if award.release in state.releases or award.release in seen:
            return Refused(Reason.ID_TAKEN, f"{award.release} is released already")
        seen.add(award.release)
        if award.mass_g <= 0:
            return Refused(Reason.QUANTITY_INVALID, f"{award.award} is of {award.mass_g} g")
        if award.mass_g % smallest_step_g:
            return Refused(Reason.NOT_WHOLE_UNITS, f"{award.award} is of {award.mass_g} g, which is not a number of whole units")
        if (hold := stopping_partner(state, command.on, award.partner)) is not None:
            return Refused(Reason.ON_HOLD, f"{hold} stops releases to {award.partner}")
        units, missing_g = split_with_rights(award.mass_g, usable, spare_g, state.nominal_unit_g)
        if missing_g and award.release in loans:
            return Refused(Reason.LOAN_OF_GOODS, f"{award.award} is a loan, and lots are {missing_g} g short of it")
        if missing_g and (missing_g > rights_g or missing_g % state.nominal_unit_g):
            return _short(award, missing_g, _mass_g(usable), state.protected_g)
        for count in units:
            usable[count.nominal_unit_g] -= count.units
        spare_g -= award.mass_g - missing_g
        rights_g -= missing_g
        planned.append(_Planned(award, units, missing_g))
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
    if state.product is None or release is None or command.on <= release.expires_on:
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
    if state.product is None or (release := state.releases.get(command.release)) is None:
        return release_not_found(command.release)
    return [
        ReleaseCancelled(
            product=state.product,
            release=command.release,
            partner=release.partner,
            units=release.units,
            rights_g=release.rights_g,
            mass_g=release.mass_g,
            reason=command.reason,
        )
    ]


def release_not_found(release: ReleaseId) -> Refusal:
    """The same for a release that is unknown, closed, or another partner's."""
    return Refused(Reason.RELEASE_NOT_FOUND, f"no release {release} is open")
