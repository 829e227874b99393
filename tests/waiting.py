"""How tests wait: for a condition, never for a time. One limit, for all of them, finds what hangs; it says nothing of speed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import overload

HANGS_AFTER_S = 1800.0  # a quarter of two processors, shared by two workers, needs 900 s for the demo


@overload
async def until[Found](condition: Callable[[], Awaitable[Found]], *, every_s: float = ...) -> Found: ...
@overload
async def until[Found](condition: Callable[[], Found], *, every_s: float = ...) -> Found: ...
async def until(condition: Callable[[], object], *, every_s: float = 0.02) -> object:
    """Waits until the condition gives something that counts as true, and gives that."""
    found: object = None
    try:
        async with asyncio.timeout(HANGS_AFTER_S):
            while True:
                found = await answer if isinstance(answer := condition(), Awaitable) else answer
                if found:
                    return found
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise AssertionError(f"it hangs; the last answer was {found!r}") from None
