"""Every bench runs: what measures the system follows it as it changes. How fast it is nobody asks here."""

import math
import subprocess
import sys

import msgspec
import pytest

from bench.figures import Figure
from bench.run import BENCHES
from reserve.operate.migrate import ROOT
from tests.waiting import HANGS_AFTER_S


@pytest.mark.long
@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_gives_its_figures(name: str) -> None:
    command = (sys.executable, "-m", "reserve", "bench", name, "--quick")
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    figures = [msgspec.json.decode(line, type=Figure) for line in ran.stdout.splitlines()]
    assert any(figure.met is not None for figure in figures), "a bench has a target"
    assert all(math.isfinite(figure.value) and figure.value >= 0 for figure in figures)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
