"""Instalments: how much is paid each time, in whole minor units and without an inexact step on the way."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat

_ONE = 2**128  # a discount of 1, where discounts are rounded down
_LEVEL = (1,)


def round_half_even(amount: Fraction) -> int:
    return half_even(amount.numerator, amount.denominator)


def half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator (which is positive), rounded to the even one of two that are as near."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + 1 if twice > denominator or (twice == denominator and whole & 1) else whole


def level_payments(owed: int, later: Sequence[int], basis: int, *, left: int = 0, weights: Sequence[int] | None = None) -> list[int]:
    """The payments, now and at the end of each later period, that bring what is owed now to `left` after the last one. They stand to each
    other as the `weights`; without, there is one for all.

    `owed`, and the `later` periods' factors, are whole numbers of 1/`basis`, and `left` is not more than what is owed. Discounts that are
    rounded down give two bounds of each payment. Nearly always both round to the same; where not, all is worked out in full, with numbers
    of some thousand digits.
    """
    discount, total = _ONE, _ONE if weights is None else weights[0] * _ONE
    for factor, weight in zip(later, repeat(1) if weights is None else weights[1:], strict=False):
        discount = discount * basis // factor
        total += weight * discount
    # A factor is at least 1, so each discount is too low by less than 1 a step.
    payments = len(later) + 1
    too_low = payments * (payments if weights is None else sum(weights))
    lower = owed * _ONE - left * basis * (discount + payments), basis * (total + too_low)
    upper = owed * _ONE - left * basis * discount, basis * total
    least, most = _rounded(*lower, weights), _rounded(*upper, weights)
    return least if least == most else _rounded(*exact_payment(owed, later, basis, left, weights), weights)


def exact_payment(owed: int, later: Sequence[int], basis: int, left: int, weights: Sequence[int] | None) -> tuple[int, int]:
    """The payment of weight 1, as a numerator and a denominator: whole numbers only, since to reduce a fraction costs a gcd a period."""
    grown, scale = owed, 1
    payments = 1 if weights is None else weights[0]
    for number, factor in enumerate(later, 1):
        grown *= factor
        scale *= basis
        payments = payments * factor + (scale if weights is None else weights[number] * scale)
    return grown - left * scale * basis, payments * basis


def _rounded(payment: int, divisor: int, weights: Sequence[int] | None) -> list[int]:
    by_weight = {weight: half_even(payment * weight, divisor) for weight in set(weights or _LEVEL)}
    return [by_weight[weight] for weight in weights or _LEVEL]


def step_weights(factor: Fraction, step_periods: int, first: int, count: int) -> list[int]:
    """How so many instalments from the `first` on stand to each other, if each `step_periods` they are multiplied by the factor: by the
    factor to the power of how many steps were taken."""
    steps = [number // step_periods for number in range(first, first + count)]
    grown, shrunk = factor.as_integer_ratio()
    by_step = {taken: grown ** (taken - steps[0]) * shrunk ** (steps[-1] - taken) for taken in set(steps)}
    return [by_step[taken] for taken in steps]
