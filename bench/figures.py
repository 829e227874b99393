"""Figures: what a bench prints, a line of JSON each."""

from collections.abc import AsyncIterator, Callable, Sequence

import msgspec


class Options(msgspec.Struct, frozen=True):
    """What a run is asked for. `seconds` is the length of each storm of draws, `clients` how many draw at once in it, `events` the
    length of a long-lived journal and of the history that is audited at length, `share` how much of what else takes long is done. A bench
    that has not ended `within_s` is ended."""

    seconds: float = 30.0
    clients: int = 64
    events: int = 10_000_000
    share: float = 1.0
    within_s: float = 12 * 3600.0

    def some(self, usual: int) -> int:
        return max(1, round(usual * self.share))


QUICK = Options(seconds=1.0, events=2_000, share=0.02, within_s=1500.0)  # does each bench run at all? Its figures mean nothing


class Figure(msgspec.Struct, frozen=True):
    """`met` is None where nothing is to be reached; `ratio` is value / baseline, and the baseline was measured in the same run."""

    name: str
    value: float
    unit: str
    target: float | None = None
    met: bool | None = None
    baseline: float | None = None
    ratio: float | None = None


type Bench = Callable[[Options], AsyncIterator[Figure]]  # yields each figure as soon as it is known


def figure(
    name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None, baseline: float | None = None
) -> Figure:
    """A figure with one target or none: the least that is good, or the most."""
    target, met = None, None
    if at_least is not None:
        target, met = at_least, value >= at_least
    elif at_most is not None:
        target, met = at_most, value <= at_most
    if baseline is None:
        return Figure(name, _short(value), unit, target, met)
    return Figure(name, _short(value), unit, target, met, _short(baseline), _short(value / baseline))


def percentile_ms(sorted_s: Sequence[float], share: float) -> float:
    return 1000 * sorted_s[min(len(sorted_s) - 1, int(share * len(sorted_s)))]


def _short(value: float) -> float:
    """Three digits, and all of those before the point: another run would not repeat more of them."""
    return float(f"{value:.3g}") if abs(value) < 100 else float(round(value))
