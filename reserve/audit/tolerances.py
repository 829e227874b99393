"""Tolerances: how far from its draw one person may weigh goods, as two had set it by then: for the contract, or else the product, and for
the scale. Where none is set it is the build's."""

from fractions import Fraction
from typing import Any

from services.inventory.events import DrawWeighed, DrawWeighedAgain, WeighingToleranceSet

TOLERANCE = Fraction(1, 200)  # of a draw's mass
WIDEST = Fraction(1, 100)
_PRODUCT = (None, None)


class Tolerances:
    """Of each product, as far as its events are seen."""

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str | None, str | None], Fraction]] = {}  # product -> partner, scale ->

    def see(self, event: Any) -> None:
        if isinstance(event, WeighingToleranceSet):
            self._of.setdefault(event.product, {})[event.partner, event.scale] = Fraction(event.tolerance)

    def grams(self, event: DrawWeighed | DrawWeighedAgain) -> int:
        of = self._of.get(event.product, {})
        by_contract = of.get((event.partner, None), of.get(_PRODUCT, TOLERANCE))
        return int(event.mass_g * (by_contract if event.scale is None else min(by_contract, of.get((None, event.scale), by_contract))))

    def names_its_scale(self, event: DrawWeighed | DrawWeighedAgain) -> bool:
        """One with a tolerance of its own, where any has."""
        scales = {scale for _, scale in self._of.get(event.product, {}) if scale is not None}
        return event.scale in scales if scales else event.scale is None


def is_one(event: WeighingToleranceSet) -> bool:
    """Of a contract or of a scale, and no wider than scales are wrong."""
    return 0 <= Fraction(event.tolerance) <= WIDEST and None in (event.partner, event.scale)
