"""Serving: a deployment that runs beside the code that uses it, in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from reserve.operate.deployment import Deployment
from reserve.operate.endpoints import Endpoints
from shared.observe.logs import lines_to


class Stopped(Exception):
    """The deployment ended, by Ctrl-C for instance, before its user did."""


@asynccontextmanager
async def serving(deployment: Deployment) -> AsyncIterator[Endpoints]:
    """Ready inside, ended after. Raises Stopped, in place of what goes on inside, when it ends early; and what `Deployment.run` raises."""
    keep_log(deployment)
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(deployment.run(ready.set_result))
    waited: set[asyncio.Future[Any]] = {running, ready}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await running
        raise Stopped
    user = asyncio.current_task()
    assert user is not None
    running.add_done_callback(cancel := lambda _: user.cancel())
    try:
        yield ready.result()
    except asyncio.CancelledError:
        if not running.done():
            raise
        user.uncancel()
        raise Stopped from None
    finally:
        running.remove_done_callback(cancel)
        deployment.supervisor.stop()
        await running


def keep_log(deployment: Deployment) -> None:
    """The supervisor's own log goes beside the others, so that standard output is its user's alone."""
    file = deployment.supervisor.log_of("supervisor")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lines_to(file.open("a")),
    )
