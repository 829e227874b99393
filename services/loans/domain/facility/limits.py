"""Limits of a facility: a tree of keys, each of which warns before it is reached."""

from collections.abc import Sequence
from fractions import Fraction

from services.loans.events.facility import Limit

MAX_LIMITS = 400  # all of them must fit in one event


def near(limit: Limit, used_minor: int) -> bool:
    """Whether so much under a limit is to be warned of."""
    return used_minor >= limit.limit_minor * Fraction(limit.warn_at)


def share(text: str) -> Fraction | None:
    """Above zero; None: it is no number, or is not."""
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return number if number > 0 else None


def fault_of_limits(limits: Sequence[Limit]) -> tuple[str, str, str] | None:
    """What is wrong, its field, and what would do. Limits are a tree: one root, each parent there, no key twice, no circle."""
    parents = {limit.key: limit.parent for limit in limits}
    if len(parents) < len(limits) or not 0 < len(limits) <= MAX_LIMITS:
        return "a key is named twice, or there are too many", "/limits", f"1 to {MAX_LIMITS} limits, each key once"
    if sum(parent is None for parent in parents.values()) != 1:
        return "there is not one root", "/limits", "one limit without a parent"
    for place, limit in enumerate(limits):
        warn_at = share(limit.warn_at)
        if warn_at is None or warn_at > 1:
            return f"{limit.key} warns at {limit.warn_at!r}", f"/limits/{place}/warn_at", 'a share such as "9/10"'
        seen = {limit.key}
        above = limit.parent
        while above is not None:
            if above not in parents or above in seen:
                return f"{limit.key} does not stand under the root", f"/limits/{place}/parent", "a tree"
            seen.add(above)
            above = parents[above]
    return None
