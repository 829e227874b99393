"""Remembered: what was found, for a second. Requests come by the hundred, and each one's look would cost more than the rest of it does."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

REMEMBERED_S = 1.0
MOST = 10_000


class Remembered[Key, Found]:
    """For a service's `Part`. Whoever asks while a look is under way waits for it: a second is over for all of them at once."""

    def __init__(self, *of_part: Any) -> None:
        super().__init__(*of_part)
        self._looks: dict[Key, tuple[float, asyncio.Task[Found]]] = {}  # when each began, monotonic

    async def remembered(self, key: Key, find: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        """What `find` finds, or found. A look that failed, or that found nothing (None), is not remembered."""
        now, (since, look) = time.monotonic(), self._looks.get(key, (0.0, None))
        if look is None or now >= since + REMEMBERED_S or _is_nothing(look):
            if len(self._looks) >= MOST:
                self._looks.clear()
            look = asyncio.create_task(find())
            self._looks[key] = now, look
        return look.result() if look.done() else await asyncio.shield(look)

    def forget(self) -> None:
        """Something of it has changed here. A look that is under way ends in what is forgotten."""
        self._looks = {}


def _is_nothing(look: asyncio.Task[Any]) -> bool:
    return look.done() and (look.cancelled() or look.exception() is not None or look.result() is None)
