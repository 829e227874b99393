"""Charts: geometry for the report's pictures. Each is drawn from the rows of the table below it, and says nothing more."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import NamedTuple

BAR, GAP, LINE = 14.0, 6.0, 18.0  # a name needs a line
LEFT, RIGHT = 190.0, 430.0  # where the bars stand; names are outside of them
PLOT_LEFT, PLOT_WIDTH, PLOT_HEIGHT = 70.0, 560.0, 140.0


class Band(NamedTuple):
    """One end of the flow: a bar at (x, y), as high as its share, and what leads from or to the middle."""

    name: str
    amount: int
    x: float
    y: float
    height: float
    path: str


class Flow(NamedTuple):
    """From where a product came, on the left, to where all of it is, on the right. Both sides sum to the same."""

    height: float
    total: int
    bands: tuple[Band, ...]


class Line(NamedTuple):
    name: str
    points: str
    last: int


class Course(NamedTuple):
    """Sums over time. `ticks`: days at the ends; `top`: what the highest line comes to."""

    lines: tuple[Line, ...]
    first: str
    last: str
    top: int


def flow_of(came: Sequence[tuple[str, int]], went: Sequence[tuple[str, int]], height: float = 150.0) -> Flow:
    """`came`, `went`: names and amounts above zero, of which both lists have some."""
    total = sum(amount for _, amount in came)
    bands = [*_bands(came, total, LEFT, height, outward=-1), *_bands(went, total, RIGHT, height, outward=1)]
    return Flow(max(max(band.y + band.height, band.y + LINE) for band in bands), total, tuple(bands))


def _bands(rows: Sequence[tuple[str, int]], total: int, x: float, height: float, *, outward: int) -> list[Band]:
    found = []
    y = inner = 0.0
    middle = (LEFT + RIGHT + BAR) / 2
    for name, amount in rows:
        tall = max(1.0, height * amount / total)
        edge = x + BAR if outward < 0 else x
        bend = (edge + middle) / 2
        path = (
            f"M{edge:.1f} {y:.1f} C{bend:.1f} {y:.1f} {bend:.1f} {inner:.1f} {middle:.1f} {inner:.1f} "
            f"V{inner + tall:.1f} C{bend:.1f} {inner + tall:.1f} {bend:.1f} {y + tall:.1f} {edge:.1f} {y + tall:.1f} Z"
        )
        found.append(Band(name, amount, x, y, tall, path))
        inner += tall
        y += max(tall + GAP, LINE)
    return found


def course_of(days: Mapping[str, tuple[int, int]], names: tuple[str, str]) -> Course | None:
    """Steps from day to day of two sums. `days`: "2026-01-06" to what was added to each. None where there is one day, or none."""
    on = [date.fromisoformat(day).toordinal() for day in days]
    if len(on) < 2:
        return None
    sums = [list(accumulate(amounts)) for amounts in zip(*days.values(), strict=True)]
    top = max(each[-1] for each in sums) or 1
    lines = []
    for name, heights in zip(names, sums, strict=True):
        xs = [PLOT_LEFT + PLOT_WIDTH * (day - on[0]) / (on[-1] - on[0]) for day in on]
        ys = [PLOT_HEIGHT - PLOT_HEIGHT * height / top for height in heights]
        steps = [f"{xs[0]:.1f},{PLOT_HEIGHT:.1f}"]
        for before, x, y in zip([PLOT_HEIGHT, *ys], xs, ys, strict=False):
            steps += [f"{x:.1f},{before:.1f}", f"{x:.1f},{y:.1f}"]
        lines.append(Line(name, " ".join(steps), heights[-1]))
    return Course(tuple(lines), min(days), max(days), top)
