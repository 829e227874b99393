"""Allocation rules: who gets how many whole units, exactly, and how each claimant can recompute its own award.

Claims and pools come in (`claims`), a rule says what each is entitled to (`families`; `positions` for iep), and what is entitled is awarded
in whole units (`rounding`), pool by pool and size by size (`iteration`), until everyone who is left reaches its minimum (`apportionment`).
`order` compares rationals without making any.
"""

from services.allocation.domain.rules.apportionment import (
    MAX_CARRY_DENOMINATOR,
    Apportionment,
    Share,
    Turn,
    apportion,
    retrace,
)
from services.allocation.domain.rules.claims import RULES, Claim, Method, Pool, Rule, RuleInputError, counted_g, find_rule, rational
from services.allocation.domain.rules.families import Branch
from services.allocation.domain.rules.iteration import Step, capped
from services.allocation.domain.rules.positions import Group, IepFigures, group_of, largest_restraint, right_g

__all__ = [
    "MAX_CARRY_DENOMINATOR",
    "RULES",
    "Apportionment",
    "Branch",
    "Claim",
    "Group",
    "IepFigures",
    "Method",
    "Pool",
    "Rule",
    "RuleInputError",
    "Share",
    "Step",
    "Turn",
    "apportion",
    "capped",
    "counted_g",
    "find_rule",
    "group_of",
    "largest_restraint",
    "rational",
    "retrace",
    "right_g",
]
