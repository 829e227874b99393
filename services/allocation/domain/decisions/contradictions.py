"""Contradictions: what a decision file says in one place, and otherwise in another; and what it says in one place alone.

That its outcome follows from its inputs is `check`'s. Here inputs are compared with each other: agreements, classes, carries, quotas and
caps (below), and stock, bars and pools (`stock_contradictions`).
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor

from msgspec import UNSET

from services.allocation.domain.decisions.decision import FIRST_FORMAT, Claimant, DecisionFile, DecisionTerms
from services.allocation.domain.decisions.difference import Difference, NotCompared, contradiction
from services.allocation.domain.decisions.holdings import Holdings, PartnerTerms
from services.allocation.domain.decisions.sealed import OwnClaimant, OwnFile, SealedTerms, View
from services.allocation.domain.decisions.stock_contradictions import contradictions_of_stock, stock_not_compared
from services.allocation.domain.rules import RULES


def contradictions(file: View) -> list[Difference]:
    """[]: what can be compared agrees. Of a partner's view, its own lines and the published part."""
    if isinstance(file, OwnFile):
        own = sorted((line.content.claimant for line in file.lines), key=lambda each: each.request)
        return [*_of_method(file.decision.terms), *_of_agreements(own), *_of_pools(own), *_of_one_partner(own)]
    terms = file.decision.terms
    claimants = sorted((line.content.claimant for line in file.lines), key=lambda each: each.request)
    found = [*_of_method(terms), *_of_supply(file), *_of_agreements(claimants), *_of_pools(claimants)]
    if file.holdings is None:
        found += _of_one_partner(claimants)
    if file.holdings is None or terms.format == FIRST_FORMAT:
        return found
    holdings = file.holdings.content
    found += _of_positions(holdings, claimants)
    if holdings.partners is not UNSET and terms.rule in RULES:
        found += [*_of_partners(holdings.partners, claimants), *_of_caps(terms, holdings.partners, claimants)]
    return found + contradictions_of_stock(terms, holdings, claimants)


def not_compared(file: View) -> list[NotCompared]:
    """What stands in one place alone. `*`: of each."""
    terms = file.decision.terms
    holdings = None if isinstance(file, OwnFile) or file.holdings is None else file.holdings.content
    found = [NotCompared(f"terms/{name}", why) for name, why in _TERMS if getattr(terms, name) is not UNSET]
    found += [NotCompared(f"lines/*/claimant/{name}", why) for name, why in _REQUEST]
    found += [NotCompared("lines/*/salt", "it is random")]
    if terms.format == FIRST_FORMAT:
        found.append(NotCompared("terms/offered", "the lots are not in the file"))
    if holdings is None or holdings.partners is UNSET:
        found += [NotCompared(f"lines/*/claimant/{name}", why) for name, why in _AGREEMENT]
    if holdings is None:
        found += [
            NotCompared("lines/*/claimant/request", "it stands nowhere else in the file"),
            NotCompared("lines/*/claimant/position", "the group's positions are not in the file"),
        ]
    if isinstance(file, OwnFile):
        return found  # what is sealed is named by `recompute_own`
    if holdings is None:
        return [
            *found,
            NotCompared("decision/lines", "of the others only their commitments are in the file"),
            NotCompared("lines/*/turns/*/tie_rank", "its place among those who tie comes from all claims"),
        ]
    found += [NotCompared("holdings/salt", "it is random")]
    if holdings.partners is UNSET:
        found += [NotCompared(f"lines/*/claimant/{name}", "the agreements are not in the file") for name in ("cap_g", "carry_in_g")]
    else:
        found += [
            NotCompared("holdings/partners/*/quota_left_g", "it stands in the book; that no claim is above it is compared"),
            NotCompared("holdings/partners/*/own_cap", "it stands in the policy; that no line is above it is compared"),
        ]
    if holdings.positions:
        found.append(NotCompared("holdings/positions", "they stand in their source; that a partner's lines have the same is compared"))
    return found + stock_not_compared(file.decision.terms, holdings, [line.content.claimant for line in file.lines])


_TERMS = (
    ("round", "it stands nowhere else in the file"),
    ("product", "it stands nowhere else in the file"),
    ("policy", "the policy is a document of its own"),
    ("policy_version", "the policy is a document of its own"),
    ("disruption", "it stands nowhere else in the file"),
    ("rule", "it stands in the policy; that it gives these awards is compared"),
    ("inside", "they stand in the policy; that they give these awards is compared"),
    ("cap", "it stands in the policy; that no line is above it is compared"),
    ("restraint", "it stands in the policy; that it gives these rights is compared"),
)
_REQUEST = tuple((name, "it stands in the request") for name in ("asked_g", "accepted_g", "minimum_g", "daily_consumption_g"))
_AGREEMENT = tuple(
    (name, "the agreements are not in the file; that lines of one partner have the same is compared")
    for name in ("partner", "agreement", "agreement_version", "priority_class")
)


def _of_method(terms: DecisionTerms | SealedTerms) -> Iterator[Difference]:
    if terms.format == FIRST_FORMAT or terms.rule not in RULES:
        return
    if terms.inside and not terms.method.by_class:
        yield contradiction("rules_inside_unused", "terms/inside", terms.inside, f"{terms.rule}, which does not go by class", "terms/rule")
    by_position = "iep" in (terms.rule, *(terms.inside or {}).values())
    if isinstance(terms.restraint, Fraction) != by_position:
        rule = f"{terms.rule}, which goes {'' if by_position else 'not '}by positions"
        yield contradiction("restraint_unfit", "terms/restraint", terms.restraint, rule, "terms/rule")


