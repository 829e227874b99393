"""The benches, in the order in which they run. A new one is a function in a file of its own, and a line here."""

import asyncio
import faulthandler
import os
import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.audited import audited, audited_at_length
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
    "audited_at_length": audited_at_length,
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


ENDS_WITHIN_S = 60.0  # once it was told to: then the process ends as it is, and says where it stood


class UnknownBench(ValueError):
    """There is no bench of this name."""


class NeverEnds(RuntimeError):
    """A bench waits for what does not come."""


async def measure(names: Sequence[str], options: Options) -> AsyncGenerator[Figure]:
    """The figures of the benches of these names, or of all. Raises UnknownBench, NeverEnds, and what a bench raises."""
    if unknown := [name for name in names if name not in BENCHES]:
        raise UnknownBench(f"no bench is called {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in names or BENCHES:
        os.sync()  # what the one before has left to write is not to slow this one down
        async with _ending(name, options.within_s):
            async for figure in BENCHES[name](options):
                yield figure


@asynccontextmanager
async def _ending(name: str, within_s: float) -> AsyncIterator[None]:
    """Whatever a bench waits for, it ends, and where it fails the process does. Raises NeverEnds, which says where it waited."""
    faulthandler.dump_traceback_later(within_s + ENDS_WITHIN_S, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        async with asyncio.timeout(within_s) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        frames = traceback.extract_tb(None if error.__cause__ is None else error.__cause__.__traceback__)
        waited = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        raise NeverEnds(f"{name} has not ended within {within_s:g} s. It waited in {waited}") from error
    faulthandler.cancel_dump_traceback_later()
