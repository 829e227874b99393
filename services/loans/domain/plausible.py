"""Plausibility: a price or a rate against the last one that is known.

What is further from it than `FURTHEST` times is taken for a slip, whoever signs it. One that did move so far is recorded in steps, each
proposed by one person and signed by another.
"""

from fractions import Fraction

FURTHEST = 2  # times the last one, or one part in so many of it


def too_far(stated: Fraction, known: str | None, amount: int = 1) -> str | None:
    """What would be accepted for so much of it; None: it is near enough, or nothing is known to hold it against."""
    if known is None:
        return None
    last = Fraction(known) * amount
    return None if last / FURTHEST <= stated <= last * FURTHEST else f"{last / FURTHEST} to {last * FURTHEST}"
