"""Backtest: rounds decided again under other policies, to see who would have got what, how many days that buys, and what stays unused.

A case is a round that was held, as its decision file has it, or one of a scenario. It is decided by the code that decides rounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction

import msgspec

from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import Claimant, DecisionFile, DecisionTerms, Opened, PublishedPool
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.policies.scenario import AskedFor, Scenario, ScenarioRound
from services.allocation.domain.policies.terms import BY_POSITION, admits
from services.allocation.domain.rules import IepFigures, RuleInputError, rational
from services.allocation.domain.rules.cover import days_of_cover
from services.allocation.events.policies import PolicyTerms
from services.allocation.events.rounds import RoundMethod

PART_PER_MILLION = 1_000_000
_NO_SALT = "0" * 32  # nothing here is published


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`claimants`: without the caps of the method that they were decided by; a quota stays."""

    name: str  # "rnd_01j...", "japan-2026"
    product: str
    day: date
    pools: tuple[PublishedPool, ...]
    claimants: tuple[Claimant, ...]
    positions: tuple[IepFigures, ...] = ()


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What one request gets."""

    request: str
    partner: str
    claim_g: int
    award_g: int
    days_of_cover: str | None  # tenths of days, rounded down; None: it stated no consumption


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a method makes of a case. `days_total` sums what each award buys at its own stated consumption, `days_least` is the least of
    them. `gini`: of the parts of claims that are met, 0 where all are met alike, to three digits."""

    given: tuple[Given, ...]
    offered_g: int
    unused_g: int
    days_total: str
    days_least: str
    gini: str


class NotDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The method cannot decide the case: it lacks something, such as positions."""

    code: str
    why: str


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    case: str
    product: str
    day: date
    outcomes: dict[str, BacktestResult | NotDecided]  # by policy, in the order in which they were asked about


def cases_of(scenario: Scenario) -> list[Case]:
    return [_case_of(scenario, round) for round in scenario.rounds]


def case_of(file: DecisionFile, day: date) -> Case:
    """A round that was held, from its whole file."""
    terms = file.decision.terms
    claimants = (line.content.claimant for line in file.lines)
    positions = file.holdings.content.positions if file.holdings is not None else ()
    return Case(
        name=terms.round,
        product=terms.product,
        day=day,
        pools=terms.pools or (_one_pool(terms.offered),),
        claimants=tuple(
            each if terms.method.rule_of(each.priority_class) == "quota_capped" else msgspec.structs.replace(each, cap_g=None)
            for each in claimants
        ),
        positions=positions or (),
    )


def try_out(cases: Iterable[Case], policies: Mapping[str, PolicyTerms]) -> list[Tried]:
    """Every case under every policy."""
    return [
        Tried(
            case=case.name,
            product=case.product,
            day=case.day,
            outcomes={policy: decide_again(case, terms) for policy, terms in policies.items()},
        )
        for case in cases
    ]


def decide_again(case: Case, policy: PolicyTerms) -> BacktestResult | NotDecided:
    """A request that insists on more than the policy allows gets nothing."""
    method = policy.method
    admitted = [each for each in case.claimants if admits(policy.largest_minimum, each.minimum_g, each.accepted_g)]
    goes_by_positions = BY_POSITION in (method.rule, *method.inside.values())
    positions = {position.partner: position for position in case.positions}
    claimants = [
        msgspec.structs.replace(claimant, position=positions.get(claimant.partner) if goes_by_positions else None)
        for claimant in capped(admitted, method, _offered_g(case.pools))
    ]
    terms = DecisionTerms(
        round=case.name,
        product=case.product,
        rule=method.rule,
        inside=method.inside,
        cap=None if method.cap is None else rational(method.cap),
        restraint=None if method.restraint is None else rational(method.restraint),
        policy="tried",
        policy_version=1,
        disruption=None,
        pools=case.pools,
    )
    holdings = Holdings(available_g=0, protected_g=0, positions=case.positions if goes_by_positions else ())
    try:
        file = compose(terms, _unsalted(holdings), [_unsalted(claimant) for claimant in claimants])
    except RuleInputError as error:
        return NotDecided(code=error.code, why=f"{error.field}: {error.detail}")
    award_g = {line.content.claimant.request: line.content.award_g for line in file.lines}
    given = tuple(_given(claimant, award_g.get(claimant.request, 0)) for claimant in case.claimants)
    return _outcome(given, _offered_g(case.pools), file.decision.left_g)


def capped(claimants: Sequence[Claimant], method: RoundMethod, offered_g: int) -> list[Claimant]:
    """With what each may get at most: a partner's cap is a part of what is offered, and goes to its requests in turn."""
    room_g: dict[str, int] = {}
    found = []
    for claimant in sorted(claimants, key=lambda claimant: claimant.request):
        share = method.caps.get(claimant.partner, method.cap)  # type: ignore[call-overload]  # a code is a str
        if share is None:
            found.append(claimant)
            continue
        left_g = room_g.setdefault(claimant.partner, int(rational(share) * offered_g))
        own_g = claimant.accepted_g if not isinstance(claimant.cap_g, int) else min(claimant.accepted_g, claimant.cap_g)
        cap_g = min(own_g, left_g)
        room_g[claimant.partner] = left_g - cap_g
        found.append(msgspec.structs.replace(claimant, cap_g=cap_g))
    return found


