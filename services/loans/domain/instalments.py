"""Instalments: how much is paid each time, in whole minor units and without an inexact step on the way."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm


def round_half_even(amount: Fraction) -> int:
    return half_even(amount.numerator, amount.denominator)


def half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator (which is positive), rounded to the even one of two that are as near."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + 1 if twice > denominator or (twice == denominator and whole & 1) else whole


def equal_instalment_minor(balance_minor: int, factors: Sequence[Fraction]) -> int:
    """What, paid at the end of each remaining period, leaves nothing: P * prod(f_i) / sum_k(prod_{j>k} f_j), where each period's factor f
    is 1 + rate * year fraction. Rounded: the last instalment takes what rounding leaves. `factors` are those of the remaining periods."""
    basis = lcm(*(factor.denominator for factor in factors))
    first, *later = [factor.numerator * (basis // factor.denominator) for factor in factors]
    return half_even(*level_payment(balance_minor * first, later, basis))


def level_payment(owed: int, later: Sequence[int], basis: int, left: int = 0, weights: Sequence[int] | None = None) -> tuple[int, int]:
    """The payment x, as a numerator and a denominator, that brings what is owed at the end of this period to `left` after the last one.

    `owed` and the `later` periods' factors are whole numbers of 1/basis; x is paid now and at the end of each later period, times its
    weight where `weights` (one more than `later`) are given. Whole numbers only: a reduced fraction would cost a gcd of thousands of
    digits a period.
    """
    grown, scale = owed, 1
    payments = 1 if weights is None else weights[0]
    for number, factor in enumerate(later, 1):
        grown *= factor
        scale *= basis
        payments = payments * factor + (scale if weights is None else weights[number] * scale)
    return grown - left * scale * basis, payments * basis
