"""`reserve bench`: each figure as a line of JSON, as soon as it is known."""

import asyncio
from contextlib import aclosing

import httpx
import msgspec
import typer

from bench.run import measure
from services.client import ProblemAnswer
from services.commands.failure import CHECK_FAILED, fail
from services.demo.parties import Unexpected
from services.serving import Stopped
from shared.processes import Died


def bench(seconds: float, clients: int) -> None:
    try:
        asyncio.run(_bench(seconds, clients))
    except Stopped:
        fail("stopped", CHECK_FAILED)
    except (Unexpected, RuntimeError, ProblemAnswer, Died, httpx.TransportError) as error:
        fail(repr(error), CHECK_FAILED)


async def _bench(seconds: float, clients: int) -> None:
    async with aclosing(measure(seconds, clients)) as figures:
        async for figure in figures:
            typer.echo(msgspec.json.encode(figure))
