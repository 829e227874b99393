"""The benches, in the order in which they run. A new one is a function in a file of its own, and a line here."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence

from bench.audited import audited
from bench.backtest import backtest
from bench.bulk import bulk
from bench.decision import decision
from bench.edge import edge
from bench.exported import exported
from bench.exposure import exposure
from bench.feed import feed
from bench.figures import Bench, Figure, Options
from bench.longevity import longevity
from bench.payments import payments
from bench.receipt_route import receipt_route
from bench.requests import requests
from bench.rounds import rounds
from bench.schedules import schedules
from bench.screening import screening
from bench.served import served
from bench.standing import standing
from bench.state import state
from bench.tables import tables
from bench.tree import tree
from bench.webhooks import webhooks
from bench.witnessed import witnessed
from bench.writer import writer

BENCHES: Mapping[str, Bench] = {
    "served": served,
    "edge": edge,
    "bulk": bulk,
    "witnessed": witnessed,
    "receipt_route": receipt_route,
    "feed": feed,
    "webhooks": webhooks,
    "requests": requests,
    "rounds": rounds,
    "state": state,
    "writer": writer,
    "tree": tree,
    "audited": audited,
    "exported": exported,
    "tables": tables,
    "schedules": schedules,
    "backtest": backtest,
    "standing": standing,
    "decision": decision,
    "payments": payments,
    "exposure": exposure,
    "screening": screening,
    "longevity": longevity,
}


class UnknownBench(ValueError):
    """There is no bench of this name."""


async def measure(names: Sequence[str], options: Options) -> AsyncGenerator[Figure]:
    """The figures of the benches of these names, or of all. Raises UnknownBench, and what a bench raises."""
    if unknown := [name for name in names if name not in BENCHES]:
        raise UnknownBench(f"no bench is called {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in names or BENCHES:
        os.sync()  # what the one before has left to write is not to slow this one down
        async for figure in BENCHES[name](options):
            yield figure
