"""Order among rationals, by whole numbers alone: what thousands of claims need, since comparing two `Fraction`s takes a microsecond."""

from collections.abc import Sequence


def order_keys(numerators: Sequence[int], denominators: Sequence[int]) -> list[int]:
    """A whole number for each `numerator / denominator` (denominators above 0): in the same order, and equal only where those are equal.

    Two unequal rationals with denominators up to d differ by at least 1/d^2, so times a power of two above d^2 their whole parts differ.
    """
    largest = max(denominators, default=1)
    if min(denominators, default=1) == largest:
        return list(numerators)
    bits = 2 * largest.bit_length()
    return [(numerator << bits) // denominator for numerator, denominator in zip(numerators, denominators, strict=True)]
