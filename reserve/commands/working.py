"""The working of a sharing, step by step: what `reserve allocate --explain` says."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from services.allocation.domain.rules import Apportionment, Group, Method, Share, Step, Turn


def explain(method: Method, result: Apportionment, group: Group | None, rights_g: Mapping[str, Fraction]) -> Iterator[str]:
    """In the order in which it was worked out. `rights_g`: of all of the group; below 0, obligations."""
    if group is not None:
        yield (
            f"the group may consume {_grams(group.permissible_g)} and has {_grams(group.supplies_g)}: "
            f"{_grams(group.shortfall_g)} are short, which is {group.kappa} of all commitments ({_grams(group.commitments_g)})"
        )
        for name, right_g in rights_g.items():
            yield f"  {name} has {'a right to' if right_g >= 0 else 'an obligation of'} {_grams(abs(right_g))}"
    for tier in sorted({step.priority_class for step in result.steps}, key=lambda tier: -1 if tier is None else tier):
        yield from _tier(method.rule if tier is None else method.rule_of(tier), result, tier)


def _tier(rule: str, result: Apportionment, tier: int | None) -> Iterator[str]:
    """A class, or everyone."""
    members = [share for share in result.shares if tier in (None, share.claim.priority_class)]
    steps = [step for step in result.steps if step.priority_class == tier]
    if tier is not None:
        yield f"class {tier}, by {rule}: {', '.join(share.claim.id for share in members)}"
    last = max(step.iteration for step in steps)
    for iteration in range(last + 1):
        own = [step for step in steps if step.iteration == iteration]
        for step in own:
            got = [f"{share.claim.id} {turn.units:,}{_tie(turn.tie_rank, step)}" for share, turn in _turns(members, own, step)]
            if got:
                pool = f"of {step.pool}, " if len(result.pools) > 1 else ""
                yield f"{pool}in units of {step.unit_g:,} g: {_parameter(rule, step)}"
                yield f"  units: {', '.join(got)}; at last to whoever lacks more than {step.cutoff} of one"
        for share in members:
            if share.iteration == iteration < last:
                minimum, due = _grams(share.claim.minimum_g), _grams(share.entitlement_g)
                yield f"  {share.claim.id}, entitled to {due}, does not reach its minimum of {minimum}, and leaves"
    for share in members:
        yield _outcome(share)


def _turns(members: Sequence[Share], steps: Sequence[Step], step: Step) -> Iterator[tuple[Share, Turn]]:
    """Of those who were in the iteration at its end, or left in it."""
    for share in members:
        own = [each for each in steps if share.claim.pools is None or each.pool in share.claim.pools]
        if share.iteration == step.iteration and step in own:
            yield share, share.turns[own.index(step)]


def _tie(rank: int | None, step: Step) -> str:
    if rank is None or not step.ties_won:
        return ""
    return f" (tied, number {rank + 1} of which {step.ties_won} got one more)"


def _parameter(rule: str, step: Step) -> str:
    amount = step.parameter
    match rule, step.branch:
        case "equal_awards", _:
            return f"each is entitled to {_grams(amount)}, none beyond its claim"
        case "equal_losses", _:
            return f"each falls {_grams(amount)} short of its claim, none below nothing"
        case "talmud", "awards":
            return f"each is entitled to {_grams(amount)}, none beyond half of its claim"
        case "talmud", _:
            return f"half claims are met, and of the other half each falls {_grams(amount)} short, none below nothing"
        case "iep", _:
            return f"each is entitled to {amount} of its right, none beyond its claim"
        case _:
            return f"each is entitled to {amount} of its claim, none beyond its cap"


def _outcome(share: Share) -> str:
    cap = "" if share.claim.cap_g is None else f", capped at {share.claim.cap_g:,} g"
    return (
        f"{share.claim.id}: claim {share.claim.claim_g:,} g{cap}, entitled to {_grams(share.entitlement_g)}, "
        f"carry {_grams(share.claim.carry_g)}, award {share.award_g:,} g, carry now {_grams(share.carry_g)}"
    )


def _grams(amount: Fraction | int) -> str:
    return f"{int(amount):,} g" if amount == int(amount) else f"{amount} g"
