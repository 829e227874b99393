"""Whether a decision file is what it says: decided again, whole by an auditor, and by a partner as far as its own lines go.

Of a sealed decision (the third form) that is not far: what its award came from tells of others. A partner sees that its line is one of
those that were decided, and that its award is within what any rule may give it; that it is what this rule gives, auditors see, and who
certified it attests.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest

import msgspec
from msgspec import UNSET

from services.allocation.domain.decisions.composing import claim_of, compose, line_of, stages_of
from services.allocation.domain.decisions.decision import (
    ONE_POOL,
    Decision,
    DecisionFile,
    DecisionLine,
    Opened,
    PublishedPool,
    canonical_document,
    commitment,
)
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.decisions.sealed import OwnClaimant, OwnFile, OwnLine, View
from services.allocation.domain.rules import Group, RuleInputError, find_rule, retrace


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner could verify. What it could not is listed as such and never under `passed`."""

    passed: tuple[str, ...]
    failed: tuple[Difference, ...]
    not_checkable: tuple[str, ...]


def recompute(file: DecisionFile) -> list[Difference]:
    """An auditor's check: decide again from the file's own inputs and compare everything, commitments included. [] means equal.

    Whether the inputs are the right ones (requests, agreements, carries of the decision before) is for the journal to say, not for this
    file.
    """
    if file.holdings is None:
        return [Difference("holdings", None, "an opened commitment")]
    claimants = [Opened(salt=line.salt, content=line.content.claimant) for line in file.lines]
    try:
        again = compose(file.decision.terms, file.holdings, claimants)
    except RuleInputError as error:
        return [Difference(error.field, error.detail, error.accepted)]
    return list(_differences("", _plain(file), _plain(again)))


def recompute_own(view: View) -> Checked:
    """A partner's check of its own lines, from them and the published part alone."""
    return _check_sealed(view) if isinstance(view, OwnFile) else _retrace_own(view)


def _check_sealed(view: OwnFile) -> Checked:
    passed: list[str] = []
    failed: list[Difference] = []
    not_checkable = [f"{part}: {why}" for part, why in _SEALED] + ([] if view.lines else [_NO_LINE])
    committed = frozenset(view.decision.lines)
    for line in view.lines:
        told, name = line.content, f"lines/{line.content.claimant.request}"
        not_checkable += [f"{name}/claimant/{part}: {why}" for part, why in _NOT_IN_A_LINE if part in OwnClaimant.__struct_fields__]
        not_checkable += [f"{name}/{part}: {why}" for part, why in _NOT_IN_A_SEALED_LINE]
        if (found := commitment(line)) not in committed:
            failed.append(Difference(f"{name}/commitment", None, found))
        else:
            passed.append(f"{name}/commitment")
        if beyond := list(_beyond_bounds(name, told)):
            failed += beyond
            continue
        passed += [f"{name}/bounds", f"{name}/days_of_cover"]
        if told.award_g == _most_g(told.claimant):
            passed.append(f"{name}/in_full")
    return Checked(passed=tuple(passed), failed=tuple(failed), not_checkable=tuple(not_checkable))


def _beyond_bounds(name: str, line: OwnLine) -> Iterator[Difference]:
    """What no rule gives, whatever others have claimed."""
    claimant, award_g = line.claimant, line.award_g
    if claimant.accepted_g > claimant.asked_g:
        yield Difference(f"{name}/claimant/accepted_g", str(claimant.accepted_g), f"at most {claimant.asked_g}")
    if award_g > (most_g := _most_g(claimant)):
        yield Difference(f"{name}/award_g", str(award_g), f"at most {most_g}")
    if 0 < award_g < claimant.minimum_g:
        yield Difference(f"{name}/award_g", str(award_g), f"nothing, or {claimant.minimum_g} and more")
    if (taken_g := sum(take.unit_g * take.units for take in line.takes)) != award_g:
        yield Difference(f"{name}/takes", str(taken_g), str(award_g))
    if strange := sorted({take.pool for take in line.takes} - set(claimant.pools)):
        yield Difference(f"{name}/takes", ", ".join(strange), ", ".join(claimant.pools))
    days = Fraction(award_g, claimant.daily_consumption_g) if claimant.daily_consumption_g else None
    if line.days_of_cover != days:
        yield Difference(f"{name}/days_of_cover", str(line.days_of_cover), str(days))


def _most_g(claimant: OwnClaimant) -> int:
    return claimant.accepted_g if claimant.cap_g is None else min(claimant.accepted_g, claimant.cap_g)