def _of_supply(file: DecisionFile) -> Iterator[Difference]:
    """Of the published part, which a partner cannot compute anew."""
    terms = file.decision.terms
    offered_g = sum(units.unit_g * units.units for units in terms.offered)
    pools_g = sum(units.unit_g * units.units for pool in terms.pools or () for units in pool.offered)
    if terms.pools and offered_g != pools_g:
        yield contradiction("offer_differs", "terms/offered", offered_g, pools_g, "terms/pools")
    shown_g = sum(line.content.award_g for line in file.lines)
    if shown_g + file.decision.left_g > offered_g:
        yield contradiction("offer_exceeded", "left_g", file.decision.left_g, f"{offered_g} less {shown_g}", "terms/offered and the awards")


def _of_one_partner(claimants: Sequence[Claimant | OwnClaimant]) -> Iterator[Difference]:
    if len(partners := {each.partner for each in claimants}) > 1:
        yield contradiction("lines_of_others", "lines", sorted(partners), "one partner's", "a view")


def _of_agreements(claimants: Sequence[Claimant | OwnClaimant]) -> Iterator[Difference]:
    first: dict[str, Claimant | OwnClaimant] = {}
    owner: dict[str, str] = {}
    for each in claimants:
        where = f"lines/{each.request}/claimant"
        if (each.agreement is None) != (each.agreement_version is None):
            yield contradiction(
                "agreement_incomplete", f"{where}/agreement", each.agreement, each.agreement_version, f"{where}/agreement_version"
            )
        if each.agreement is not None and (partner := owner.setdefault(each.agreement, each.partner)) != each.partner:
            yield contradiction(
                "agreement_of_another", f"{where}/agreement", each.agreement, f"an agreement of {partner}", f"lines of {partner}"
            )
        if (other := first.setdefault(each.partner, each)) is each:
            continue
        for name, code in _SAME:
            if getattr(each, name) != getattr(other, name):
                yield contradiction(
                    code, f"{where}/{name}", getattr(each, name), getattr(other, name), f"lines/{other.request}/claimant/{name}"
                )
        if isinstance(each, Claimant) and each.carry_in_g:
            yield contradiction("carry_twice", f"{where}/carry_in_g", each.carry_in_g, "0", f"{each.partner}'s is on lines/{other.request}")


_SAME = (
    ("agreement", "agreement_differs"),
    ("agreement_version", "agreement_version_differs"),
    ("priority_class", "priority_class_differs"),
)


def _of_pools(claimants: Sequence[Claimant | OwnClaimant]) -> Iterator[Difference]:
    for each in claimants:
        if each.pools and len(set(each.pools)) < len(each.pools):
            yield contradiction("pool_twice", f"lines/{each.request}/claimant/pools", each.pools, "each pool once", "terms/pools")


def _of_positions(holdings: Holdings, claimants: Sequence[Claimant]) -> Iterator[Difference]:
    positions = {position.partner: position for position in holdings.positions or ()}
    for each in claimants:
        if (each.position or None) != (position := positions.get(each.partner)):
            yield contradiction(
                "position_differs", f"lines/{each.request}/claimant/position", each.position or None, position, "holdings/positions"
            )


def _of_partners(partners: Sequence[PartnerTerms], claimants: Sequence[Claimant]) -> Iterator[Difference]:
    by_partner = {told.partner: told for told in partners}
    if len(by_partner) < len(partners):
        yield contradiction("partner_twice", "holdings/partners", [each.partner for each in partners], "each partner once", "lines")
    if strangers := by_partner.keys() - {each.partner for each in claimants}:
        yield contradiction("partner_without_a_line", "holdings/partners", sorted(strangers), "nothing", "lines")
    seen: set[str] = set()
    for each in claimants:
        where, there = f"lines/{each.request}/claimant", f"holdings/partners/{each.partner}"
        if (told := by_partner.get(each.partner)) is None:
            yield contradiction("partner_missing", f"{where}/partner", each.partner, None, "holdings/partners")
            continue
        for name, code in _SAME:
            if getattr(each, name) != getattr(told, name):
                yield contradiction(code, f"{where}/{name}", getattr(each, name), getattr(told, name), f"{there}/{name}")
        if each.partner not in seen and each.carry_in_g != told.carry_g:
            yield contradiction("carry_differs", f"{where}/carry_in_g", each.carry_in_g, told.carry_g, f"{there}/carry_g")
        seen.add(each.partner)


def _of_caps(terms: DecisionTerms, partners: Sequence[PartnerTerms], claimants: Sequence[Claimant]) -> Iterator[Difference]:
    """A partner's quota and cap go to its requests in turn, by id."""
    offered_g = sum(units.unit_g * units.units for units in terms.offered)
    quota_g = {told.partner: told.quota_left_g for told in partners}
    part = {each.partner: terms.cap or None if each.own_cap is None else each.own_cap for each in partners}
    most_g = {partner: floor(cap * offered_g) for partner, cap in part.items() if cap is not None}
    for each in claimants:
        if each.partner not in quota_g:
            continue
        where, there = f"lines/{each.request}/claimant", f"holdings/partners/{each.partner}"
        within_g = min(each.accepted_g, quota_g[each.partner])
        whole = terms.method.rule_of(each.priority_class) == "quota_capped"
        if not whole and each.accepted_g > within_g:
            yield contradiction("quota_exceeded", f"{where}/accepted_g", each.accepted_g, within_g, f"{there}/quota_left_g")
        quota_g[each.partner] -= within_g
        cap_g = within_g if whole else None
        if (rest_g := most_g.get(each.partner)) is not None:
            cap_g = min(within_g, rest_g)
            most_g[each.partner] = rest_g - cap_g
        if (None if each.cap_g is UNSET else each.cap_g) != cap_g:
            yield contradiction("cap_differs", f"{where}/cap_g", each.cap_g, cap_g, f"terms/cap and {there}")
