"""Every bench runs: what measures the system follows it as it changes. How fast it is nobody asks here."""

import math

import pytest

from bench.figures import QUICK
from bench.run import BENCHES, measure


@pytest.mark.long
@pytest.mark.parametrize("name", BENCHES)
async def test_a_bench_gives_its_figures(name: str) -> None:
    figures = [figure async for figure in measure([name], QUICK)]
    assert any(figure.met is not None for figure in figures), "a bench has a target"
    assert all(math.isfinite(figure.value) and figure.value >= 0 for figure in figures)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