def _case_of(scenario: Scenario, round: ScenarioRound) -> Case:
    positions = {asked.partner: _position(asked) for asked in round.requests if asked.position is not None}
    return Case(
        name=scenario.name,
        product=round.product,
        day=scenario.day,
        pools=(_one_pool((Units(unit_g=round.unit_g.value, units=round.units.value),)),),
        claimants=tuple(_claimant(asked) for asked in round.requests),
        positions=tuple(positions[partner] for partner in sorted(positions)),
    )


def _claimant(asked: AskedFor) -> Claimant:
    return Claimant(
        request=asked.request,
        partner=asked.partner,
        agreement=None,
        agreement_version=None,
        asked_g=asked.mass_g.value,
        accepted_g=asked.mass_g.value,
        minimum_g=asked.minimum_g.value,
        priority_class=asked.priority_class,
        daily_consumption_g=asked.daily_consumption_g.value,
    )


def _position(asked: AskedFor) -> IepFigures:
    assert asked.position is not None, "only where there is one"
    grams = {part: getattr(asked.position, part).value for part in asked.position.__struct_fields__}
    return IepFigures(partner=asked.partner, source="the scenario", **grams)


def _one_pool(offered: tuple[Units, ...]) -> PublishedPool:
    return PublishedPool(pool="lots", kind="lots", restricted="", offered=offered)


def _offered_g(pools: Iterable[PublishedPool]) -> int:
    return sum(units.unit_g * units.units for pool in pools for units in pool.offered)


def _unsalted[T](content: T) -> Opened[T]:
    return Opened(salt=_NO_SALT, content=content)


def _given(claimant: Claimant, award_g: int) -> Given:
    daily_g = claimant.daily_consumption_g
    return Given(
        request=claimant.request,
        partner=claimant.partner,
        claim_g=claimant.accepted_g,
        award_g=award_g,
        days_of_cover=days_of_cover(award_g, daily_g) if daily_g else None,
    )


def _outcome(given: tuple[Given, ...], offered_g: int, unused_g: int) -> BacktestResult:
    tenths = [int(each.days_of_cover.replace(".", "")) for each in given if each.days_of_cover is not None]
    return BacktestResult(
        given=given,
        offered_g=offered_g,
        unused_g=unused_g,
        days_total=_of_tenths(sum(tenths)),
        days_least=_of_tenths(min(tenths, default=0)),
        gini=_gini([PART_PER_MILLION * each.award_g // each.claim_g for each in given if each.claim_g]),
    )


def _of_tenths(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def _gini(met: list[int]) -> str:
    """Half the mean difference over the mean, of parts per million."""
    if not (total := sum(met)):
        return "0.000"
    ranked = sum((2 * place - len(met) + 1) * part for place, part in enumerate(sorted(met)))
    return f"0.{Fraction(1000 * ranked, len(met) * total).__floor__():03}"
