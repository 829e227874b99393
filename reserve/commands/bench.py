"""`reserve bench`: each figure as a line of JSON, as soon as it is known, and at the end on standard error which targets were missed."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import httpx
import msgspec
import typer

from bench.figures import Figure, Options
from bench.run import UnknownBench, measure
from reserve.client import ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.demo.parties import Unexpected
from reserve.operate.production import Refused
from reserve.operate.serving import Stopped
from shared.engines.processes import Died


def bench(names: Sequence[str], options: Options) -> None:
    """A missed target is told, and is no failure: the exit code says whether everything could be measured."""
    try:
        figures = asyncio.run(_bench(names, options))
    except Stopped:
        fail("stopped", CHECK_FAILED)
    except (UnknownBench, Refused) as error:
        fail(str(error))
    except (Unexpected, RuntimeError, ProblemAnswer, Died, httpx.TransportError) as error:
        fail(repr(error), CHECK_FAILED)
    typer.echo(summary(figures), err=True)


async def _bench(names: Sequence[str], options: Options) -> list[Figure]:
    measured = []
    async with aclosing(measure(names, options)) as figures:
        async for figure in figures:
            typer.echo(msgspec.json.encode(figure))
            measured.append(figure)
    return measured


def summary(figures: Sequence[Figure]) -> str:
    """Which targets were missed."""
    aimed = [figure for figure in figures if figure.met is not None]
    missed = [f"  {figure.name}: {figure.value:g} {figure.unit}, target {figure.target:g}" for figure in aimed if not figure.met]
    if not missed:
        return f"all {len(aimed)} targets were met"
    return "\n".join([f"{len(missed)} of {len(aimed)} targets were missed:", *missed])
