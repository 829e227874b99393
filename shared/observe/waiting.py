"""What takes long is said on standard error, and not given up: nobody knows how fast a machine is, or what else it has to do."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

SAY_EVERY_S = 10.0


def say(line: str) -> None:
    """Where it cannot be written, since the disk is full, it is lost."""
    with suppress(OSError):
        print(f"reserve: {line}", file=sys.stderr, flush=True)


def still(doing: str) -> AbstractAsyncContextManager[None]:
    """Says "still doing, 70 s" every so often, for as long as the block lasts."""
    began = time.monotonic()
    return saying(lambda: f"still {doing}, {time.monotonic() - began:.0f} s")


@asynccontextmanager
async def saying(line: Callable[[], str]) -> AsyncIterator[None]:
    """Says every so often, for as long as the block lasts, what the line is by then. An empty one is not said."""

    async def speak() -> None:
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            if text := line():
                say(text)

    speaker = asyncio.create_task(speak())
    try:
        yield
    finally:
        speaker.cancel()
