"""Composing a decision: what a round's inputs come to by its rule, written down with commitments to what is not for everybody."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec
from msgspec import UNSET

from services.allocation.domain import rules
from services.allocation.domain.decisions.decision import (
    FIRST_FORMAT,
    FORMAT,
    ONE_POOL,
    Claimant,
    Decision,
    DecisionFile,
    DecisionLine,
    DecisionTerms,
    LineTake,
    Opened,
    PublishedPool,
    commitment,
)
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import committed_lines
from services.allocation.domain.rules import Claim, Group, IepFigures, RuleInputError, Share, apportion, group_of, right_g


def compose(terms: DecisionTerms, holdings: Opened[Holdings], claimants: Sequence[Opened[Claimant]]) -> DecisionFile:
    """Decide a round. The salts come with the inputs, fresh and random, one each. Raises `RuleInputError`.

    What is UNSET is as it was before there was such a thing: one pool of what the terms offer, for everyone, and no caps.
    """
    first = terms.format == FIRST_FORMAT
    pools = terms.pools or (PublishedPool(pool=ONE_POOL, kind="lots", restricted="", offered=terms.offered),)
    if not first:
        terms, holdings = _completed_terms(terms, pools), _completed_holdings(holdings)
        claimants = _completed_claimants(claimants, pools)
    group = _group(terms, holdings.content, claimants)
    result = apportion(terms.method, [_pool(pool) for pool in pools], [claim_of(terms, group, each.content) for each in claimants])
    order = {pool.id: place for place, pool in enumerate(result.pools)}
    in_order = sorted((_largest_first(pool) for pool in pools), key=lambda pool: order[pool.pool])
    by_request = {claimant.content.request: claimant for claimant in claimants}
    lines = []
    for share in result.shares:
        claimant = by_request[share.claim.id]
        lines.append(Opened(salt=claimant.salt, content=line_of(terms, in_order, group, claimant.content, share)))
    offered = _together(pools)
    decision = Decision(
        terms=msgspec.structs.replace(terms, offered=offered, pools=UNSET if first else tuple(in_order)),
        group=UNSET if first else group,
        steps=tuple(msgspec.structs.replace(step, pool=UNSET, branch=UNSET) for step in result.steps) if first else result.steps,
        left_g=result.left_g,
        holdings=commitment(holdings),
        lines=committed_lines(holdings, lines) if terms.format == FORMAT else tuple(sorted(commitment(line) for line in lines)),
    )
    return DecisionFile(decision=decision, holdings=holdings, lines=tuple(lines))


def claim_of(terms: DecisionTerms, group: Group | None, claimant: Claimant) -> Claim:
    """What the rules know of a line. Raises `RuleInputError`."""
    if claimant.accepted_g > claimant.asked_g:
        raise RuleInputError(
            "accepted_above_asked", f"claims.{claimant.request}", "more is accepted than was asked", f"at most {claimant.asked_g}"
        )
    right = _right_g(terms, group, claimant)
    return Claim(
        id=claimant.request,
        claim_g=claimant.accepted_g,
        carry_g=claimant.carry_in_g,
        minimum_g=claimant.minimum_g,
        priority_class=claimant.priority_class,
        cap_g=None if claimant.cap_g is UNSET else claimant.cap_g,
        right_g=None if right is None else max(right, Fraction(0)),
        pools=None if claimant.pools is UNSET else claimant.pools,
    )


def line_of(terms: DecisionTerms, pools: Sequence[PublishedPool], group: Group | None, claimant: Claimant, share: Share) -> DecisionLine:
    """`pools`: in their order."""
    first = terms.format == FIRST_FORMAT
    own = stages_of(claimant, pools)
    takes = tuple(
        LineTake(pool=pool, unit_g=unit_g, units=turn.units) for (pool, unit_g), turn in zip(own, share.turns, strict=True) if turn.units
    )
    return DecisionLine(
        claimant=claimant,
        right_g=UNSET if first else _right_g(terms, group, claimant),
        entitlement_g=share.entitlement_g,
        award_g=share.award_g,
        takes=UNSET if first else takes,
        carry_out_g=share.carry_g,
        days_of_cover=Fraction(share.award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None,
        iteration=share.iteration,
        turns=share.turns,
    )


def stages_of(claimant: Claimant, pools: Sequence[PublishedPool]) -> list[tuple[str, int]]:
    """The pools and unit sizes that a claimant takes part in, in their order."""
    own = [pool for pool in pools if claimant.pools is UNSET or pool.pool in claimant.pools]
    return [(pool.pool, units.unit_g) for pool in own for units in pool.offered]


def _right_g(terms: DecisionTerms, group: Group | None, claimant: Claimant) -> Fraction | None:
    """Below 0: an obligation. None: the line is not decided by iep."""
    if group is None or not isinstance(terms.restraint, Fraction) or terms.method.rule_of(claimant.priority_class) != "iep":
        return None
    if not isinstance(claimant.position, IepFigures) or not isinstance(claimant.part_of_right, Fraction):
        raise RuleInputError("position_missing", f"positions.{claimant.partner}", "iep needs its position", "one for each partner")
    return right_g(claimant.position, terms.restraint, group.kappa) * claimant.part_of_right


def _group(terms: DecisionTerms, holdings: Holdings, claimants: Sequence[Opened[Claimant]]) -> Group | None:
    if "iep" not in (terms.rule, *(terms.inside or {}).values()):
        return None
    if not isinstance(terms.restraint, Fraction):
        raise RuleInputError("restraint_invalid", "restraint", "iep needs one", "a part of consumption, such as 93/100")
    positions = {position.partner: position for position in holdings.positions or ()}
    if len(positions) < len(holdings.positions or ()):
        raise RuleInputError("position_duplicate", "positions", "a partner comes twice", "each partner once")
    for claimant in claimants:
        if claimant.content.position not in (UNSET, None, positions.get(claimant.content.partner)):
            raise RuleInputError(
                "position_differs", f"positions.{claimant.content.partner}", "its line has another position", "one for each partner"
            )
    return group_of(positions.values(), terms.restraint)


def _completed_terms(terms: DecisionTerms, pools: tuple[PublishedPool, ...]) -> DecisionTerms:
    return msgspec.structs.replace(terms, inside=terms.inside or {}, cap=terms.cap or None, restraint=terms.restraint or None, pools=pools)


def _completed_holdings(holdings: Opened[Holdings]) -> Opened[Holdings]:
    told = holdings.content
    content = msgspec.structs.replace(
        told, held=told.held or (), profiles=told.profiles or (), barred=told.barred or (), positions=told.positions or ()
    )
    return msgspec.structs.replace(holdings, content=content)


def _completed_claimants(claimants: Sequence[Opened[Claimant]], pools: Sequence[PublishedPool]) -> list[Opened[Claimant]]:
    everything = tuple(pool.pool for pool in pools)
    accepted_g: dict[str, int] = {}
    for each in claimants:
        accepted_g[each.content.partner] = accepted_g.get(each.content.partner, 0) + each.content.accepted_g
    completed = []
    for each in claimants:
        told = each.content
        content = msgspec.structs.replace(
            told,
            cap_g=None if told.cap_g is UNSET else told.cap_g,
            pools=everything if told.pools is UNSET else told.pools,
            position=told.position or None,
            part_of_right=Fraction(told.accepted_g, accepted_g[told.partner]) if accepted_g[told.partner] else Fraction(1),
        )
        completed.append(Opened(salt=each.salt, content=content))
    return completed


def _pool(pool: PublishedPool) -> rules.Pool:
    counts = {units.unit_g: units.units for units in pool.offered}
    if len(counts) < len(pool.offered):
        raise RuleInputError("unit_duplicate", "offered", "a unit size comes twice", "each unit size once")
    return rules.Pool(id=pool.pool, units=counts, kind=pool.kind)


def _largest_first(pool: PublishedPool) -> PublishedPool:
    return msgspec.structs.replace(pool, offered=tuple(sorted(pool.offered, key=lambda units: -units.unit_g)))


def _together(pools: Sequence[PublishedPool]) -> tuple[Units, ...]:
    counts: dict[int, int] = {}
    for units in (units for pool in pools for units in pool.offered):
        counts[units.unit_g] = counts.get(units.unit_g, 0) + units.units
    return tuple(Units(unit_g=unit_g, units=counts[unit_g]) for unit_g in sorted(counts, reverse=True))
