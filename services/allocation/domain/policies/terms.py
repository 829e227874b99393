"""What a policy cannot say: each fault with its field, and with what would do."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from services.allocation.domain.rules import RULES, rational
from services.allocation.events.policies import Clocks, EmergencyTerms, PolicyTerms
from services.allocation.events.rounds import QuorumStep, RoundMethod
from shared.journal.decider import Reasons, Refused

MAX_APPROVALS = 10
MAX_RELEASE_DAYS = 366
MAX_QUORUM_DAYS = 366
MAX_CARRY_YEARS = 10
MAX_CLASS = 9
MAX_RATIFY_HOURS = 720
MAX_CLOCK_DAYS = 3660
BY_CLASS, BY_POSITION = "priority", "iep"  # rules that need more of a method, or of a round
STANDARD, EMERGENCY = "standard", "emergency"  # the classes of clocks

STANDARD_CLOCKS = {
    STANDARD: Clocks(screened=5, decided=15, secured=20, cleared=25, dispatched=27, delivered=30),
    EMERGENCY: Clocks(screened=1, decided=2, secured=3, cleared=4, dispatched=5, delivered=8),
}
STANDARD_TERMS = PolicyTerms(
    method=RoundMethod(rule="pro_rata"),
    protected_g={},
    quorum=(QuorumStep(above_g=0, approvals=1),),
    emergency=None,
    clocks=STANDARD_CLOCKS,
    release_days=90,
    carry_years=2,
    largest_minimum="1",
)
_OTHERS = ""  # of `Method.inside`: every class that is not named


class Reason(Reasons):
    """Why terms are refused. Each value is the `code` of an RFC 9457 problem."""

    RULE_UNKNOWN = "rule_unknown", 422, "There is no such rule"
    INSIDE_INVALID = "policy_inside_invalid", 422, "Invalid inner rule"
    CAP_INVALID = "policy_cap_invalid", 422, "Invalid cap"
    RESTRAINT_INVALID = "policy_restraint_invalid", 422, "Invalid demand restraint"
    QUORUM_INVALID = "policy_quorum_invalid", 422, "Invalid quorum"
    EMERGENCY_INVALID = "policy_emergency_invalid", 422, "Invalid emergency path"
    CLOCKS_INVALID = "policy_clocks_invalid", 422, "The clocks are out of order"
    RELEASE_DAYS_INVALID = "release_days_invalid", 422, "The release period is too long"
    CARRY_YEARS_INVALID = "policy_carry_years_invalid", 422, "Rounding carries are kept for too long"
    MINIMUM_INVALID = "policy_minimum_invalid", 422, "Invalid largest minimum"


type Fault = Refused[Reason]


def fault_of(terms: PolicyTerms) -> Fault | None:
    """The first thing that is wrong."""
    checks: tuple[Callable[[], Fault | None], ...] = (
        lambda: _method(terms.method),
        lambda: _quorum(terms.quorum),
        lambda: _emergency(terms.emergency),
        lambda: _clocks(terms),
        lambda: _within("/terms/release_days", terms.release_days, MAX_RELEASE_DAYS, Reason.RELEASE_DAYS_INVALID, "days"),
        lambda: _within("/terms/carry_years", terms.carry_years, MAX_CARRY_YEARS, Reason.CARRY_YEARS_INVALID, "years"),
        lambda: _within("/terms/quorum_days", terms.quorum_days, MAX_QUORUM_DAYS, Reason.QUORUM_INVALID, "days"),
        lambda: _largest_minimum(terms.largest_minimum),
    )
    return next((fault for check in checks if (fault := check()) is not None), None)


def admits(largest_minimum: str, minimum_g: int, accepted_g: int) -> bool:
    """Whether a request may insist on so much of what was accepted."""
    return minimum_g == 0 or minimum_g <= rational(largest_minimum) * accepted_g  # most insist on nothing


def _method(method: RoundMethod) -> Fault | None:
    at = "/terms/method"
    if method.rule not in RULES:
        return _unknown_rule(f"{at}/rule", method.rule)
    if method.inside and method.rule != BY_CLASS:
        return Refused(Reason.INSIDE_INVALID, f"{method.rule} does not go by class", f"{at}/inside", "no rule inside")
    for tier, rule in sorted(method.inside.items()):
        field = f"{at}/inside/{tier}"
        if tier != _OTHERS and tier not in _CLASSES:
            return Refused(Reason.INSIDE_INVALID, f"{tier!r} is no class", field, f"0 to {MAX_CLASS}, or an empty name for all others")
        if rule not in RULES:
            return _unknown_rule(field, rule)
        if rule == BY_CLASS:
            return Refused(Reason.INSIDE_INVALID, f"{rule} goes by class itself", field, "a rule that does not go by class")
    caps = [(f"{at}/cap", method.cap)] if method.cap is not None else []
    for field, cap in caps + [(f"{at}/caps/{partner}", cap) for partner, cap in sorted(method.caps.items())]:
        if not _is_part(cap, least=0):
            return Refused(Reason.CAP_INVALID, f"{cap!r} is no part of a supply", field, "a rational from 0 to 1, such as 2/5")
    return _restraint(method)


def _restraint(method: RoundMethod) -> Fault | None:
    goes_by_positions = BY_POSITION in (method.rule, *method.inside.values())
    field = "/terms/method/restraint"
    if goes_by_positions and (method.restraint is None or not _is_part(method.restraint, least=Fraction(1, 100))):
        return Refused(Reason.RESTRAINT_INVALID, "iep goes by a part of base consumption", field, "a rational up to 1, such as 93/100")
    if not goes_by_positions and method.restraint is not None:
        return Refused(Reason.RESTRAINT_INVALID, "no rule of this method knows a restraint", field, "none, or the rule iep")
    return None


def _quorum(quorum: tuple[QuorumStep, ...]) -> Fault | None:
    if not quorum or quorum[0].above_g != 0:
        return Refused(Reason.QUORUM_INVALID, "there is no first step", "/terms/quorum", "a first step above 0 g")
    for place, step in enumerate(quorum):
        if not 1 <= step.approvals <= MAX_APPROVALS:
            return Refused(
                Reason.QUORUM_INVALID, "a decision needs approval", f"/terms/quorum/{place}/approvals", f"1 to {MAX_APPROVALS} approvals"
            )
    for place, (lower, upper) in enumerate(pairwise(quorum), start=1):
        if upper.above_g <= lower.above_g or upper.approvals < lower.approvals:
            return Refused(
                Reason.QUORUM_INVALID,
                "a later step is for more, and asks for no fewer",
                f"/terms/quorum/{place}",
                f"above more than {lower.above_g} g, {lower.approvals} approvals or more",
            )
    return None


def _emergency(emergency: EmergencyTerms | None) -> Fault | None:
    if emergency is None:
        return None
    if not 1 <= emergency.ratify_within_hours <= MAX_RATIFY_HOURS:
        return Refused(Reason.EMERGENCY_INVALID, "out of range", "/terms/emergency/ratify_within_hours", f"1 to {MAX_RATIFY_HOURS} hours")
    if emergency.max_g < 1:
        return Refused(Reason.EMERGENCY_INVALID, "nothing could be released", "/terms/emergency/max_g", "1 g or more, or no emergency")
    return None


def _clocks(terms: PolicyTerms) -> Fault | None:
    needed = {STANDARD} | ({EMERGENCY} if terms.emergency is not None else set())
    if missing := sorted(needed - terms.clocks.keys()):
        return Refused(Reason.CLOCKS_INVALID, f"the class {missing[0]} has none", "/terms/clocks", ", ".join(sorted(needed)))
    for name, clocks in sorted(terms.clocks.items()):
        steps = [(step, getattr(clocks, step)) for step in clocks.__struct_fields__]
        for step, days in steps:
            if not 0 <= days <= MAX_CLOCK_DAYS:
                return Refused(Reason.CLOCKS_INVALID, f"{days} days", f"/terms/clocks/{name}/{step}", f"0 to {MAX_CLOCK_DAYS} days")
        for (before, least), (step, days) in pairwise(steps):
            if days < least:
                return Refused(
                    Reason.CLOCKS_INVALID, f"{step} comes before {before}", f"/terms/clocks/{name}/{step}", f"{least} days or more"
                )
    return None


def _largest_minimum(text: str) -> Fault | None:
    if _is_part(text, least=Fraction(1, 1_000_000)):
        return None
    return Refused(Reason.MINIMUM_INVALID, f"{text!r} is no part of a request", "/terms/largest_minimum", "a rational above 0, up to 1")


def _within(field: str, value: int, most: int, reason: Reason, unit: str) -> Fault | None:
    return None if 1 <= value <= most else Refused(reason, f"{value} is out of range", field, f"1 to {most} {unit}")


def _is_part(text: str, least: Fraction | int) -> bool:
    try:
        return least <= rational(text) <= 1
    except ValueError:
        return False


def _unknown_rule(field: str, rule: str) -> Fault:
    return Refused(Reason.RULE_UNKNOWN, f"there is no rule {rule!r}", field, ", ".join(sorted(RULES)))


_CLASSES = frozenset(str(tier) for tier in range(MAX_CLASS + 1))