def _retrace_own(view: DecisionFile) -> Checked:
    passed: list[str] = []
    failed: list[Difference] = []
    decision = view.decision
    not_checkable = [
        "steps: the parameters, cut-offs and order of ties come from all claims",
        "left_g: needs all awards",
        "holdings: not open in this file",
    ]
    if decision.terms.pools:
        not_checkable.append("terms/pools: what is in a pool, and their order, come from the holdings and all claims")
    if decision.group:
        not_checkable.append("group: comes from the positions of all of the group")
    if not view.lines:
        not_checkable.append(_NO_LINE)
    committed = frozenset(decision.lines)
    for line in view.lines:
        name = f"lines/{line.content.claimant.request}"
        told = [(part, why) for part, why in _NOT_IN_A_LINE if getattr(line.content.claimant, part) is not UNSET]
        not_checkable += [f"{name}/claimant/{part}: {why}" for part, why in told]
        if (found := commitment(line)) not in committed:
            failed.append(Difference(f"{name}/commitment", None, found))
        else:
            passed.append(f"{name}/commitment")
        try:
            again = _retrace(decision, line.content)
        except RuleInputError as error:
            if error.code == "rule_unknown":
                not_checkable.append(f"{name}: this version does not know the rule {decision.terms.rule}")
            else:
                failed.append(Difference(f"{name}/{error.field}", error.detail, error.accepted))
            continue
        differences = list(_differences(name, _plain(line.content), _plain(again)))
        failed += differences
        outcome = [part for part in _OUTCOME if getattr(line.content, part) is not UNSET]
        passed += [f"{name}/{part}" for part in outcome if not any(found.where.startswith(f"{name}/{part}") for found in differences)]
    return Checked(passed=tuple(passed), failed=tuple(failed), not_checkable=tuple(not_checkable))


_NO_LINE = "lines: none is open in this file"
_SEALED = (
    ("working", "what is offered and left, and the rule's parameters, tell of others: they are for auditors, and for who certified it"),
    ("holdings", "not open in this file"),
    ("decision/lines", "of the others only their commitments are in the file, and how many of these are blank is for auditors"),
)
_NOT_IN_A_SEALED_LINE = (
    ("award_g", "that the rule gives so much comes from all claims; that nothing forbids it is compared"),
    ("takes", "which pools it is of comes from all claims; that they add up to the award is compared"),
    ("working", "what it was entitled to, and what rounding owes it, come from all claims"),
)
_OUTCOME = ("right_g", "entitlement_g", "award_g", "takes", "carry_out_g", "days_of_cover", "turns")
_NOT_IN_A_LINE = (
    ("carry_in_g", "comes from an earlier decision"),
    ("cap_g", "comes from the quota that is left, and from the policy"),
    ("pools", "what is fit for a request comes from the holdings"),
    ("part_of_right", "comes from all requests of the partner"),
)


def _retrace(decision: Decision, line: DecisionLine) -> DecisionLine:
    terms, claimant = decision.terms, line.claimant
    find_rule(terms.rule)
    group = decision.group if isinstance(decision.group, Group) else None
    pools = terms.pools or (PublishedPool(pool=ONE_POOL, kind="lots", restricted="", offered=terms.offered),)
    method = terms.method
    tier = claimant.priority_class if method.by_class else None
    stages = stages_of(claimant, pools)
    named = {pool for pool, _ in stages} if terms.pools else {UNSET}
    own = [step for step in decision.steps if (step.priority_class, step.iteration) == (tier, line.iteration) and step.pool in named]
    if [step.unit_g for step in own] != [unit_g for _, unit_g in stages]:
        raise RuleInputError("steps_unfit", "steps", "the steps do not go through the sizes on offer", "a step for each, largest first")
    ranks = [turn.tie_rank for turn in line.turns]
    share = retrace(method, claim_of(terms, group, claimant), decision.steps, line.iteration, ranks)
    return line_of(terms, pools, group, claimant, share)


def _differences(where: str, stated: object, computed: object) -> Iterator[Difference]:
    match stated, computed:
        case dict(), dict():
            for key in sorted(stated.keys() | computed.keys()):
                yield from _differences(f"{where}/{key}".lstrip("/"), stated.get(key), computed.get(key))
        case list(), list():
            for place, (left, right) in enumerate(zip_longest(stated, computed)):
                yield from _differences(f"{where}/{place}", left, right)
        case _ if stated != computed:
            yield Difference(where, None if stated is None else str(stated), None if computed is None else str(computed))


def _plain(document: msgspec.Struct) -> object:
    return msgspec.json.decode(canonical_document(document))
