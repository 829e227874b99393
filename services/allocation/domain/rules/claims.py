"""What comes into a round: claims, pools, and the method by which they are shared."""

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from shared.journal.record import MAX_INTEGER

_RATIONAL = re.compile(r"(0|-?[1-9][0-9]{0,399})(/[1-9][0-9]{0,399})?")


class Rule(msgspec.Struct, frozen=True):
    """`by_class`: each class shares what those before it have left, by a rule of its own. `by_right`: it goes by allocation rights."""

    by_class: bool = False
    by_right: bool = False


RULES: Mapping[str, Rule] = {
    "equal_awards": Rule(),
    "equal_losses": Rule(),
    "iep": Rule(by_right=True),
    "priority": Rule(by_class=True),
    "pro_rata": Rule(),
    "quota_capped": Rule(),
    "talmud": Rule(),
}


class RuleInputError(ValueError):
    """Input that no rule takes. `code` is stable, `field` names the culprit, `accepted` says what would do."""

    def __init__(self, code: str, field: str, detail: str, accepted: str) -> None:
        super().__init__(f"{field}: {detail} (accepted: {accepted})")
        self.code = code
        self.field = field
        self.detail = detail
        self.accepted = accepted


class Claim(msgspec.Struct, frozen=True):
    """One claim on a round. `carry_g`: what rounding owes the claimant (negative: what it had too much) from earlier rounds."""

    id: str
    claim_g: int
    carry_g: Fraction = Fraction(0)
    minimum_g: int = 0
    priority_class: int = 0  # 0 is served first; only rules that go by class look at it
    cap_g: int | None = None  # the most that it may get; what that holds back goes to the others
    right_g: Fraction | None = None  # its allocation right, for iep: 0 or more
    pools: tuple[str, ...] | None = None  # those that it may have of; None: all


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the supply. `units`: unit size in grams -> whole units of it."""

    id: str
    units: Mapping[int, int]
    kind: Literal["lots", "rights"] = "lots"


class Method(msgspec.Struct, frozen=True):
    """How a round is shared. `inside`: for `priority`, the rule of each class, by class ("0"); "" is for all others, which else share pro
    rata."""

    rule: str
    inside: Mapping[str, str] = {}

    def rule_of(self, priority_class: int) -> str:
        return self.inside.get(str(priority_class), self.inside.get("", "pro_rata")) if self.by_class else self.rule

    @property
    def by_class(self) -> bool:
        return RULES[self.rule].by_class


def find_rule(name: str, field: str = "rule") -> Rule:
    """Raises `RuleInputError`."""
    if name not in RULES:
        raise RuleInputError("rule_unknown", field, f"there is no rule {name!r}", ", ".join(RULES))
    return RULES[name]


def pools_in_order(pools: Sequence[Pool], claims: Collection[Claim]) -> list[Pool]:
    """Those that the fewest may have of come first, so that whoever may have of few is not left without by those who may have of many;
    lots come before rights."""
    eligible = {pool.id: 0 for pool in pools}
    for claim in claims:
        for id in eligible if claim.pools is None else claim.pools:
            eligible[id] += 1
    return sorted(pools, key=lambda pool: (eligible[pool.id], pool.kind == "rights", pool.id.encode()))


class Counted(msgspec.Struct, frozen=True, gc=False):
    """What of a claim counts when it has come so far: all that can be shipped of it, and the most that it may be given."""

    claim_g: int
    most_g: int


def counted(claim: Claim, sizes: Sequence[int], limit_g: int | None = None) -> list[Counted]:
    """What counts at each of the claim's steps, whose unit sizes come in their order. `limit_g`: a cap beside the claim's own.

    What cannot be shipped is not owed: claim and cap count in whole units of the sizes seen so far. A minimum out of reach counts as no
    claim.
    """
    most = min(grams for grams in (claim.claim_g, claim.cap_g, limit_g) if grams is not None)
    found: list[Counted] = []
    whole_g, most_g, seen = 0, 0, list[int]()
    for unit_g in sizes:
        if unit_g not in seen:
            seen = sorted([*seen, unit_g], reverse=True)
            whole_g, most_g = max(whole_g, _whole_g(claim.claim_g, seen)), max(most_g, _whole_g(most, seen))
        found.append(Counted(whole_g, most_g))
    return found if most_g >= claim.minimum_g else [Counted(0, 0)] * len(found)


def counted_g(claim: Claim, sizes: Sequence[int]) -> int:
    """The most that a claim can be given in units of these sizes; nothing if that is below its minimum."""
    return found[-1].most_g if (found := counted(claim, sizes)) else 0


def rational(text: str) -> Fraction:
    """A rational from its one spelling: "7/3", "-2", "0"; in lowest terms, no spaces, no exponents. Raises ValueError."""
    if not _RATIONAL.fullmatch(text) or str(value := Fraction(text)) != text:
        raise ValueError("not a rational in lowest terms, such as 7/3")
    return value


def _whole_g(grams: int, sizes: Sequence[int]) -> int:
    rest = grams
    for unit_g in sizes:
        rest %= unit_g
    return grams - rest


def require_sound(method: Method, pools: Sequence[Pool], claims: Collection[Claim]) -> None:
    """Raises `RuleInputError`."""
    find_rule(method.rule)
    for tier, name in method.inside.items():
        if find_rule(name, f"inside.{tier}").by_class:
            raise RuleInputError("rule_unknown", f"inside.{tier}", "classes have no classes", "any rule but priority")
    _require_pools(pools)
    names = {pool.id for pool in pools}
    for claim in claims:
        if not claim.id.isprintable() or not claim.id:
            raise RuleInputError("claim_id_invalid", "claims", f"{claim.id!r} is no id", "one or more printable characters")
        for part, value in (("", claim.claim_g), (".minimum", claim.minimum_g), (".priority_class", claim.priority_class)):
            if type(value) is not int or not 0 <= value <= MAX_INTEGER:
                require_whole(f"claims.{claim.id}{part}", value)
        if claim.cap_g is not None:
            require_whole(f"claims.{claim.id}.cap", claim.cap_g)
        if claim.pools is not None and not names.issuperset(claim.pools):
            raise RuleInputError("pool_unknown", f"claims.{claim.id}.pools", "there is no such pool", ", ".join(sorted(names)))
        if method.rule_of(claim.priority_class) == "iep" and (claim.right_g is None or claim.right_g < 0):
            raise RuleInputError("position_missing", f"positions.{claim.id}", "iep needs a position", "base:commitment:production:imports")
    if len({claim.id for claim in claims}) < len(claims):
        raise RuleInputError("claim_duplicate", "claims", "an id comes twice", "each id once")


def _require_pools(pools: Sequence[Pool]) -> None:
    if not any(pool.units for pool in pools):
        raise RuleInputError("supply_missing", "supply", "no unit size is offered", "at least one unit size, with 0 or more units")
    if len({pool.id for pool in pools}) < len(pools):
        raise RuleInputError("pool_duplicate", "pools", "a pool comes twice", "each id once")
    for pool in pools:
        for unit_g, units in pool.units.items():
            require_whole("unit", unit_g, least=1)
            require_whole("units", units)
    require_whole("supply", sum(unit_g * units for pool in pools for unit_g, units in pool.units.items()))


def require_whole(field: str, value: int, least: int = 0) -> None:
    if type(value) is not int or not least <= value <= MAX_INTEGER:  # also what only claims to be an int: True, 1.5, NaN
        raise RuleInputError("quantity_out_of_range", field, f"{value!r} is out of range", f"a whole number from {least} to {MAX_INTEGER}")
